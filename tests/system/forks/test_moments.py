"""Forks at moments at which something is half done, or locked, or under way in a thread that is not in the child."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.forking import Child, Files, Settings, descriptors, in_child, python, sees, until

from hotsettings import BaseSettings, BlockingLive, Change
from hotsettings._concurrency.loop_thread import LoopThread
from hotsettings._live.core import CurrentSlot
from hotsettings._live.reload.reloader import Reloader

Live = BlockingLive[Settings]


class Gate:
    """Where a function of the test waits, in the process that has made it; others pass."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self._process = os.getpid()

    def wait(self) -> None:
        if os.getpid() == self._process:
            self.reached.set()
            assert self.open.wait(30)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


class TestInsideOfOurCalls:
    """What is called here would fork in the child too, where the same edit is seen, and in its child, and so on."""

    def test_inside_of_a_callback(self, files: Files, live: Live) -> None:
        calls: list[int] = []
        others: list[int] = []
        children: list[Child[object]] = []

        def work() -> object:
            files.edit(A=2)
            healthy = sees(live, 2)[1]
            live.wait_applied(timeout=10)
            return [healthy, list(calls), others[-1:]]

        @live.on_change
        def forks(change: Change[Settings]) -> None:
            calls.append(change.new.A)
            if not children:
                children.append(Child(work))

        live.on_change(lambda change: others.append(change.new.A))
        files.edit(A=1)
        until(lambda: children)
        assert children[0].result() == [True, [1], [2]]
        until(lambda: calls[-1] == 2)

    def test_inside_of_a_hook(self, files: Files, live: Live) -> None:
        calls: list[int] = []
        found: list[object] = []

        @live.prepare
        def forks(change: Change[Settings]) -> None:
            calls.append(os.getpid())
            found.append(in_child(lambda: [*sees(live, 1), len(calls)]))

        files.edit(A=1)
        sees(live, 1)
        assert found == [[2, True, 1]]
        assert calls == [os.getpid()]

    def test_what_was_dropped_can_be_cancelled(self, files: Files, live: Live) -> None:
        found: list[object] = []

        def work() -> list[object]:
            handle.cancel()
            return [live.reload(), handle.failures]

        def forks(change: Change[Settings]) -> None:
            found.append(in_child(work))

        handle = live.on_change(forks)
        files.edit(A=1)
        until(lambda: found)
        assert found == [[None, 0]]

    def test_inside_of_a_build(self, files: Files, live: Live) -> None:
        @contextmanager
        def build(settings: Settings) -> Iterator[int]:
            yield in_child(lambda: sees(live, settings.A)[0])

        with live.resource(build, "A") as resource:
            assert resource.current == 1

    def test_inside_of_a_check(self, tmp_path: Path) -> None:
        found: list[object] = []

        class Checked(BaseSettings):
            A: int = 0

            def __post_init__(self) -> None:
                if self.A == 1 and not found:
                    found.append(in_child(sees_checked))

        def sees_checked() -> int:
            found.append("in the child")
            until(lambda: live.current.A == 1)
            return live.snapshot.generation

        files = Files(tmp_path)
        live = Checked.watch(files.config, secrets_path=None, settle=0.0).start()
        files.edit(A=1)
        until(lambda: live.current.A == 1)
        assert found == [2]
        live.stop()

    def test_in_another_thread_than_the_main_one(self, files: Files, live: Live) -> None:
        found: list[object] = []

        def work() -> object:
            files.edit(A=1)
            return sees(live, 1)

        thread = threading.Thread(target=lambda: found.append(in_child(work)))
        thread.start()
        thread.join()
        assert found == [(2, True)]


class TestWhileOthersAreCalled:
    def test_a_callback_is_called_again_in_the_child(self, files: Files, live: Live, gate: Gate) -> None:
        done: list[int] = []

        @live.on_change
        def slow(change: Change[Settings]) -> None:
            gate.wait()
            done.append(change.new.A)

        files.edit(A=1)
        gate.reached.wait(30)

        def work() -> list[int]:
            until(lambda: done)
            files.edit(A=2)
            sees(live, 2)
            live.wait_applied(timeout=10)
            return done

        assert in_child(work) == [1, 2]

    def test_if_it_is_called_again_a_further_child_leaves_it_at_that(
        self, files: Files, live: Live, gate: Gate
    ) -> None:
        # Or a callback with threads that fork would have children without end.
        calls: list[int] = []
        again = threading.Event()

        @live.on_change
        def slow(change: Change[Settings]) -> None:
            calls.append(os.getpid())
            gate.wait()
            again.wait(20)

        files.edit(A=1)
        gate.reached.wait(30)

        def grandchild() -> int:
            live.wait_applied(timeout=10)
            return len(calls)

        def child() -> list[int]:
            until(lambda: len(calls) == 2)
            return [len(calls), in_child(grandchild)]

        assert in_child(child) == [2, 2]
        again.set()

    def test_a_hook_is_asked_by_the_child_itself(self, files: Files, live: Live, gate: Gate) -> None:
        asked: list[int] = []

        @live.prepare
        def slow(change: Change[Settings]) -> None:
            asked.append(os.getpid())
            gate.wait()

        files.edit(A=1)
        gate.reached.wait(30)
        assert in_child(lambda: [*sees(live, 1), len(asked)]) == [2, True, 2]
        gate.open.set()
        sees(live, 1)

    def test_a_resource_is_being_built(self, files: Files, live: Live, gate: Gate) -> None:
        @contextmanager
        def build(settings: Settings) -> Iterator[int]:
            if settings.A:
                gate.wait()
            yield settings.A

        with live.resource(build, "A") as resource:
            files.edit(A=1)
            gate.reached.wait(30)
            assert in_child(lambda: [*sees(live, 1), resource.current]) == [2, True, 1]
            gate.open.set()
            sees(live, 1)

    def test_a_thread_waits_for_a_change(self, files: Files, live: Live) -> None:
        changes = live.changes()
        thread = threading.Thread(target=lambda: list(changes), daemon=True)
        thread.start()
        until(changes._one_at_a_time.locked)

        def work() -> int:
            files.edit(A=1)
            return next(changes).new.A

        assert in_child(work) == 1
        changes.close()
        thread.join()


class TestHalfDone:
    def test_a_publish_is_seen_whole(self, files: Files, gate: Gate) -> None:
        live = files.start(follow_forks=False)  # so that the child stays as it was made

        class Slow(CurrentSlot[Any]):
            __slots__ = ()

            def __setattr__(self, name: str, value: object) -> None:
                super().__setattr__(name, value)
                gate.reached.set()
                time.sleep(0.2)

        assert live._core is not None
        live._core.keep_current(Slow(live.current))
        gate.reached.clear()
        files.edit(A=1)
        assert gate.reached.wait(30)
        assert in_child(lambda: live.current is live.snapshot.settings)
        live.stop()

    def test_secrets_are_being_looked_for(self, live: Live) -> None:
        held = threading.Event()

        def hold() -> None:
            assert live._core is not None
            with live._core.redactor.lock:
                held.set()
                time.sleep(0.2)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        assert in_child(lambda: live.redact("first-secret")) != "first-secret"
        thread.join()

    def test_the_collector_is_paused(self, tmp_path: Path, gate: Gate) -> None:
        """It is while something large is decoded, by a thread that is not in the child."""

        class Large(BaseSettings):
            A: int = 0
            TEXT: str = ""

            def __post_init__(self) -> None:
                if self.A:
                    gate.wait()

        files = Files(tmp_path)
        live = Large.watch(files.config, secrets_path=None, settle=0.0).start()
        files.write(f'A = 1\nTEXT = "{"x" * 1_000_000}"\n')
        gate.reached.wait(30)
        assert not gc.isenabled()
        assert in_child(gc.isenabled)
        gate.open.set()
        live.stop()
        assert gc.isenabled()

    def test_another_thread_starts(self, tmp_path: Path, gate: Gate) -> None:
        class Slow(BaseSettings):
            A: int = 0

            def __post_init__(self) -> None:
                if self.A:
                    gate.wait()

        files = Files(tmp_path)
        files.edit(A=1)
        before = descriptors()
        started: list[BlockingLive[Slow]] = []

        def start() -> None:
            started.append(Slow.watch(files.config, secrets_path=None, settle=0.0).start())

        thread = threading.Thread(target=start)
        thread.start()
        gate.reached.wait(30)

        def work() -> list[object]:
            ours, threads = descriptors(), threading.active_count()
            start()
            files.edit(A=2)
            until(lambda: started[0].current.A == 2)
            return [ours, threads]

        assert in_child(work) == [before, 1]
        gate.open.set()
        thread.join()
        started[0].stop()

    def test_another_thread_stops(self, files: Files, live: Live, gate: Gate) -> None:
        @contextmanager
        def build(settings: Settings) -> Iterator[int]:
            yield 1
            gate.wait()

        changes = live.changes()
        block = live.resource(build)
        block.__enter__()
        thread = threading.Thread(target=live.stop)
        thread.start()
        gate.reached.wait(30)

        assert in_child(lambda: [live.reload(), list(changes)]) == [None, []]
        gate.open.set()
        thread.join()

    def test_the_thread_has_not_run_yet(self, files: Files, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
        """A child is forked again before the thread that follows in it has done anything."""
        here, run = os.getpid(), LoopThread._run

        def run_later(self: LoopThread[Any]) -> None:
            if os.getppid() == here:
                threading.Event().wait(30)
            run(self)

        monkeypatch.setattr(LoopThread, "_run", run_later)

        def work() -> object:
            files.edit(A=2)
            return in_child(lambda: sees(live, 2))

        assert in_child(work) == (2, True)

    def test_a_file_is_being_written(self, files: Files, live: Live) -> None:
        write = f"exec >{files.config}; printf 'A = '; read _; printf 17"
        with subprocess.Popen(["sh", "-c", write], stdin=subprocess.PIPE) as writer:
            until(lambda: files.config.read_text() == "A = ")
            child = Child(lambda: [live.reload(20) is not None, *sees(live, 17)])
            time.sleep(0.1)
            writer.communicate(b"\n")
        assert child.result() == [True, 2, True]


NO_DESCRIPTOR = """
import os, resource
from pathlib import Path
from support.forking import Files

live = Files(Path.cwd()).start()
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
if os.fork():
    os.wait()
else:
    status = live.status
    try:
        live.reload()
    except RuntimeError as error:
        print(status.healthy, status.last_error == str(error), error, flush=True)
    os._exit(0)
"""


class TestFailures:
    def test_no_descriptor_is_left(self, tmp_path: Path) -> None:
        """In a process of its own: in one that has used uvloop, libuv aborts a child for which it gets no descriptor."""
        done = subprocess.run(python(NO_DESCRIPTOR, tmp_path), check=False, capture_output=True, text=True, timeout=60)
        assert done.stdout.startswith("False True following in this forked process has failed: OSError"), done.stderr

    def test_following_fails(
        self, live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        changes = live.changes()

        async def run(_: object) -> None:
            raise ZeroDivisionError("a fault")

        monkeypatch.setattr(Reloader, "run", run)

        def work() -> list[object]:
            until(lambda: any(record.levelname == "ERROR" for record in caplog.records))
            said = set()
            for call in (live.reload, lambda: next(changes)):
                with pytest.raises(RuntimeError) as raised:
                    call()
                said.add(str(raised.value))
            live.stop()
            errors = [record.getMessage() for record in caplog.records if record.name == "hotsettings"]
            return [said == {live.status.last_error} == {*errors}, len(errors), *said]

        alike, records, text = in_child(work)
        assert alike
        assert records == 1
        assert "following in this forked process has failed: ZeroDivisionError" in str(text)

    def test_what_a_follower_raises_hurts_no_other(
        self, files: Files, live: Live, caplog: pytest.LogCaptureFixture
    ) -> None:
        from hotsettings._concurrency.forks import told_of_forks

        def fails() -> None:
            raise ZeroDivisionError("a fault")

        with told_of_forks(fails):
            other = files.start()

            def work() -> list[object]:
                files.edit(A=1)
                return [sees(other, 1), "ZeroDivisionError" in caplog.text]

            assert in_child(work) == [(2, True), True]
            other.stop()


THREAD_OF_THE_PARSER = """
import threading, time
from pathlib import Path
from support.forking import Files, in_child, sees, until

def work():
    threads = []
    for value in range(1, 20):
        files.edit(A=value)
        sees(live, value)
        own = Settings.watch(files.config, secrets_path=None, settle=0.0).start()  # threads that come and go
        own.stop()
        threads += [threading.Thread(target=lambda: Settings(files.config, secrets_path=None)) for _ in range(3)]
        for thread in threads[-3:]:
            thread.start()
        for thread in threads[-3:]:
            thread.join()
    return live.current.A

def main():
    global Settings, live, files
    from support.forking import Settings
    files = Files(Path.cwd())
    live = files.start()
    print(in_child(work))

assert "hotsettings" in sys.modules
main()
"""


def test_a_thread_takes_the_place_of_the_one_that_has_imported_the_parser(tmp_path: Path) -> None:
    # All that is imported in a thread that is not the main one; in the child other threads get its stack.
    program = f"""
import threading
def in_a_thread():
    global hotsettings
    import hotsettings
thread = threading.Thread(target=in_a_thread)
thread.start()
thread.join()
{THREAD_OF_THE_PARSER}
"""
    done = subprocess.run(python(program, tmp_path), check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "19\n"), done.stderr


class TestSignals:
    def test_the_child_answers_them(self, tmp_path: Path) -> None:
        files = Files(tmp_path)
        live = Settings.watch(
            files.config, secrets_path=None, watcher="poll", rescan_interval=3600.0, reload_signal=signal.SIGHUP
        ).start()

        def work() -> int:
            files.edit(A=1)
            os.kill(os.getpid(), signal.SIGHUP)
            return sees(live, 1)[0]

        assert in_child(work) == 2
        assert live.current.A == 0  # nobody has told the parent
        os.kill(os.getpid(), signal.SIGHUP)
        sees(live, 1)
        live.stop()
