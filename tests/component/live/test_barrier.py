"""live.wait_applied(): a true barrier, and nobody who is gone holds it up."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from support.live import Ledger, Settings, given, idle

from hotsettings import Change
from hotsettings.testing import InMemoryLive, live

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def no_deadlock() -> AsyncIterator[None]:
    with anyio.fail_after(20):
        yield


class Barrier:
    """A task that passes a barrier; ``passed()`` tells whether it has."""

    def __init__(self, held: InMemoryLive[Any], generation: int | None = None) -> None:
        self.held = held
        self.generation = generation
        self._passed = False

    async def run(self) -> None:
        await self.held.wait_applied(self.generation)
        self._passed = True

    def passed(self) -> bool:
        return self._passed


@asynccontextmanager
async def barrier(held: InMemoryLive[Any], generation: int | None = None) -> AsyncIterator[Barrier]:
    async with anyio.create_task_group() as tasks:
        it = Barrier(held, generation)
        tasks.start_soon(it.run)
        await idle()
        yield it


async def test_waits_for_a_callback() -> None:
    go = anyio.Event()
    async with live(given()) as held:
        await held.wait_applied()  # nothing has happened yet
        held.on_change(lambda _: go.wait(), "A")
        await held.wait_applied()
        await held.publish(given(B=1))
        await held.wait_applied()  # nothing that concerns it
        await held.publish(given(A=1))
        async with barrier(held) as it:
            assert not it.passed()
            go.set()
            await idle()
            assert it.passed()


async def test_waits_for_an_iterator_to_ask_again() -> None:
    async with live(given()) as held, anyio.create_task_group() as tasks:
        changes = held.changes()
        await held.publish(given(A=1))
        async with barrier(held) as it:
            assert not it.passed()  # it has not asked at all
            steps: list[anyio.Event] = [anyio.Event()]

            async def read() -> None:
                async for _ in changes:
                    await steps[-1].wait()

            tasks.start_soon(read)
            await idle()
            assert not it.passed()  # it works on it
            steps[-1].set()
            await idle()
            assert it.passed()
        tasks.cancel_scope.cancel()


async def test_busy_with_an_older_generation_is_busy() -> None:
    go = anyio.Event()
    async with live(given()) as held:
        held.on_change(lambda _: go.wait(), "A")
        await held.publish(given(A=1))
        await idle()
        await held.publish(given(A=1, B=1))
        async with barrier(held) as it, barrier(held, 2) as older:
            assert not it.passed()
            assert not older.passed()
            go.set()
            await idle()
            assert it.passed()
            assert older.passed()


async def test_waits_for_a_future_generation() -> None:
    async with live(given()) as held:
        go = anyio.Event()
        held.on_change(lambda _: go.wait())
        async with barrier(held, 3) as it:
            await held.publish(given(A=1))
            await idle()
            assert not it.passed()
            await held.publish(given(A=2))
            await idle()
            assert not it.passed()
            go.set()
            await idle()
            assert it.passed()


async def closed(held: InMemoryLive[Any]) -> Callable[[], object]:
    changes = held.changes()
    await held.publish(given(A=1))
    await changes.aclose()
    return lambda: changes


async def closed_while_busy(held: InMemoryLive[Any]) -> Callable[[], object]:
    changes = held.changes()
    await held.publish(given(A=1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(changes.__anext__)
    await changes.aclose()
    return lambda: changes


async def cancelled_while_waiting(held: InMemoryLive[Any]) -> Callable[[], object]:
    changes = held.changes()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(changes.__anext__)
        await idle()
        tasks.cancel_scope.cancel()
    await held.publish(given(A=1))
    return lambda: changes


async def collected(held: InMemoryLive[Any]) -> Callable[[], object]:
    async def breaks() -> None:
        async for _ in held.changes():
            break

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(breaks)
        await idle()
        await held.publish(given(A=1))
    gc.collect()
    return lambda: None


async def callback_cancelled(held: InMemoryLive[Any]) -> Callable[[], object]:
    handle = held.on_change(lambda _: anyio.sleep_forever())
    await held.publish(given(A=1))
    await idle()
    handle.cancel()
    return lambda: handle


@pytest.mark.parametrize(
    "leave",
    [
        closed,
        closed_while_busy,
        cancelled_while_waiting,
        collected,
        callback_cancelled,
    ],
)
async def test_who_is_gone_does_not_count(leave: Callable[[InMemoryLive[Any]], Any]) -> None:
    async with live(given()) as held:
        keep = await leave(held)
        async with barrier(held) as it:
            assert it.passed(), keep()


async def test_one_that_goes_while_it_is_waited_for() -> None:
    async with live(given()) as held:
        changes = held.changes()
        handle = held.on_change(lambda _: anyio.sleep_forever())
        await held.publish(given(A=1))
        async with barrier(held) as it:
            handle.cancel()
            await idle()
            assert not it.passed()
            await changes.aclose()
            await idle()
            assert it.passed()


async def test_one_that_is_collected_while_it_is_waited_for() -> None:
    async with live(given()) as held:
        changes = held.changes()
        await held.publish(given(A=1))
        async with barrier(held) as it:
            assert not it.passed()
            del changes
            gc.collect()  # in any thread: the barrier looks again by itself
        assert it.passed()


async def test_in_the_body_of_a_loop() -> None:
    async with live(given()) as held:
        changes, others = held.changes(), held.changes()
        await held.publish(given(A=1))
        async for _ in changes:
            async for _ in others:
                await held.wait_applied()  # neither waits for itself
                break
            break


async def test_in_callbacks() -> None:
    passed: list[str] = []
    async with live(given()) as held:

        def passing(name: str) -> Callable[[Change[Settings]], Any]:
            async def callback(_: Change[Settings]) -> None:
                await held.wait_applied()
                passed.append(name)

            return callback

        go = anyio.Event()
        held.on_change(lambda _: go.wait())
        held.on_change(passing("one"))
        held.on_change(passing("two"))  # both at once: neither waits for the other
        await held.publish(given(A=1))
        async with barrier(held) as it:
            assert passed == []
            assert not it.passed()
            go.set()
            await idle()
            assert sorted(passed) == ["one", "two"]
            assert it.passed()


async def test_ends_with_the_block() -> None:
    async with anyio.create_task_group() as tasks, live(given()) as held:
        held.on_change(lambda _: anyio.sleep_forever())
        await held.publish(given(A=1))
        tasks.start_soon(held.wait_applied)
        tasks.start_soon(held.wait_applied, 7)
        await idle()


async def test_waits_for_a_resource_that_came_in_the_middle() -> None:
    """Its first build began before a transaction that it was not part of: it has to catch up."""
    ledger, go = Ledger(), anyio.Event()

    async with live(given()) as held, anyio.create_task_group() as tasks:

        async def hook(_: Change[Settings]) -> None:
            await go.wait()

        held.prepare(hook)
        tasks.start_soon(held.publish, given(A=1))
        await idle()
        async with held.resource(ledger.build, "A") as resource:
            assert resource.current.settings.A == 0
            go.set()
            await held.wait_applied(2)
            assert resource.current.settings.A == 1
        assert ledger.log[:2] == ["+0", "+1"]
        assert ledger.open == []
