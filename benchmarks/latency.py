"""From an edit to a subscriber."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from . import peers, writers
from .figures import Cell, Figure, Row, Scale, Target
from .followers import (
    BY_HAND,
    BY_INOTIFY,
    BY_WATCHFILES,
    BY_WATCHFILES_LOWEST,
    DYNAMIC,
    DYNAMIC_LOWEST,
    FOLLOWERS,
    RAW,
    Follower,
)
from .measuring import nearly_all, spread, timed
from .process import ROOT, clean_environment, measured

UNNOTICED = 3.0
"""Seconds after which an edit counts as not noticed."""
MISSES = 3
"""Edits that may go unnoticed before a program is given up."""


class Writer:
    """The process that edits."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.value = 1000

    def edit(self) -> None:
        assert self._process.stdin is not None
        self.value += 1
        print(self.value, file=self._process.stdin, flush=True)

    def edited_at(self) -> float:
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())


@asynccontextmanager
async def writer(folder: Path, kind: str) -> AsyncGenerator[Writer, None]:
    process = subprocess.Popen(  # noqa: ASYNC220 - it is started before anything is measured
        [sys.executable, "-m", "benchmarks.writers", str(folder), kind],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Writer(process)
    finally:
        process.communicate()


class Subscriber:
    """Notes when each number has come."""

    def __init__(self) -> None:
        self._arrivals: list[tuple[int | None, float]] = []
        self._came = anyio.Event()

    async def follow(self, follower: Follower, folder: Path) -> None:
        async for value in follower(folder):
            self._arrivals.append((value, time.perf_counter()))
            self._came.set()

    async def got(self, wanted: int, within: float) -> float | None:
        """When it came; None if it has not."""
        with anyio.move_on_after(within):
            while True:
                for value, at in self._arrivals:
                    if value in (wanted, None):
                        return at
                self._came = anyio.Event()
                await self._came.wait()
        return None

    def forget(self) -> None:
        self._arrivals.clear()


def edits(follower: str, kind: str, count: int) -> list[float] | None:
    """Seconds from each edit to the subscriber; None if it does not notice such edits at all.

    Below zero: it had the new value before the file was whole.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "app")  # its parent is watched too, and the system's folder is full of other things
        folder.mkdir()
        writers.lay_out(folder, kind)
        return anyio.run(_edits, FOLLOWERS[follower], kind, folder, count)


async def _edits(follower: Follower, kind: str, folder: Path, count: int) -> list[float] | None:
    subscriber, taken = Subscriber(), None
    async with writer(folder, kind) as editor, anyio.create_task_group() as tasks:
        tasks.start_soon(subscriber.follow, follower, folder)
        taken = await _taken(subscriber, editor, count)
        tasks.cancel_scope.cancel()
    return taken


async def _taken(subscriber: Subscriber, editor: Writer, count: int) -> list[float] | None:
    # When it has begun to watch is known by edits that it notices; the first few warm it up.
    await anyio.sleep(0.5)
    taken: list[float] = []
    missed = noticed = 0
    pause = random.Random(0)
    while len(taken) < count:
        subscriber.forget()
        editor.edit()
        arrived = await subscriber.got(editor.value, UNNOTICED)
        edited = editor.edited_at()
        if arrived is None:
            missed += 1
            if missed == MISSES:
                return None
            continue
        noticed += 1
        if noticed > 3:
            taken.append(arrived - edited)
        # Long enough for the edits not to fall together, and uneven, or they would keep step with whoever looks regularly.
        await anyio.sleep(pause.uniform(0.01, 0.07))
    return taken


def load_seconds(count: int) -> float:
    """What one load takes here, on the median."""
    load = peers.hotsettings(peers.Files.shipped())

    async def main() -> list[float]:
        measure = timed(load)
        return [await measure() for _ in range(count)]

    return statistics.median(anyio.run(main))


def latency(scale: Scale) -> Figure:
    taken: dict[tuple[str, str], list[float] | None] = {}
    for _ in range(scale.passes):
        for kind in writers.KINDS:
            for who in FOLLOWERS:
                if (found := taken.get((kind, who), [])) is not None:
                    more = measured("latency:edits", follower=who, kind=kind, count=scale.edits)
                    taken[kind, who] = None if more is None else found + more
    one_load = measured("latency:load_seconds", count=50)
    rows = [Row(who, _cells(times, taken[kind, RAW]), kind) for (kind, who), times in taken.items()]
    targets = [target for kind in writers.KINDS for target in _targets(kind, taken, one_load)]
    return Figure(
        name="latency",
        title="From an edit to a subscriber",
        measured="From the step that shows the new content (timed by the process that edits) until the subscriber "
        f"runs; {scale.passes * scale.edits} edits for each. A half file is one that was shown before its writer had "
        f"written the second half, {writers.APART * 1000:g} ms after the first.",
        columns={"median": "seconds", "99th": "seconds", "against raw inotify": "ratio", "half files": "text"},
        rows=rows,
        targets=targets,
        drawn="median",
    )


def _cells(times: list[float] | None, raw: list[float] | None) -> dict[str, Cell]:
    if times is None:
        return {"median": "not noticed", "99th": None, "against raw inotify": None}
    whole = [each for each in times if each >= 0]
    halves = f"{len(times) - len(whole)} of {len(times)}"
    if not whole:
        return {"median": None, "99th": None, "against raw inotify": None, "half files": halves}
    against = statistics.median(whole) / statistics.median(raw) if raw else None
    return {"median": spread(whole), "99th": nearly_all(whole), "against raw inotify": against, "half files": halves}


def _targets(kind: str, taken: dict[tuple[str, str], list[float] | None], one_load: float) -> list[Target]:
    found = {who: times for (how, who), times in taken.items() if how == kind and times}
    if kind == writers.IN_TWO_WRITES:
        return [
            Target(f"{kind}: half files, {who}", sum(each < 0 for each in found[who]), 0, unit="count")
            for who in (BY_INOTIFY, BY_WATCHFILES)
            if who in found
        ]
    medians = {who: statistics.median(times) for who, times in found.items()}
    ours = medians.get(BY_INOTIFY, float("inf"))
    targets = [
        Target(f"{kind}: the median with inotify", ours, 0.003, unit="seconds"),
        Target(f"{kind}: against raw inotify and one load", ours / (medians[RAW] + one_load), 5.0),
    ]
    peers_at_their_lowest = [BY_HAND, DYNAMIC_LOWEST]
    rivals = {BY_INOTIFY: peers_at_their_lowest, BY_WATCHFILES_LOWEST: peers_at_their_lowest}
    rivals[BY_WATCHFILES] = [BY_HAND, DYNAMIC]
    for who, others in rivals.items():
        quickest = min(others, key=lambda other: medians.get(other, float("inf")))
        ratio = medians.get(who, float("inf")) / medians.get(quickest, float("inf"))
        targets.append(Target(f"{kind}: {who}, against the quickest peer ({quickest})", ratio, 1.0))
    return targets
