"""live.events(): the record, in order, bounded."""

from __future__ import annotations

import anyio
import pytest
from support.live import Settings, given, idle, parts

from hotsettings import Applied, Change, Rejected
from hotsettings._live.events import KEPT
from hotsettings._live.status import Rejection
from hotsettings.testing import live

pytestmark = pytest.mark.anyio


async def test_in_order_from_the_call_on() -> None:
    def veto(change: Change[Settings]) -> None:
        if change.new.A % 2:
            raise ValueError(f"odd: {change.new.A}")

    async with live(given()) as held:
        held.prepare(veto)
        await held.publish(given(A=2))
        events = held.events()
        for number in range(3, 9):
            if number % 2:
                with pytest.raises(Rejected):
                    await held.publish(given(A=number))
            else:
                await held.publish(given(A=number))
        seen = [await anext(events) for _ in range(6)]
        assert [type(event) for event in seen] == [Rejection, Applied] * 3
        assert [event.generation for event in seen if isinstance(event, Applied)] == [3, 4, 5]
        reasons = [event.reason[-6:] for event in seen if isinstance(event, Rejection)]
        assert reasons == ["odd: 3", "odd: 5", "odd: 7"]
        assert seen == sorted(seen, key=lambda event: event.at)
        await held.publish(given(A=8))  # nothing differs
        with anyio.move_on_after(0.01) as scope:
            await anext(events)
        assert scope.cancelled_caught


async def test_a_slow_reader_loses_the_oldest() -> None:
    async with live(given()) as held:
        events, idle_one = held.events(), held.events()
        for number in range(1, KEPT + 11):
            await held.publish(given(A=number))
        assert events.dropped == idle_one.dropped == 10
        first = await anext(events)
        assert isinstance(first, Applied)
        assert first.generation == 12
        assert idle_one.dropped == 10


async def test_pending_restarts_are_told() -> None:
    async with live(given()) as held:
        events = held.events()
        assert await held.publish(given(WORKERS=8)) is None
        assert await held.publish(given(WORKERS=8)) is None
        assert await held.publish(given()) is None
        told = [await anext(events) for _ in range(2)]
        assert [(event.keys, event.pending_restart) for event in told if isinstance(event, Applied)] == [
            (frozenset(), frozenset({"WORKERS"})),
            (frozenset(), frozenset()),
        ]


async def test_several_tasks_on_one_iterator() -> None:
    seen: list[Applied | Rejection] = []
    async with live(given()) as held, anyio.create_task_group() as tasks:
        events = held.events()

        async def read() -> None:
            async for event in events:
                seen.extend([event])

        for _ in range(3):
            tasks.start_soon(read)
        await idle()
        for number in range(1, 5):
            await held.publish(given(A=number))
            await idle()
        assert len(seen) == 4
        await events.aclose()


async def test_the_end() -> None:
    async with live(given()) as held:
        events, closed = held.events(), held.events()
        await held.publish(given(A=1))
        await closed.aclose()
        await held.publish(given(A=2))
        assert [event async for event in closed] == []
    assert [event.generation async for event in events if isinstance(event, Applied)] == [2, 3]
    assert [event async for event in held.events()] == []


async def test_counted_whether_somebody_reads_or_not() -> None:
    def veto(change: Change[Settings]) -> None:
        if change.new.A == 2:
            raise ValueError("no")

    async with live(given()) as held:
        log = parts(held).events
        assert (log.rejections, log.accepted_at) == (0, None)
        held.prepare(veto)
        await held.publish(given(A=1))
        first = log.accepted_at
        assert first is not None
        for failures in (1, 2):
            with pytest.raises(Rejected):
                await held.publish(given(A=2))
            assert (log.rejections, log.accepted_at) == (failures, first)
        await held.publish(given(A=1))
        assert log.accepted_at is not None
        assert log.accepted_at > first, "what the files say is good again, though it is nothing new"
