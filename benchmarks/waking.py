"""Waking those who wait for a change."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskGroup

from hotsettings import BaseSettings
from hotsettings._live.snapshot import Snapshot, changed_keys
from hotsettings.testing import live as given

from .figures import Figure, Row, Scale, Target
from .loading import Taken, in_processes, ratio
from .measuring import Measure, ratios, rounds, spread

FEW = 10
"""Those who care, when most do not."""


class Watched(BaseSettings):
    A: int = 0
    B: int = 0


class Roll:
    """Counts those who were woken."""

    def __init__(self) -> None:
        self.woken, self.wanted = 0, 0
        self.at = 0.0
        self.all = anyio.Event()

    def await_(self, wanted: int) -> None:
        self.woken, self.wanted, self.all = 0, wanted, anyio.Event()

    def here(self) -> None:
        self.woken += 1
        if self.woken == self.wanted:
            self.at = time.perf_counter()
            self.all.set()


class Bare:
    """An event, made anew for each time, and tasks that wait for it."""

    def __init__(self, tasks: TaskGroup, waiters: int, uninterested: int) -> None:
        self.event, self.other, self.roll, self.waiters = anyio.Event(), anyio.Event(), Roll(), waiters
        for _ in range(waiters):
            tasks.start_soon(self._wait)
        for _ in range(uninterested):
            tasks.start_soon(self.other.wait)

    async def _wait(self) -> None:
        while True:
            await self.event.wait()
            self.roll.here()

    def tell(self) -> None:
        told, self.event = self.event, anyio.Event()
        told.set()


class Subscribed:
    """Tasks that iterate over the changes of a live object."""

    def __init__(self, tasks: TaskGroup, live: Any, waiters: int, uninterested: int) -> None:
        self.live, self.core, self.roll, self.waiters = live, live._core, Roll(), waiters
        for _ in range(waiters):
            tasks.start_soon(self._follow, live.changes("A"))
        for _ in range(uninterested):
            tasks.start_soon(self._follow, live.changes("B"))

    async def _follow(self, changes: Any) -> None:
        async for change in changes:
            assert change.keys == {"A"}
            self.roll.here()

    def candidate(self) -> tuple[Snapshot[Any], frozenset[str]]:
        """What a reload would have made: only the swap and the waking are measured."""
        before = self.live.snapshot
        settings = before.settings.replace(A=before.settings.A + 1)
        keys = changed_keys(self.core.schema, before.settings, settings)
        loaded = msgspec.structs.replace(before.loaded, settings=settings)
        return Snapshot(loaded, before.generation + 1), keys


def told(bare: Bare) -> Measure:
    return partial(_measure, bare.roll, bare.waiters, lambda: bare.tell)


def published(subscribed: Subscribed) -> Measure:
    return partial(
        _measure,
        subscribed.roll,
        subscribed.waiters,
        lambda: partial(subscribed.core.publish, *subscribed.candidate()),
    )


async def _measure(roll: Roll, waiters: int, prepared: Callable[[], Callable[[], object]]) -> float:
    """Seconds until the last has been woken, on the average of some times."""
    count, total = max(3, min(50, 2000 // waiters)), 0.0
    for _ in range(count):
        await anyio.wait_all_tasks_blocked()
        wake = prepared()
        roll.await_(waiters)
        start = time.perf_counter()
        wake()
        await roll.all.wait()
        total += roll.at - start
    return total / count


def wake_rounds(waiters: int, uninterested: int, count: int) -> Taken:
    return anyio.run(_wake_rounds, waiters, uninterested, count)


async def _wake_rounds(waiters: int, uninterested: int, count: int) -> Taken:
    taken: Taken = {}
    async with (
        given(Watched.from_values()) as live,
        given(Watched.from_values()) as few,
        anyio.create_task_group() as tasks,
    ):
        measures: dict[str, Callable[[], Awaitable[float]]] = {
            "anyio.Event": told(Bare(tasks, waiters, 0)),
            "hotsettings": published(Subscribed(tasks, live, waiters, uninterested)),
        }
        if uninterested:
            measures["without the others"] = published(Subscribed(tasks, few, waiters, 0))
        taken = await rounds(measures, count)
        tasks.cancel_scope.cancel()
    return taken


def wake(scale: Scale) -> Figure:
    rows: list[Row] = []
    targets: list[Target] = []
    for waiters in scale.waiters:
        taken = _taken(scale, waiters, 0)
        rows += _rows(f"{waiters:,}", taken)
        if waiters > 1:
            found = ratio(taken, "hotsettings", "anyio.Event")
            targets.append(Target(f"waking {waiters:,}, against an event", found, 2.0, guarded=True))
        else:
            targets.append(Target("waking 1, against an event", ratio(taken, "hotsettings", "anyio.Event"), 2.0))
    most = max(scale.waiters)
    taken = _taken(scale, FEW, most - FEW) if most > FEW else {}
    if taken:
        rows += _rows(f"{FEW} of {most:,}", taken)
        extra = spread(taken["hotsettings"])[1] - spread(taken["without the others"])[1]
        each = max(0.0, extra) / (most - FEW)
        targets.append(Target("each one who does not care", each, 1e-6, unit="seconds"))
    return Figure(
        name="wake",
        title="Wake subscribers",
        measured="From the swap (`Event.set()`) until the last of those who wait for the key has been woken, in tasks.",
        columns={"time": "seconds", "against the event": "ratio"},
        rows=rows,
        targets=targets,
        drawn="time",
    )


def _taken(scale: Scale, waiters: int, uninterested: int) -> Taken:
    count = max(2, scale.rounds // 2)
    return in_processes("waking:wake_rounds", scale.processes, waiters=waiters, uninterested=uninterested, count=count)


def _rows(group: str, taken: Taken) -> list[Row]:
    return [
        Row(who, {"time": spread(times), "against the event": ratios(times, taken["anyio.Event"])}, group)
        for who, times in taken.items()
    ]
