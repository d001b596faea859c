"""Mistakes of use: one clear sentence at the call, on both faces."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from support.live import Settings
from support.threads import in_thread

from hotsettings import BlockingLive, Live
from hotsettings.testing import Workspace

WRONG: list[tuple[tuple[Any, ...], str]] = [
    (
        ("A", print),
        r"{call}\(\) takes keys as strings, not builtin_function_or_method; a function comes first: {call}\(",
    ),
    ((5,), r"{call}\(\) takes a function, not int"),
    ((None,), r"{call}\(\) takes a function, not NoneType"),
    ((print, 5), r"{call}\(\) takes keys as strings, not int; a function comes first"),
    ((print, print), r"{call}\(\) takes keys as strings, not builtin_function_or_method"),
    ((["A"],), r"{call}\(\) takes a function, not list"),
]


@pytest.mark.parametrize("call", ["on_change", "prepare"])
@pytest.mark.parametrize(("arguments", "says"), WRONG, ids=[repr(arguments) for arguments, _ in WRONG])
def test_wrong_arguments_on_both_faces(
    workspace: Workspace, live: Any, call: str, arguments: tuple[Any, ...], says: str
) -> None:
    async def on_the_other() -> None:
        async with Settings.watch(**workspace.paths, settle=0.0) as other:
            refused(other)

    def refused(live: Any) -> None:
        with pytest.raises(TypeError, match=says.replace("{call}", call)):
            getattr(live, call)(*arguments)
        with pytest.raises(TypeError, match=rf"{call}\(\) takes a function, not int"):
            getattr(live, call)("A")(5)
        with pytest.raises(ValueError, match=r"KAFKA_HOSTS.*KAFKA_HOST"):
            getattr(live, call)(print, "KAFKA_HOSTS")

    refused(live)
    anyio.run(on_the_other)


def test_unknown_keys(live: BlockingLive[Settings]) -> None:
    calls: list[Callable[[str], object]] = [live.changes, live.explain]
    calls.append(lambda key: live.resource(lambda _: threading.Lock(), key))
    for call in calls:
        with pytest.raises(ValueError, match="KAFKA_HOST"):
            call("KAFKA_HOSTS")
    with pytest.raises(ValueError, match="KAFKA_HOST"):
        live.on_change("KAFKA_HOSTS")(print)
    assert not live.statistics().subscribers


def test_with_under_a_running_loop(workspace: Workspace) -> None:
    async def enter() -> None:
        watch = Settings.watch(**workspace.paths, settle=0.0)
        with pytest.raises(RuntimeError, match=r"an event loop runs in this thread.*`async with .*\.start\(\)`"):
            with watch:
                pytest.fail("it watches")
        live = watch.start()  # it was not used up
        assert live.current.A == 1
        live.stop()

    for backend in ("asyncio", "trio"):
        anyio.run(enter, backend=backend)


def test_the_async_words_on_the_blocking_form(workspace: Workspace, live: BlockingLive[Settings]) -> None:
    anything: Any = live

    async def wait() -> None:
        await anything_to_await

    async def enter() -> None:
        async with anything:
            pass

    async def iterate() -> None:
        async for _ in anything.changes():
            pass

    async def iterate_events() -> None:
        async for _ in anything.events():
            pass

    anything_to_await: Any = Settings.watch(**workspace.paths)
    for function, says in (
        (wait, "a watch is not awaited: use `async with Settings.watch"),
        (enter, "this is a blocking watch that runs already; with an event loop, use `async with"),
        (iterate, "a blocking watch has plain iterators: use `for`, or watch with `async with`"),
        (iterate_events, "a blocking watch has plain iterators"),
    ):
        with pytest.raises(TypeError, match=says):
            anyio.run(function)


def test_one_watch_is_used_once(workspace: Workspace) -> None:
    async def enter(watch: Any) -> None:
        async with watch:
            pass

    for first in (lambda watch: watch.start().stop(), lambda watch: anyio.run(enter, watch)):
        watch = Settings.watch(**workspace.paths, settle=0.0)
        first(watch)
        for again in (watch.start, watch.__enter__, lambda watch=watch: anyio.run(enter, watch)):
            with pytest.raises(RuntimeError, match="this watch has been used already: make another one"):
                again()
    watch = Settings.watch(**workspace.paths)
    with pytest.raises(RuntimeError, match="has not been entered"):
        watch.__exit__(None, None, None)
    with pytest.raises(RuntimeError, match="has not been entered"):
        anyio.run(watch.__aexit__, None, None, None)


CALLS: dict[str, Callable[[Any], object]] = {
    "changes()": lambda live: live.changes(),
    "events()": lambda live: live.events(),
    "on_change()": lambda live: live.on_change(print),
    "prepare()": lambda live: live.prepare(print),
    "resource()": lambda live: live.resource(print),
    "reload()": lambda live: live.reload().send(None),
    "wait_applied()": lambda live: live.wait_applied().send(None),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_async_form_in_another_thread_or_loop(workspace: Workspace, call: str, backend: str) -> None:
    says = rf"{call[:-2]}\(\) was called outside of the event loop that watches: .*`with Settings\.watch\(\) as live`"

    def refused(live: Live[Settings]) -> None:
        with pytest.raises(RuntimeError, match=says):
            CALLS[call](live)

    async def other_loop(live: Live[Settings]) -> None:
        refused(live)

    async def watch() -> None:
        async with Settings.watch(**workspace.paths, settle=0.0) as live:
            in_thread(refused, live).result()
            for other in ("asyncio", "trio"):
                in_thread(anyio.run, other_loop, live, backend=other).result()
            in_thread(lambda: (live.current.A, live.snapshot.generation, live.statistics(), live.explain("A"))).result()

    anyio.run(watch, backend=backend)


def test_what_is_shown(live: BlockingLive[Settings]) -> None:
    def shown(it: object) -> set[str]:
        return {name for name in dir(it) if not name.startswith("_")}

    async_members = {"current", "snapshot", "status", "changes", "events", "on_change", "prepare", "resource"}
    async_members |= {"reload", "wait_applied", "explain", "statistics"}
    assert shown(live) == async_members | {"stop"}
    assert shown(live.changes()) == {"close"}
    assert shown(live.events()) == {"close", "dropped"}
    assert shown(live.on_change(print)) == {"cancel", "failures"}
    assert shown(Settings.watch()) == {"start"}
    with live.resource(lambda _: threading.Lock()) as resource:
        assert shown(resource) == {"current", "lease"}
