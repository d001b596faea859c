"""live.on_change(): called after changes, whatever becomes of the call."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from support.live import Settings, given, idle, parts

from hotsettings import Change
from hotsettings.testing import live

pytestmark = pytest.mark.anyio


async def test_sync_and_async() -> None:
    seen: list[tuple[str, int]] = []

    async def coroutine(change: Change[Settings]) -> None:
        await checkpoint()
        seen.append(("async", change.new.A))

    async with live(given()) as held:
        held.on_change(lambda change: seen.append(("sync", change.new.A)), "A")
        held.on_change(coroutine)
        held.on_change(functools.partial(lambda name, change: seen.append((name, change.new.A)), "partial"), "B")
        await held.publish(given(A=1))  # at once: nothing after the call is missed
        await held.wait_applied()
        assert sorted(seen) == [("async", 1), ("sync", 1)]


async def test_a_slow_one_gets_the_newest_and_hurts_nobody() -> None:
    slow: list[int] = []
    quick: list[int] = []
    go = anyio.Event()

    async def slowly(change: Change[Settings]) -> None:
        slow.append(change.new.A)
        await go.wait()

    async with live(given()) as held:
        held.on_change(slowly)
        held.on_change(lambda change: quick.append(change.new.A))
        for number in range(1, 6):
            await held.publish(given(A=number))
            await idle()
        assert (slow, quick) == ([1], [1, 2, 3, 4, 5])
        go.set()
        await held.wait_applied()
        assert slow == [1, 5]


async def test_a_hanging_one_does_not_hold_up_the_end() -> None:
    async with live(given()) as held:
        held.on_change(lambda _: anyio.sleep_forever())
        await held.publish(given(A=1))
        await idle()


async def failing(change: Change[Settings]) -> None:
    raise ConnectionError(f"cannot reach amqp://user:{change.new.SECRET_KEY}@host and not {change.old.SECRET_KEY}")


async def test_a_raising_one_is_named_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    def sync_failing(_: Change[Settings]) -> None:
        raise ZeroDivisionError

    async with live(given()) as held:
        handle = held.on_change(failing)
        other = held.on_change(sync_failing, "A")
        held.on_change(lambda change: seen.append(change.new.A))
        with caplog.at_level(logging.ERROR, "hotsettings"):
            await held.publish(given(A=1, SECRET_KEY="second-secret"))
            await held.wait_applied()
            await held.publish(given(A=1, B=2, SECRET_KEY="second-secret"))
            await held.wait_applied()
        assert (handle.failures, other.failures, held.status.callback_failures) == (2, 1, 3)
        assert held.status.healthy
        assert seen == [1, 1]
    assert "failing raised" in caplog.text
    assert "sync_failing raised" in caplog.text
    assert "amqp://user:********@host" in caplog.text
    assert "Traceback" in caplog.text
    assert "-secret" not in caplog.text


class Callable:
    async def __call__(self, change: Change[Settings]) -> None:
        raise ExceptionGroup("several", [ValueError(change.new.SECRET_KEY), OSError("plain")])


async def test_a_callable_object_that_raises_a_group(caplog: pytest.LogCaptureFixture) -> None:
    async with live(given()) as held:
        held.on_change(Callable())
        await held.publish(given(SECRET_KEY="second-secret"))
        await held.wait_applied()
    assert "test_callbacks.Callable raised" in caplog.text
    assert "OSError: plain" in caplog.text
    assert "second-secret" not in caplog.text


async def test_a_stray_cancellation_is_a_failure_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    """On asyncio, awaiting a future that somebody else has cancelled raises what being cancelled raises."""
    seen: list[int] = []

    async def awaits_something_cancelled(change: Change[Settings]) -> None:
        seen.append(change.new.A)
        if anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
            raise RuntimeError  # trio has no such thing
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async with live(given()) as held:
        handle = held.on_change(awaits_something_cancelled)
        for number in (1, 2):
            await held.publish(given(A=number))
            await held.wait_applied()
        assert (seen, handle.failures) == ([1, 2], 2)
    assert "awaits_something_cancelled raised" in caplog.text


@pytest.mark.async_only
async def test_cancel() -> None:
    seen: list[int] = []
    left: list[int] = []

    async def callback(change: Change[Settings]) -> None:
        seen.append(change.new.A)
        try:
            await anyio.sleep_forever()
        finally:
            left.append(change.new.A)

    async with live(given()) as held:
        never = held.on_change(callback)
        never.cancel()  # before its task has run at all
        handle = held.on_change(callback)
        await held.publish(given(A=1))
        await idle()
        handle.cancel()
        handle.cancel()
        await held.publish(given(A=2))
        await held.wait_applied()
        assert seen == left == [1]
        assert not [each for each in parts(held).subscribers._iterators if not each._closed and not each._abandoned]


@pytest.mark.async_only
async def test_cancelling_itself() -> None:
    seen: list[str] = []
    handles: dict[str, Any] = {}

    def sync(_: Change[Settings]) -> None:
        seen.append("sync")
        handles["sync"].cancel()

    async def coroutine(_: Change[Settings]) -> None:
        seen.append("async")
        handles["async"].cancel()
        await checkpoint()
        seen.append("not reached")

    async with live(given()) as held:
        handles["sync"], handles["async"] = held.on_change(sync), held.on_change(coroutine)
        for number in (1, 2, 3):
            await held.publish(given(A=number))
            await held.wait_applied()
        assert sorted(seen) == ["async", "sync"]
        assert held.status.callback_failures == 0


async def test_registering_others() -> None:
    seen: list[tuple[int, int]] = []

    async with live(given()) as held:

        def register(change: Change[Settings]) -> None:
            first = change.new.A
            held.on_change(lambda later: seen.append((first, later.new.A)))

        held.on_change(register)
        for number in (1, 2, 3):
            await held.publish(given(A=number))
            await held.wait_applied()
        assert sorted(seen) == [(1, 2), (1, 3), (2, 3)]


async def test_publishing_from_a_callback() -> None:
    async with live(given()) as held:

        async def corrects(change: Change[Settings]) -> None:
            if change.new.A < 5:
                await held.publish(change.new.replace(A=change.new.A + 1))

        held.on_change(corrects, "A")
        await held.publish(given(A=1))
        with anyio.fail_after(5):
            await held.wait_applied(6)
        assert held.current.A == 5
