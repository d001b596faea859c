"""Callbacks and hooks of the blocking form: they block, hang, raise, and stop what called them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from support.live import Settings
from support.threads import in_thread, soon

from hotsettings import BlockingLive, Change, Rejected
from hotsettings._concurrency import backoff
from hotsettings._live.blocking import live as blocking_live
from hotsettings.testing import Workspace

Live = BlockingLive[Settings]
Edit = Callable[..., Any]


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    monkeypatch.setattr(backoff, "LONGEST", 0.05)


def test_callbacks_may_block_and_side_by_side(live: Live, edit: Edit) -> None:
    together = threading.Barrier(10)  # nobody passes before all are there
    threads: set[str] = set()

    def blocks(_: object) -> None:
        threads.add(threading.current_thread().name)
        together.wait(20)

    handles = [live.on_change(blocks) for _ in range(10)]
    edit(A=2)
    live.wait_applied(timeout=30)
    assert [handle.failures for handle in handles] == [0] * 10
    assert threads == {"hotsettings: call"}
    assert len([thread for thread in threading.enumerate() if thread.name == "hotsettings: call"]) >= 10


def test_a_callback_that_hangs_delays_nobody(live: Live, edit: Edit) -> None:
    go, seen, slow = threading.Event(), list[int](), list[int]()

    def hangs(change: Change[Settings]) -> None:
        slow.append(change.new.A)
        go.wait(30)

    live.on_change(hangs)
    live.on_change(lambda change: seen.append(change.new.A))
    changes = live.changes(timeout=20)
    for number in (2, 3, 4):
        edit(A=number)
        assert number == next(changes).new.A
        soon(lambda number=number: seen[-1:] == [number])  # type: ignore[misc]
    assert (seen, slow) == ([2, 3, 4], [2])
    go.set()
    soon(lambda: slow == [2, 4])


def test_more_that_hang_than_may_run_at_once(live: Live, edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while they no longer count, and the others have their turn."""
    live._workers._patience = 0.1
    go, seen = threading.Event(), list[int]()
    for _ in range(blocking_live._CALLS_AT_ONCE + 5):
        live.on_change(lambda _: go.wait(60), "A")
    live.prepare(lambda change: seen.append(change.new.B), "B")
    edit(A=2)
    edit(A=2, B=1)
    assert seen == [1]
    go.set()
    live.wait_applied(timeout=30)


def test_raising(live: Live, edit: Edit, caplog: pytest.LogCaptureFixture) -> None:
    class Callable:
        def __call__(self, change: Change[Settings]) -> None:
            raise ConnectionError(f"not with {change.new.SECRET_KEY}")

    def fails(number: int, change: Change[Settings]) -> None:
        raise ZeroDivisionError

    handles = [live.on_change(Callable()), live.on_change(functools.partial(fails, 1), "A")]
    for number in (2, 3):
        edit(A=number, SECRET_KEY="another-secret")
        live.wait_applied(timeout=20)
    assert [handle.failures for handle in handles] == [2, 2]
    assert live.status.callback_failures == 4
    assert "Callable raised" in caplog.text
    assert "fails raised" in caplog.text
    assert "not with ********" in caplog.text


@pytest.mark.parametrize("error", [SystemExit(7), GeneratorExit(), BaseExceptionGroup("x", [SystemExit(1)])], ids=repr)
@pytest.mark.parametrize("way", ["block", "stop"])
def test_what_a_callback_raises_beyond_exception(workspace: Workspace, error: BaseException, way: str) -> None:
    seen: list[int] = []

    def exits(change: Change[Settings]) -> None:
        seen.append(change.new.A)
        if change.new.A == 2:
            raise error

    def block() -> None:
        with Settings.watch(**workspace.paths, settle=0.0) as live:
            live.on_change(exits)
            for number in (2, 3):
                workspace.write({"A": number})
                live.reload()
                live.wait_applied()
            if way == "stop":
                in_thread(live.stop).result()

    with pytest.raises(type(error)) as raised:
        block()
    assert raised.value is error
    assert seen == [2, 3], "the watch has gone on"


def test_what_the_block_raises_comes_first(workspace: Workspace) -> None:
    def block() -> None:
        with Settings.watch(**workspace.paths, settle=0.0) as live:
            live.on_change(lambda _: sys.exit(7))
            workspace.write({"A": 2})
            live.reload()
            live.wait_applied()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()


def test_cancel(live: Live, edit: Edit) -> None:
    go, seen = threading.Event(), list[int]()

    def hangs(change: Change[Settings]) -> None:
        seen.append(change.new.A)
        go.wait(30)

    def itself(change: Change[Settings]) -> None:
        seen.append(-change.new.A)
        handle.cancel()

    hanging, handle = live.on_change(hangs), live.on_change(itself)
    edit(A=2)
    soon(lambda: sorted(seen) == [-2, 2])
    hanging.cancel()
    hanging.cancel()
    live.wait_applied(timeout=20)  # nobody waits for it any more
    edit(A=3)
    go.set()
    live.wait_applied(timeout=20)
    assert sorted(seen) == [-2, 2]
    assert live.status.callback_failures == 0
    live.stop()
    hanging.cancel()


def test_decorators(live: Live, edit: Edit) -> None:
    seen: list[str] = []

    @live.on_change("A")
    def after(change: Change[Settings]) -> str:
        seen.append(f"after {change.new.A}")
        return "it"

    @live.prepare()
    def before(change: Change[Settings]) -> None:
        seen.append(f"before {change.new.A}, {live.current.A} is live")

    changes = live.changes(timeout=20)
    edit(A=2)
    change = next(changes)
    live.wait_applied()
    assert seen == ["before 2, 1 is live", "after 2"]
    assert after(change) == "it"


def test_a_hook_that_outlasts_its_time_vetoes_until_it_has_returned(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    go, seen = threading.Event(), list[int]()

    def hook(change: Change[Settings]) -> None:
        seen.append(change.new.A)
        if change.new.A == 2:
            go.wait(30)

    with Settings.watch(**workspace.paths, settle=0.0, prepare_timeout=0.1) as live:
        live.prepare(hook)
        workspace.write({"A": 2})
        with pytest.raises(Rejected, match=r"did not finish within 0\.1 s"):  # if it was tried before
            live.reload()
        assert "hook did not finish within 0.1 s" in caplog.text
        workspace.write({"A": 3})
        with pytest.raises(Rejected, match="did not finish within"):
            live.reload()
        assert (seen, live.current.A) == ([2], 1)
        assert not live.status.healthy
        go.set()
        soon(lambda: live.current.A == 3)
        assert seen == [2, 3]


def test_a_veto(live: Live, edit: Edit, caplog: pytest.LogCaptureFixture) -> None:
    def refuses(change: Change[Settings]) -> Any:
        if change.new.A == 2:
            raise ValueError(f"not {change.new.SECRET_KEY}")
        return False

    handle = live.prepare(refuses, "A")
    with pytest.raises(Rejected, match=r"not \*\*\*\*\*\*\*\*"):
        edit(A=2, SECRET_KEY="another-secret")
    edit(A=3)
    assert "refuses returned bool, which means nothing" in caplog.text
    handle.cancel()
    edit(A=2)
    assert live.current.A == 2


def test_what_would_wait_for_itself_is_refused(live: Live, edit: Edit) -> None:
    said: list[str] = []

    def hook(_: object) -> None:
        for call in (live.reload, lambda: live.wait_applied(2)):
            with pytest.raises(RuntimeError) as caught:
                call()
            said.append(str(caught.value))

    handle = live.prepare(hook)
    edit(A=2)
    handle.cancel()
    assert [text.partition(" of ")[0] for text in said] == [
        "reload() was called inside",
        "wait_applied() was called inside",
    ]
    live.on_change(lambda _: live.reload(), "B")  # a callback may
    edit(A=2, B=1)
    live.wait_applied(timeout=20)
    assert live.status.callback_failures == 0


def test_async_functions_are_refused_at_the_call(live: Live) -> None:
    async def coroutine(_: Any) -> None: ...

    class Coroutine:
        async def __call__(self, _: Any) -> None: ...

    for call in ("on_change", "prepare"):
        for function in (coroutine, Coroutine(), functools.partial(coroutine)):
            with pytest.raises(TypeError, match=rf"{call}\(\) of a blocking watch cannot await .*oroutine: watch with"):
                getattr(live, call)(function)
            with pytest.raises(TypeError, match="cannot await"):
                getattr(live, call)("A")(function)
    assert not live.statistics().subscribers


def test_what_turns_out_to_be_async_is_told(live: Live, edit: Edit, caplog: pytest.LogCaptureFixture) -> None:
    async def coroutine() -> None: ...

    class Awaitable:
        def __await__(self) -> Any:
            yield

    live.on_change(lambda _: coroutine())
    live.on_change(lambda _: Awaitable())
    edit(A=2)
    live.wait_applied(timeout=20)
    assert live.status.callback_failures == 2
    assert caplog.text.count("returned something to be awaited: watch with `async with`") == 2
    hook: Any = lambda _: coroutine()  # noqa: E731
    live.prepare(hook)
    with pytest.raises(Rejected, match="returned something to be awaited"):
        edit(A=3)


of_the_watch: ContextVar[str] = ContextVar("of_the_watch", default="none")


def test_contexts(workspace: Workspace) -> None:
    """Hooks, callbacks and builds run in a copy of the context in which the watch was entered."""
    seen: dict[str, list[str]] = {}

    def note(what: str) -> Callable[[object], None]:
        def noted(_: object) -> None:
            seen.setdefault(what, []).append(of_the_watch.get())
            of_the_watch.set("inside")

        return noted

    class Build:
        def __init__(self, settings: Settings) -> None:
            note("build")(settings)

        def __enter__(self) -> Build:
            note("enter")(None)
            return self

        def __exit__(self, *_: object) -> None:
            seen.setdefault("leave", []).append(of_the_watch.get())

    token = of_the_watch.set("watch")
    with Settings.watch(**workspace.paths, settle=0.0) as live:
        of_the_watch.reset(token)
        live.on_change(note("callback"))
        live.prepare(note("hook"))
        with live.resource(Build):
            for number in (2, 3):
                workspace.write({"A": number})
                live.reload()
                live.wait_applied()
    assert seen == {
        "hook": ["watch"] * 2,
        "callback": ["watch"] * 2,
        "build": ["watch"] * 3,
        "enter": ["inside"] * 3,
        "leave": ["inside"] * 3,
    }


@pytest.mark.parametrize("loop", ["none", "asyncio", "trio", "plain asyncio"])
def test_event_loops_around_and_inside(workspace: Workspace, loop: str) -> None:
    """It starts in a thread that runs an event loop, and what it calls may run one of its own."""
    ran: list[str] = []

    async def inside(name: str) -> None:
        await anyio.lowlevel.checkpoint()
        ran.append(name)

    class Build:
        def __init__(self, settings: Settings) -> None:
            anyio.run(inside, "build")

        def __enter__(self) -> None:
            anyio.run(inside, "enter", backend="trio")

        def __exit__(self, *_: object) -> None:
            asyncio.run(inside("leave"))

    async def use() -> None:
        live = Settings.watch(**workspace.paths, settle=0.0).start()
        live.on_change(lambda _: anyio.run(inside, "callback"))
        live.prepare(lambda _: anyio.run(inside, "hook", backend="trio"))
        with live.resource(Build):
            workspace.write({"A": 2})
            live.reload()
            live.wait_applied()
            assert live.status.callback_failures == 0
            await anyio.lowlevel.checkpoint()
        live.stop()

    if loop == "none":
        anyio.run(use)
    elif loop == "plain asyncio":
        asyncio.run(use())
    else:
        anyio.run(use, backend=loop)
    assert sorted(ran) == ["build"] * 2 + ["callback"] + ["enter"] * 2 + ["hook"] + ["leave"] * 2


def test_the_calls_are_logged_in_the_thread_that_may_ask(live: Live, edit: Edit) -> None:
    """A handler of the log is called in the event loop; it may look, and what would wait for that is refused."""
    seen: list[Any] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if threading.current_thread().name == "hotsettings":
                seen.append((live.current.A, live.status.generation, live.explain("A").winner.value))
                for call in (live.reload, live.stop):
                    with pytest.raises(RuntimeError, match="would wait for the thread in which it was called"):
                        call()

    handler = Handler()
    log = logging.getLogger("hotsettings")
    log.addHandler(handler)
    before = log.level
    log.setLevel(logging.INFO)
    try:
        edit(A=2)
        soon(lambda: seen)
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
    assert seen[0][:2] == (2, 2)


def test_every_member_from_any_thread(workspace: Workspace) -> None:
    """For a while, all at once, while files change."""
    over = time.monotonic() + 1.5
    failures: list[BaseException] = []
    with Settings.watch(**workspace.paths, settle=0.0) as live:

        class Build:
            def __init__(self, settings: Settings) -> None:
                self.a = settings.A
                self.open = False

            def __enter__(self) -> Build:
                self.open = True
                return self

            def __exit__(self, *_: object) -> None:
                self.open = False

        def lease(resource: Any) -> None:
            with resource.lease() as it:
                assert it.open
                assert resource.current.a >= it.a
                assert it.open

        def own_resource() -> None:
            with live.resource(Build, "A") as resource:
                lease(resource)

        def register() -> None:
            handle = live.on_change(lambda _: None)
            hook = live.prepare(lambda _: None, "A")
            handle.cancel()
            hook.cancel()

        def timeout() -> None:
            with contextlib.suppress(TimeoutError):
                next(live.changes(timeout=0.001))

        with live.resource(Build, "A") as resource:
            calls: list[Callable[[], object]] = [
                live.reload,
                live.wait_applied,
                register,
                timeout,
                own_resource,
                functools.partial(lease, resource),
                lambda: live.status.generation,
                lambda: live.snapshot.settings.A,
                lambda: live.explain("A"),
                live.statistics,
                live.describe,
                lambda: live.redact("x"),
                lambda: repr(live),
                lambda: live.events(timeout=0).close(),
            ]

            def work(call: Callable[[], object]) -> None:
                while time.monotonic() < over:
                    call()

            threads = [in_thread(work, call) for call in calls * 2]
            number = 1
            while time.monotonic() < over:
                number += 1
                workspace.write({"A": number})
                time.sleep(0.01)
            for thread in threads:
                thread.result()
            live.reload()
            assert number == live.current.A
    assert not failures
