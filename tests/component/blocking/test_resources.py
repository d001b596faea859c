"""Resources of the blocking form: plain context managers, each entered and left in one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from support.live import Settings
from support.threads import in_thread, soon

from hotsettings import BlockingLive, Rejected, ResourceDown
from hotsettings._concurrency import backoff
from hotsettings.testing import Workspace

Live = BlockingLive[Settings]
Edit = Callable[..., Any]
Kind = Literal["overlap", "exclusive"]
both_kinds = pytest.mark.parametrize("kind", ["overlap", "exclusive"])


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    monkeypatch.setattr(backoff, "LONGEST", 0.05)


class Thing:
    def __init__(self, settings: Settings) -> None:
        self.a = settings.A
        self.thread = threading.current_thread()
        self.open = True


class Builds:
    """Opens things, and knows which are open, and in which threads they were closed."""

    def __init__(self) -> None:
        self.open: list[Thing] = []
        self.most = 0
        self.log: list[str] = []
        self.threads: list[bool] = []
        self.before: Callable[[Settings], object] = lambda _: None
        self.after: Callable[[Thing], object] = lambda _: None

    @contextmanager
    def build(self, settings: Settings) -> Iterator[Thing]:
        self.before(settings)
        thing = Thing(settings)
        self.open.append(thing)
        self.most = max(self.most, len(self.open))
        self.log.append(f"+{thing.a}")
        try:
            yield thing
            self.after(thing)
        finally:
            thing.open = False
            self.open.remove(thing)
            self.threads.append(threading.current_thread() is thing.thread)
            self.log.append(f"-{thing.a}")


@pytest.fixture
def builds() -> Builds:
    return Builds()


@both_kinds
def test_replaced_in_its_own_thread(live: Live, edit: Edit, builds: Builds, kind: Kind) -> None:
    with live.resource(builds.build, "A", replace=kind) as resource:
        assert repr(resource).startswith("Resource(")
        assert "Builds.build" in repr(resource)
        assert "Builds.build" in resource.current.thread.name
        first = resource.current
        edit(A=1, B=1)
        assert resource.current is first
        edit(A=2)
        live.wait_applied(timeout=20)
        second = resource.current
        soon(lambda: builds.open == [second])
        assert second.a == 2
        with resource.lease() as leased:
            assert leased is second
        assert builds.log == (["+1", "-1", "+2"] if kind == "exclusive" else ["+1", "+2", "-1"])
    assert builds.open == []
    assert builds.threads == [True, True]
    assert builds.most == (1 if kind == "exclusive" else 2)
    soon(lambda: not second.thread.is_alive())
    uses: list[Callable[[], Any]] = [lambda: resource.current, lambda: resource.lease().__enter__()]
    for use in uses:
        with pytest.raises(ResourceDown, match=r"no instance of .*Builds\.build stands"):
            use()


@both_kinds
def test_leases_from_threads_while_it_is_replaced(live: Live, workspace: Workspace, builds: Builds, kind: Kind) -> None:
    over = threading.Event()
    taken = [0] * 8

    def use(number: int) -> None:
        newest = 0
        while not over.is_set():
            with resource.lease() as thing:
                assert thing.open
                assert thing.a >= newest, "never back to an older one"
                newest = thing.a
                time.sleep(0.0005)
                assert thing.open
            taken[number] += 1

    with live.resource(builds.build, "A", replace=kind) as resource:
        users = [in_thread(use, number) for number in range(len(taken))]
        for number in range(2, 42):
            workspace.write({"A": number})
            live.reload(timeout=20)
        soon(lambda: min(taken) > 5)
        over.set()
        for user in users:
            user.result()
        assert resource.current.a == 41
    assert builds.open == []
    assert all(builds.threads)
    assert builds.most <= (1 if kind == "exclusive" else 8)


def test_a_lease_keeps_the_old_one_open(live: Live, edit: Edit, builds: Builds) -> None:
    with live.resource(builds.build, "A") as resource:
        with resource.lease() as old:
            edit(A=2)
            assert (old.open, resource.current.a) == (True, 2)
            time.sleep(0.02)
            assert old.open
        soon(lambda: not old.open)


def test_a_lease_that_outlasts_the_drain(live: Live, edit: Edit, builds: Builds, caplog: Any) -> None:
    with live.resource(builds.build, "A", drain_timeout=0.05) as resource:
        with resource.lease() as old:
            edit(A=2)
            soon(lambda: not old.open)
    assert "closed with 1 leases still held after 0.05 s" in caplog.text


@both_kinds
def test_a_first_build_that_raises(live: Live, builds: Builds, kind: Kind) -> None:
    def fail(_: object) -> None:
        raise ConnectionError("no broker")

    builds.before = fail
    with pytest.raises(ConnectionError, match="no broker"):
        with live.resource(builds.build, replace=kind):
            pytest.fail("it does not stand")
    assert live.statistics().resources == 0
    assert not live.resources


def test_a_first_build_that_exits(live: Live) -> None:
    def build(settings: Settings) -> Any:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        live.resource(build).__enter__()


@both_kinds
def test_a_later_build_that_raises(live: Live, edit: Edit, builds: Builds, kind: Kind) -> None:
    def fail(settings: Settings) -> None:
        if settings.A == 2:
            raise ConnectionError(f"not with {settings.SECRET_KEY}")

    builds.before = fail
    with live.resource(builds.build, "A", replace=kind) as resource:
        with pytest.raises(Rejected, match=r"not with \*\*\*\*\*\*\*\*"):
            edit(A=2, SECRET_KEY="another-secret")
        assert (live.current.A, resource.current.a, resource.current.open) == (1, 1, True)
        edit(A=3)
        assert resource.current.a == 3
    assert builds.open == []


@both_kinds
def test_a_build_that_comes_late_is_left_again_in_its_thread(workspace: Workspace, builds: Builds, kind: Kind) -> None:
    go = threading.Event()
    builds.before = lambda settings: go.wait(30) if settings.A == 2 else None
    with Settings.watch(**workspace.paths, settle=0.0, prepare_timeout=0.1) as live:
        with live.resource(builds.build, "A", replace=kind) as resource:
            workspace.write({"A": 2})
            with pytest.raises(Rejected, match=r"build did not finish within 0\.1 s"):
                live.reload()
            workspace.write({"A": 3})
            live.reload()
            assert (live.current.A, resource.current.a) == (3, 3)
            go.set()
            soon(lambda: "-2" in builds.log)
            assert resource.current.open
    soon(lambda: builds.open == [])
    assert all(builds.threads)


def test_a_first_build_that_hangs_and_ctrl_c(live: Live, builds: Builds) -> None:
    import signal

    def ring(*_: object) -> None:
        raise KeyboardInterrupt

    go = threading.Event()
    builds.before = lambda _: go.wait(30)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            live.resource(builds.build).__enter__()
    finally:
        signal.signal(signal.SIGALRM, before)
    go.set()
    soon(lambda: builds.log == ["+1", "-1"])
    assert builds.threads == [True]
    soon(lambda: live.statistics().resources == 0)


def test_closing_that_hangs(live: Live, edit: Edit, builds: Builds, caplog: Any) -> None:
    go = threading.Event()
    builds.after = lambda _: go.wait(30)
    with live.resource(builds.build, "A", drain_timeout=0.05):
        edit(A=2)
        soon(lambda: "closing took over 0.05 s" in caplog.text)
        edit(A=3)
    began = time.monotonic()
    live.stop()
    assert time.monotonic() - began < 5
    go.set()
    soon(lambda: builds.open == [])
    assert all(builds.threads)


def test_closing_that_raises(live: Live, edit: Edit, builds: Builds, caplog: Any) -> None:
    def fail(_: object) -> None:
        raise ConnectionResetError("reset")

    with live.resource(builds.build, "A") as resource:
        builds.after = fail
        edit(A=2)
        soon(lambda: "ConnectionResetError: reset" in caplog.text)
        assert resource.current.a == 2
        builds.after = lambda _: None
    assert live.status.healthy


async def _coroutine(settings: Settings) -> None: ...


class OnlyAsync:
    def __init__(self, settings: Settings) -> None: ...

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("build", "made"), [(_coroutine, "coroutine"), (lambda _: None, "NoneType"), (OnlyAsync, "OnlyAsync")]
)
def test_what_is_no_context_manager(live: Live, build: Any, made: str) -> None:
    says = rf"must return a context manager, not {made}; decorate it with contextlib\.contextmanager, or watch with"
    with pytest.raises(TypeError, match=says):
        live.resource(build).__enter__()


def test_wrong_options(live: Live, builds: Builds) -> None:
    build: Any = builds.build
    for options, says in (({"replace": "sometimes"}, "'overlap' or 'exclusive'"), ({"jitter": -1}, "jitter must be")):
        with pytest.raises(ValueError, match=says):
            live.resource(build, **options)
    with pytest.raises(ValueError, match="no key"):
        live.resource(build, "KAFKA_HOSTS")
    block = live.resource(build)
    with pytest.raises(RuntimeError, match="has not been entered"):
        block.__exit__(None, None, None)
    with block:
        with pytest.raises(RuntimeError, match="entered already"):
            block.__enter__()


def test_one_inside_anothers_build(live: Live, edit: Edit, builds: Builds) -> None:
    """What was built from another one is built anew with it, and gets its new instance."""
    tops: list[tuple[int, int]] = []

    @contextmanager
    def top(settings: Settings) -> Iterator[int]:
        with lower.lease() as thing:
            assert thing is lower.current
            tops.append((settings.B, thing.a))
            yield thing.a

    with live.resource(builds.build, "A") as lower, live.resource(top, "B") as upper:
        assert upper.current == 1
        edit(A=2)
        assert upper.current == 2
        edit(A=2, B=1)
        assert tops == [(0, 1), (0, 2), (1, 2)]


def test_exclusive_waits_for_leases_and_new_ones_wait_for_it(live: Live, workspace: Workspace, builds: Builds) -> None:
    building, go = threading.Event(), threading.Event()

    def slow(settings: Settings) -> None:
        if settings.A == 2:
            building.set()
            go.wait(30)

    builds.before = slow

    def take() -> int:
        with resource.lease() as thing:
            return thing.a

    with live.resource(builds.build, "A", replace="exclusive") as resource:
        with resource.lease():
            workspace.write({"A": 2})
            reload = in_thread(live.reload)
            soon(lambda: live.inner._core.resources.all[0].new_leases_wait)
            assert not building.is_set()
        assert building.wait(20)
        with pytest.raises(ResourceDown):
            _ = resource.current
        waiting = in_thread(take)
        time.sleep(0.02)
        assert waiting.is_alive()
        go.set()
        assert waiting.result() == 2
        reload.result()


def test_exclusive_that_cannot_be_built_again(live: Live, edit: Edit, builds: Builds) -> None:
    broken = False

    def fail(settings: Settings) -> None:
        if broken:
            raise ConnectionError("refused")

    builds.before = fail
    with live.resource(builds.build, "A", replace="exclusive") as resource:
        broken = True
        with pytest.raises(Rejected, match="refused"):
            edit(A=2)
        assert not live.status.healthy
        uses: list[Callable[[], Any]] = [lambda: resource.current, lambda: resource.lease().__enter__()]
        for use in uses:
            with pytest.raises(ResourceDown):
                use()
        broken = False
        soon(lambda: live.status.healthy)
        assert resource.current.a == 2


def test_a_lease_that_waits_when_the_watch_stops(live: Live, workspace: Workspace, builds: Builds) -> None:
    go = threading.Event()
    builds.before = lambda settings: go.wait(30) if settings.A == 2 else None

    def take() -> None:
        with resource.lease():
            pass

    with live.resource(builds.build, "A", replace="exclusive") as resource:
        workspace.write({"A": 2})
        soon(lambda: builds.log == ["+1", "-1"])
        waiting = in_thread(take)
        soon(lambda: live.thread._calls)
        live.stop()
        with pytest.raises(ResourceDown):
            waiting.result()
        go.set()
    assert live.resources == {}


def test_stopped_with_an_open_lease(live: Live, builds: Builds) -> None:
    with live.resource(builds.build, drain_timeout=0.1) as resource:
        with resource.lease() as thing:
            began = time.monotonic()
            live.stop()
            assert time.monotonic() - began < 5
            assert not thing.open
    assert builds.threads == [True]


def test_stop_leaves_what_is_entered_in_order(live: Live, edit: Edit, builds: Builds) -> None:
    """Those that were built from others first, and only when they have closed."""
    log: list[str] = []

    @contextmanager
    def top(settings: Settings) -> Iterator[int]:
        yield lower.current.a
        time.sleep(0.05)
        log.append(f"top, lower is {'open' if builds.open else 'closed'}")

    lower = live.resource(builds.build, "A").__enter__()
    upper = live.resource(top, "B").__enter__()
    edit(A=2)
    assert upper.current == 2
    soon(lambda: len(builds.open) == 1)
    log.clear()
    live.stop()
    assert set(log) == {"top, lower is open"}
    assert builds.log == ["+1", "+2", "-1", "-2"]
    assert all(builds.threads)


def test_left_in_another_thread_than_entered(live: Live, builds: Builds) -> None:
    block = live.resource(builds.build)
    in_thread(block.__enter__).result()
    in_thread(block.__exit__, None, None, None).result()
    assert builds.threads == [True]
