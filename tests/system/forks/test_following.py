"""A process that is forked from one that follows settings goes on following them, and the parent does not notice."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.forking import Child, Files, Settings, descriptors, in_child, sees, until

from hotsettings import Applied, BlockingLive, Change, Rejection, ResourceDown

Live = BlockingLive[Settings]


def test_both_follow(files: Files, live: Live) -> None:
    child = Child(lambda: sees(live, 2))
    files.edit(A=1)
    assert sees(live, 1) == (2, True)
    files.edit(A=2)
    generation, healthy = child.result()
    assert generation in (2, 3)
    assert healthy
    assert sees(live, 2) == (3, True)


def test_the_generation_goes_on(files: Files, live: Live) -> None:
    files.edit(A=1)
    sees(live, 1)

    def work() -> list[int]:
        before = live.snapshot.generation
        files.edit(A=2)
        return [before, sees(live, 2)[0]]

    assert in_child(work) == [2, 3]


def test_the_descriptors_are_the_childs_own(live: Live) -> None:
    before = descriptors()

    def work() -> list[str]:
        live.wait_applied()  # it has begun
        until(lambda: "anon_inode:inotify" in descriptors())
        return descriptors()

    assert in_child(work) == before
    assert descriptors() == before


def test_the_parent_loses_no_event(files: Files) -> None:
    # It looks by itself once an hour, so that it learns of nothing but by events.
    live = Settings.watch(files.config, secrets_path=None, settle=0.0, rescan_interval=3600.0).start()
    try:
        for value in range(1, 20):
            child = Child(lambda: live.status.healthy)
            files.edit(A=value)
            sees(live, value)
            assert child.result()
    finally:
        live.stop()


class TestSubscribers:
    def test_a_callback_goes_on(self, files: Files, live: Live) -> None:
        seen: list[int] = []
        handle = live.on_change(lambda change: seen.append(change.new.A), "A")

        def work() -> list[int]:
            files.edit(A=1)
            until(lambda: seen)
            handle.cancel()
            files.edit(A=2)
            sees(live, 2)
            live.wait_applied(timeout=10)
            return seen

        assert in_child(work) == [1]
        until(lambda: seen and seen[-1] == 2)  # neither does its cancelling reach the parent

    def test_a_callback_that_raises_is_counted_on(self, files: Files, live: Live) -> None:
        handle = live.on_change(lambda change: 1 / 0)
        files.edit(A=1)
        until(lambda: handle.failures)

        def work() -> int:
            files.edit(A=2)
            until(lambda: handle.failures > 1)
            return handle.failures

        assert in_child(work) == 2

    def test_a_hook_goes_on(self, files: Files, live: Live) -> None:
        @live.prepare("A")
        def odd_only(change: Change[Settings]) -> None:
            if change.new.A % 2 == 0:
                raise ValueError("odd numbers only")

        def work() -> tuple[int, int]:
            files.edit(A=2)
            until(lambda: not live.status.healthy)
            stayed = live.current.A
            files.edit(A=3)
            return stayed, sees(live, 3)[0]

        assert in_child(work) == (0, 2)

    def test_a_loop_over_changes_goes_on(self, files: Files, live: Live) -> None:
        changes = live.changes("A", timeout=20)
        files.edit(A=1)
        assert next(changes).new.A == 1

        def work() -> list[int]:
            files.edit(A=2)
            return [next(changes).old.A, live.current.A]

        assert in_child(work) == [1, 2]
        assert next(changes).new.A == 2

    def test_what_nobody_has_asked_for_yet_is_delivered_in_both(self, files: Files, live: Live) -> None:
        changes, others = live.changes("A", timeout=20), live.changes("B", timeout=0.2)
        files.edit(A=1)
        sees(live, 1)

        def work() -> int:
            with pytest.raises(TimeoutError):
                next(others)
            return next(changes).new.A

        assert in_child(work) == 1
        assert next(changes).new.A == 1

    def test_the_fork_is_inside_of_the_loop(self, files: Files, live: Live) -> None:
        changes = live.changes("A", timeout=20)
        files.edit(A=1)
        next(changes)

        def work() -> int:
            files.edit(A=2)
            sees(live, 2)
            live.wait_applied(timeout=10)  # does not wait for the loop that it is called in
            return next(changes).new.A

        assert in_child(work) == 2

    def test_a_loop_in_a_thread_of_the_parent_keeps_nobody_waiting(self, files: Files, live: Live) -> None:
        changes, asked = live.changes(), threading.Event()

        def loop() -> None:
            asked.set()
            for _ in changes:
                pass

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        asked.wait()
        time.sleep(0.05)

        def work() -> bool:
            files.edit(A=1)
            sees(live, 1)
            live.wait_applied(timeout=10)
            return live.statistics().subscribers_behind == 0

        assert in_child(work)
        changes.close()
        thread.join(10)

    def test_a_loop_in_a_thread_of_the_parent_can_be_asked_on(self, files: Files, live: Live) -> None:
        changes = live.changes("A")
        thread = threading.Thread(target=lambda: list(changes), daemon=True)
        thread.start()
        time.sleep(0.05)

        def work() -> int:
            files.edit(A=1)
            return next(changes).new.A

        assert in_child(work) == 1
        changes.close()
        thread.join(10)

    def test_events_go_on(self, files: Files, live: Live) -> None:
        events = live.events(timeout=20)
        files.edit(A=1)
        sees(live, 1)

        def work() -> list[type]:
            files.write("A = ")
            return [type(next(events)), type(next(events))]

        assert in_child(work) == [Applied, Rejection]
        assert isinstance(next(events), Applied)

    def test_a_closed_iterator_stays_closed(self, files: Files, live: Live) -> None:
        changes, events = live.changes(), live.events()
        changes.close()
        events.close()
        assert in_child(lambda: [*changes, *events]) == []


class TestResources:
    def test_each_process_builds_its_own(self, files: Files, live: Live) -> None:
        log: list[str] = []

        @contextmanager
        def build(settings: Settings) -> Iterator[tuple[int, int]]:
            log.append(f"+{settings.A}")
            yield os.getpid(), settings.A
            log.append(f"-{settings.A}")

        block = live.resource(build, "A")
        with block as resource:

            def work() -> list[object]:
                unused = list(log)
                first = resource.current
                files.edit(A=1)
                sees(live, 1)
                with resource.lease() as leased:
                    second = leased
                block.__exit__(None, None, None)
                return [unused, first == (os.getpid(), 0), second == (os.getpid(), 1), sorted(log)]

            assert in_child(work) == [["+0"], True, True, sorted(["+0", "+0", "+1", "-0", "-1"])]
            sees(live, 1)
            until(lambda: resource.current == (os.getpid(), 1))

    def test_many_threads_of_the_child_build_one(self, live: Live) -> None:
        built: list[int] = []

        @contextmanager
        def build(settings: Settings) -> Iterator[int]:
            time.sleep(0.05)
            built.append(os.getpid())
            yield os.getpid()

        with live.resource(build) as resource:

            def work() -> int:
                found: list[int] = []
                threads = [threading.Thread(target=lambda: found.append(resource.current)) for _ in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                assert found == [os.getpid()] * 8
                return built.count(os.getpid())

            assert in_child(work) == 1

    def test_a_build_that_fails_raises_at_the_use(self, live: Live) -> None:
        parent = os.getpid()

        @contextmanager
        def build(settings: Settings) -> Iterator[int]:
            if os.getpid() != parent:
                raise ConnectionError("no more places")
            yield 1

        with live.resource(build) as resource:

            def work() -> list[str]:
                said = []
                for _ in range(2):
                    with pytest.raises(ConnectionError) as raised:
                        assert resource.current
                    said.append(str(raised.value))
                return said

            assert in_child(work) == ["no more places"] * 2
            assert resource.current == 1

    def test_an_exclusive_one_is_down_and_says_why(self, files: Files, live: Live) -> None:
        @contextmanager
        def build(settings: Settings) -> Iterator[int]:
            yield settings.A

        with live.resource(build, replace="exclusive") as resource:

            def work() -> list[object]:
                said: list[object] = []
                uses: list[Callable[[], object]] = [lambda: resource.current, lambda: resource.lease().__enter__()]
                for use in uses:
                    with pytest.raises(ResourceDown) as raised:
                        use()
                    said.append(str(raised.value))
                files.edit(A=1)  # it is in nobody's way
                return [*said, sees(live, 1)]

            one, other, seen = in_child(work)
            assert one == other
            assert f"stands in process {os.getpid()}, from which this one was forked" in str(one)
            assert seen == (2, True)
            sees(live, 1)
            until(lambda: resource.current == 1)

    def test_a_lease_of_the_parent_ends_in_the_parent(self, files: Files, live: Live) -> None:
        closed: list[int] = []

        @contextmanager
        def build(settings: Settings) -> Iterator[int]:
            yield settings.A
            closed.append(settings.A)

        with live.resource(build, "A") as resource:
            lease = resource.lease()
            lease.__enter__()

            def work() -> tuple[int, list[int]]:
                assert resource.current == 0
                lease.__exit__(None, None, None)
                return resource.current, closed

            assert in_child(work) == (0, [])
            files.edit(A=1)
            until(lambda: resource.current == 1)
            assert closed == []  # it is still leased here
            lease.__exit__(None, None, None)
            until(lambda: closed == [0])

    @pytest.mark.parametrize("used", [False, True])
    def test_a_block_is_left_in_the_child(self, live: Live, used: bool) -> None:
        log: list[str] = []

        @contextmanager
        def build(settings: Settings) -> Iterator[int]:
            log.append("+")
            yield 1
            log.append("-")

        block = live.resource(build)
        resource = block.__enter__()

        def work() -> str:
            if used:
                assert resource.current
            block.__exit__(None, None, None)
            with pytest.raises(ResourceDown):
                assert resource.current
            with pytest.raises(ResourceDown):
                resource.lease().__enter__()
            return "".join(log)

        assert in_child(work) == ("++-" if used else "+")
        assert resource.current == 1
        block.__exit__(None, None, None)

    def test_one_of_the_childs_own(self, live: Live) -> None:
        @contextmanager
        def build(settings: Settings) -> Iterator[int]:
            yield os.getpid()

        def work() -> bool:
            with live.resource(build, replace="exclusive") as resource:
                return resource.current == os.getpid()

        assert in_child(work)


class TestState:
    def test_the_first_value_of_what_needs_a_restart_stays(self, files: Files, live: Live) -> None:
        files.edit(A=1, WORKERS=8)
        sees(live, 1)

        def work() -> list[object]:
            before = live.status.pending_restart
            files.edit(A=2, WORKERS=9)
            sees(live, 2)
            return [before, live.current.WORKERS, live.status.pending_restart]

        assert in_child(work) == [{"WORKERS"}, 4, {"WORKERS"}]

    @pytest.mark.parametrize("text", ["A = ", "", None], ids=["bad", "empty", "gone"])
    def test_the_files_are_bad_at_the_moment_of_the_fork(self, files: Files, live: Live, text: str | None) -> None:
        files.edit(A=1)
        sees(live, 1)
        if text is None:
            files.config.unlink()
        else:
            files.write(text)
        until(lambda: not live.status.healthy)

        def work() -> list[object]:
            at_once = live.status
            live.changes()  # it has begun
            until(lambda: live.statistics().looks > 1)
            after_a_look = live.status
            files.edit(A=2)
            return [at_once.healthy, at_once.last_error, after_a_look.healthy, live.current.A, sees(live, 2)]

        said = live.status.last_error
        assert in_child(work)[:2] == [False, said]
        files.write("A = 1\n")

    def test_the_files_become_bad_at_the_moment_of_the_fork(self, files: Files, live: Live) -> None:
        files.edit(A=1)
        sees(live, 1)

        def work() -> list[object]:
            files.write("")  # which is a rejection only where there was content before
            until(lambda: not live.status.healthy)
            stayed = live.current.A
            files.edit(A=2)
            return [stayed, sees(live, 2)]

        assert in_child(work) == [1, (3, True)]

    def test_an_edit_that_was_vetoed_is_vetoed_in_the_child(self, files: Files, live: Live) -> None:
        def refuse(change: Change[Settings]) -> None:
            raise ValueError("never")

        handle = live.prepare(refuse)
        files.edit(A=1)
        until(lambda: not live.status.healthy)

        def work() -> list[object]:
            status = live.status
            until(lambda: live.statistics().rejections)
            handle.cancel()
            return [status.healthy, status.consecutive_failures, live.reload(20) is not None, live.current.A]

        assert in_child(work) == [False, live.status.consecutive_failures, True, 1]
        assert live.current.A == 0

    def test_secrets_that_the_parent_knew_are_masked(self, files: Files, live: Live) -> None:
        files.edit(A=1, SECRET_KEY="a-former-secret")
        sees(live, 1)
        files.edit(A=2, SECRET_KEY="a-present-secret")
        sees(live, 2)

        def work() -> str:
            files.edit(A=3, SECRET_KEY="a-secret-of-the-child")
            sees(live, 3)
            return live.redact("a-former-secret a-present-secret a-secret-of-the-child")

        assert "secret" not in in_child(work)
        assert live.redact("a-former-secret") != "a-former-secret"

    def test_the_layers_are_as_read(self, live: Live) -> None:
        assert in_child(lambda: [layer.state for layer in live.status.layers]) == ["read"]

    def test_it_says_what_it_follows(self, live: Live) -> None:
        def work() -> list[object]:
            return [live.explain("A").key, len(live.describe()) > 0, live.statistics().watching, repr(live)[:12]]

        assert in_child(work) == ["A", True, True, "BlockingLive"]

    def test_the_end_of_the_child_is_not_that_of_the_parent(self, files: Files, live: Live) -> None:
        def work() -> list[object]:
            live.stop()
            files.edit(A=1)
            return [live.reload(), live.statistics().watching]

        assert in_child(work) == [None, False]
        assert sees(live, 1) == (2, True)

    def test_a_live_object_that_has_ended_has_ended_in_the_child(self, files: Files) -> None:
        live = files.start()
        changes = live.changes()
        live.stop()
        assert in_child(lambda: (live.reload(), list(changes))) == (None, [])

    def test_it_cannot_be_sent_to_another_process(self, live: Live) -> None:
        with pytest.raises(TypeError, match="cannot be sent to another process: watch there"):
            pickle.dumps(live)
        assert pickle.loads(pickle.dumps(live.current)) == live.current

    def test_the_collector_meets_nothing(self, files: Files, live: Live) -> None:
        live.on_change(lambda change: None)

        def work() -> int:
            files.edit(A=1)
            sees(live, 1)
            gc.collect()
            files.edit(A=2)
            return sees(live, 2)[0]

        assert in_child(work) == 3


class TestOptingOut:
    def test_nothing_new_goes_live_and_everything_says_so(self, files: Files) -> None:
        live = files.start(follow_forks=False)

        @contextmanager
        def build(settings: Settings) -> Iterator[int]:
            yield settings.A

        changes = live.changes()
        with live.resource(build) as resource:

            def work() -> list[object]:
                files.edit(A=1)
                said = []
                calls: list[Callable[[], object]] = [
                    live.reload,
                    live.changes,
                    live.wait_applied,
                    lambda: next(changes),
                    lambda: resource.current,
                    lambda: live.on_change(print),
                ]
                for call in calls:
                    with pytest.raises(RuntimeError) as raised:
                        call()
                    said.append(str(raised.value))
                status, threads = live.status, threading.active_count()
                live.stop()
                return [live.current.A, {*said, status.last_error}, status.healthy, threads]

            value, said, healthy, threads = in_child(work)
            assert (value, healthy, threads) == (0, False, 1)
            assert said == {
                "this process was forked from the one that watches, with follow_forks=False: watch in it anew"
            }
        assert sees(live, 1) == (2, True)
        live.stop()

    def test_the_descriptors_are_closed(self, files: Files) -> None:
        before = descriptors()
        live = files.start(follow_forks=False)
        assert in_child(descriptors) == before
        live.stop()
