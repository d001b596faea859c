"""live.changes(): who is woken, with what, and what stays behind."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given as over
from hypothesis import strategies as st
from support.examples import examples, some_of
from support.live import Settings, given, idle, parts

from hotsettings import Change
from hotsettings._live.changes import Changes
from hotsettings._live.snapshot import changed_keys
from hotsettings.testing import InMemoryLive, live

pytestmark = pytest.mark.anyio


async def read(changes: Changes[Settings], into: list[Change[Settings]]) -> None:
    async for change in changes:
        into += [change]


async def collect(held: InMemoryLive[Settings], into: list[Change[Settings]], *keys: str) -> None:
    await read(held.changes(*keys), into)


async def test_told_from_the_call_on() -> None:
    async with live(given()) as held:
        await held.publish(given(A=1))
        changes = held.changes()
        await held.publish(given(A=2))  # before it is asked for the first time
        change = await anext(changes)
        assert (change.old.A, change.new.A, change.keys, change.generation) == (1, 2, frozenset({"A"}), 3)
        assert change.new is held.current


async def test_a_slow_one_gets_the_newest_only() -> None:
    async with live(given()) as held:
        changes = held.changes()
        for number in range(1, 50):
            await held.publish(given(A=number, B=number % 2))
        change = await anext(changes)
        assert (change.old.A, change.new.A, change.keys, change.generation) == (0, 49, frozenset({"A", "B"}), 50)
        with anyio.move_on_after(0) as scope:
            await anext(changes)
        assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("A", ["A"]),
        ("KAFKA_*", ["KAFKA_HOST", "KAFKA_PORT"]),
        ("db", ["db.host", "db.pool.size"]),
        ("db.pool", ["db.pool.size"]),
        ("db.pool.*", ["db.pool.size"]),
        ("db.p*", ["db.pool.size"]),
        ("*", ["A", "KAFKA_HOST", "KAFKA_PORT", "RATE", "db.host", "db.pool.size"]),
    ],
)
async def test_keys(pattern: str, told: list[str]) -> None:
    steps: dict[str, dict[str, Any]] = {
        "A": {"A": 1},
        "KAFKA_HOST": {"KAFKA_HOST": "other"},
        "KAFKA_PORT": {"KAFKA_PORT": 1},
        "RATE": {"RATE": 2.0},
        "db.host": {"db": {"host": "other"}},
        "db.pool.size": {"db": {"host": "other", "pool": {"size": 2}}},
    }
    values: dict[str, Any] = {}
    seen: list[str] = []
    step = ""
    async with live(given()) as held, anyio.create_task_group() as tasks:

        async def watch() -> None:
            async for change in held.changes(pattern):
                assert step in change.keys
                seen.append(step)

        tasks.start_soon(watch)
        await idle()
        for step, value in steps.items():  # noqa: B007 - the task above uses it
            values |= value
            await held.publish(given(**values))
            await held.wait_applied()
        tasks.cancel_scope.cancel()
    assert seen == told


@pytest.mark.parametrize("pattern", ["KAFKA_PROT", "db.prot", "nothing.*", "", "db.host.x"])
async def test_a_pattern_that_matches_nothing(pattern: str) -> None:
    async with live(given()) as held:
        asked: list[Callable[[], object]] = [
            lambda: held.changes("A", pattern),
            lambda: held.on_change(print, pattern),
            lambda: held.prepare(print, pattern),
        ]
        for ask in asked:
            with pytest.raises(ValueError, match="no key matches") as caught:
                ask()
            if "PROT" in pattern.upper():
                assert "did you mean" in str(caught.value)


async def test_gone_and_back_wakes_nobody() -> None:
    async with live(given()) as held, anyio.create_task_group() as tasks:
        seen: list[Change[Settings]] = []
        tasks.start_soon(collect, held, seen, "A")
        await idle()
        core = parts(held)
        for value in (1, 0):  # both before anybody can look
            snapshot = type(held.snapshot)(held.snapshot.loaded, held.snapshot.generation + 1)
            snapshot.settings = given(A=value, B=value + held.snapshot.generation)
            core.publish(snapshot, changed_keys(core.schema, held.current, snapshot.settings))
        await held.wait_applied()
        assert seen == []
        await held.publish(given(A=5, B=held.current.B))
        await held.wait_applied()
        assert [(change.old.A, change.new.A, change.keys) for change in seen] == [(0, 5, frozenset({"A", "B"}))]
        tasks.cancel_scope.cancel()


async def test_nan_equals_itself() -> None:
    async with live(given(RATE=float("nan"))) as held:
        assert await held.publish(given(RATE=float("nan"))) is None
        assert held.snapshot.generation == 1


async def test_iterators_and_tasks_on_one_topic() -> None:
    async with live(given()) as held:
        seen: list[list[Change[Settings]]] = [[] for _ in range(6)]
        shared = held.changes("A")
        async with anyio.create_task_group() as tasks:
            for into in seen[:4]:
                tasks.start_soon(read, held.changes("A"), into)
            for into in seen[4:]:
                tasks.start_soon(read, shared, into)
            await idle()
            for number in range(1, 4):
                await held.publish(given(A=number))
                await held.wait_applied()
            tasks.cancel_scope.cancel()
        told = [[change.new.A for change in into] for into in seen]
        assert told[:4] == [[1, 2, 3]] * 4
        assert sorted(told[4] + told[5]) == [1, 2, 3]  # each change goes to one of the tasks that share an iterator


def followers(held: InMemoryLive[Any]) -> tuple[int, int]:
    gc.collect()
    subscribers = parts(held).subscribers
    return len(subscribers._iterators), len(subscribers._topics)


async def test_leaving_in_any_way_leaves_nothing() -> None:
    async with live(given()) as held:

        async def leaves_by_break() -> None:
            async for _ in held.changes("A"):
                break

        async def is_cancelled() -> None:
            with anyio.CancelScope() as scope:
                async for _ in held.changes("B", "A"):
                    scope.cancel()

        async def raises() -> None:
            async for _ in held.changes("C", "A"):
                raise ZeroDivisionError

        async def does_it() -> None:
            with pytest.raises(ZeroDivisionError):
                await raises()

        async with anyio.create_task_group() as tasks:
            for leave in (leaves_by_break, is_cancelled, does_it):
                tasks.start_soon(leave)
            await idle()
            assert followers(held) == (3, 3)
            await held.publish(given(A=1))
        held.changes("KAFKA_*")  # dropped at once
        assert followers(held) == (0, 0)


async def test_break_leaves_nothing_in_the_context_of_the_task() -> None:
    async with live(given()) as held:
        changes = held.changes()
        await held.publish(given(A=1))
        async for _ in changes:
            break
        del changes, _
        assert followers(held) == (0, 0)
        await held.publish(given(A=2))
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(held.wait_applied)  # from elsewhere: nobody is left to wait for


async def test_aclose_ends_who_waits() -> None:
    async with live(given()) as held:
        changes = held.changes()
        seen: list[Change[Settings]] = []

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, changes, seen)
            await idle()
            await changes.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(changes)
        await held.publish(given(A=1))
        await held.wait_applied()
        assert seen == []


async def test_iterators_end_with_the_block() -> None:
    seen: list[Change[Settings]] = []
    async with anyio.create_task_group() as tasks:
        async with live(given()) as held:
            tasks.start_soon(collect, held, seen)
            late = held.changes()
            await idle()
            await held.publish(given(A=1))
        assert [change async for change in late] == []
        assert [change async for change in held.changes()] == []
        await held.wait_applied()
        await held.wait_applied(99)


async def test_cancelled_at_a_pending_change_loses_nothing() -> None:
    async with live(given()) as held:
        changes = held.changes()
        await held.publish(given(A=1))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(changes)
        assert scope.cancelled_caught
        assert (await anext(changes)).new.A == 1


@pytest.mark.async_only
async def test_thousands_that_do_not_care_cost_nothing() -> None:
    number = len(some_of(range(10_000)))
    async with live(given()) as held:

        async def cost() -> float:
            best = 1e9
            for _ in range(4):
                started = time.thread_time()
                for _ in range(20):
                    await held.publish(given(A=held.current.A + 1))
                best = min(best, time.thread_time() - started)
            return best

        alone = await cost()
        async with anyio.create_task_group() as tasks:
            seen: list[Change[Settings]] = []
            for _ in range(number):
                tasks.start_soon(collect, held, seen, "B", "KAFKA_*")
            await idle()
            assert await cost() < 3 * alone
            assert not seen
            await held.publish(given(A=held.current.A, B=1))
            await held.wait_applied()
            assert len(seen) == number
            assert len({id(change) for change in seen}) == 1  # worked out once
            tasks.cancel_scope.cancel()


KEYS = ("A", "B", "C", "KAFKA_PORT")


class Consumer:
    """Reads at its own speed, and checks each change against what it has seen before."""

    def __init__(self, held: InMemoryLive[Settings], keys: frozenset[str], idle: int) -> None:
        self.held = held
        self.keys = keys
        self.idle = idle
        self.last = held.current
        self.changes = held.changes(*keys)
        self.generations = [held.snapshot.generation]

    async def run(self) -> None:
        schema = parts(self.held).schema
        async for change in self.changes:
            assert change.new is self.held.current, "what it is told is the newest at that moment"
            assert change.generation > self.generations[-1]
            assert change.old is self.last
            assert change.keys == changed_keys(schema, self.last, change.new)
            assert change.keys & (self.keys or change.keys), "told of something that it did not ask for"
            self.last = change.new
            self.generations.append(change.generation)
            for _ in range(self.idle):
                await checkpoint()


@over(
    publishes=st.lists(
        st.tuples(st.dictionaries(st.sampled_from(KEYS), st.integers(0, 2)), st.integers(0, 4)), max_size=12
    ),
    consumers=st.lists(st.tuples(st.frozensets(st.sampled_from(KEYS)), st.integers(0, 9)), min_size=1, max_size=4),
)
@examples(40)
@pytest.mark.async_only
async def test_random_publishes_and_consumers(
    publishes: list[tuple[dict[str, int], int]], consumers: list[tuple[frozenset[str], int]]
) -> None:
    async with live(given()) as held, anyio.create_task_group() as tasks:
        all_of_them = [Consumer(held, keys, idle) for keys, idle in consumers]
        for consumer in all_of_them:
            tasks.start_soon(consumer.run)
        values: dict[str, int] = {}
        for change, pause in publishes:
            values = {**values, **change}
            await held.publish(given(**values))
            for _ in range(pause):
                await checkpoint()
        await held.wait_applied()
        for consumer in all_of_them:
            for key in consumer.keys or KEYS:
                assert getattr(consumer.last, key) == getattr(held.current, key), "the last state is never missed"
        tasks.cancel_scope.cancel()


async def test_how_many_follow_and_how_many_are_behind() -> None:
    async with live(given()) as held:
        subscribers = parts(held).subscribers
        assert subscribers.counts() == (0, 0)
        quick, slow, other = held.changes("A"), held.changes("A"), held.changes("B")
        assert subscribers.counts() == (3, 0)
        await held.publish(given(A=1))
        assert subscribers.counts() == (3, 2)
        for changes in (quick, slow):
            await anext(changes)
        assert subscribers.counts() == (3, 2), "both are still working on it"
        with anyio.move_on_after(0):
            await anext(quick)
        assert subscribers.counts() == (2, 1), "the one was cancelled, the other works on"
        await slow.aclose()
        del other
        gc.collect()
        assert subscribers.counts() == (0, 0)
    assert subscribers.counts() == (0, 0)


async def test_counting_goes_on_when_another_thread_adds_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Moving(list[Any]):
        looks = 0

        def __iter__(self) -> Any:
            self.looks += 1
            if self.looks == 1:
                raise RuntimeError("Set changed size during iteration")
            return super().__iter__()

    async with live(given()) as held:
        changes = held.changes()
        monkeypatch.setattr(parts(held).subscribers, "_iterators", Moving([changes]))
        assert parts(held).subscribers.counts() == (1, 0)
