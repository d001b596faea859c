"""What watching costs while nothing happens."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import psutil
from anyio import to_thread
from watchfiles import awatch

from . import writers
from .figures import Cell, Figure, Row, Scale, Target
from .followers import BY_HAND, BY_INOTIFY, BY_WATCHFILES, DYNAMIC, FOLLOWERS, Follower
from .latency import Subscriber
from .process import MeasurementFailed, measured

COMPARED = (BY_INOTIFY, BY_WATCHFILES, BY_HAND, DYNAMIC)
AT_REST = 1.5
"""Seconds until everything has started and calmed down."""


def watchers(follower: str, count: int, seconds: float) -> dict[str, float]:
    """What so many of them use, above what the process used before it had any."""
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(_watchers, FOLLOWERS[follower], Path(folder), count, seconds)


async def _watchers(follower: Follower, root: Path, count: int, seconds: float) -> dict[str, float]:
    # Each of watchfiles' loops keeps a thread of this limiter: with more than 40 of them, the last would never start.
    to_thread.current_default_thread_limiter().total_tokens = count + 40
    folders = [root / str(number) for number in range(count + 1)]
    for folder in folders:
        folder.mkdir()
        writers.lay_out(folder, "rename")
    async with running(follower, folders[:1]):
        await anyio.sleep(AT_REST / 2)  # imports, caches and threads that stay are there now
    before = _uses()
    async with running(follower, folders[1:]):
        await anyio.sleep(AT_REST + count / 50)
        cpu = await _share_of_a_core(seconds)
        after = _uses()
    return {"cpu": cpu, **{name: after[name] - before[name] for name in after}}


@contextlib.asynccontextmanager
async def running(follower: Follower, folders: list[Path]) -> AsyncGenerator[None, None]:
    async with anyio.create_task_group() as tasks:
        for folder in folders:
            tasks.start_soon(Subscriber().follow, follower, folder)
        yield
        tasks.cancel_scope.cancel()


def _uses() -> dict[str, float]:
    process = psutil.Process()
    return {
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "memory": process.memory_full_info().uss,
    }


async def _share_of_a_core(seconds: float) -> float:
    used, start = time.process_time(), time.perf_counter()
    await anyio.sleep(seconds)
    return (time.process_time() - used) / (time.perf_counter() - start)


def idle(scale: Scale) -> Figure:
    rows: list[Row] = []
    found: dict[tuple[int, str], float] = {}
    for count in scale.watchers:
        for who in COMPARED:
            cells: dict[str, Cell]
            try:
                uses: dict[str, float] = measured("idle:watchers", follower=who, count=count, seconds=scale.idle)
            except MeasurementFailed as failure:
                cells = {"CPU": str(failure)[-60:]}
            else:
                found[count, who] = uses["cpu"]
                cells = {"CPU": uses["cpu"], "CPU of each": uses["cpu"] / count}
                cells |= {name: uses[name] / count for name in ("descriptors", "threads", "memory")}
            rows.append(Row(who, cells, f"{count}"))
    targets = [
        Target(f"{count} idle: {BY_INOTIFY}, against the loop by hand", found[count, BY_INOTIFY] / other, 1.0)
        for count in scale.watchers
        if (other := found.get((count, BY_HAND))) and (count, BY_INOTIFY) in found
    ]
    return Figure(
        name="idle",
        title="Watch 1, 10 and 100 files and do nothing",
        measured="Each watches its own file in its own folder, in one process; all but the CPU is for each watcher, above "
        "what the process had before.",
        columns={"CPU": "share", "CPU of each": "share", "descriptors": "count", "threads": "count", "memory": "bytes"},
        rows=rows,
        targets=targets,
        drawn="CPU of each",
    )


BARE = "awatch(), bare, at its defaults (step=50)"
BARE_STEP = "awatch(step=10), bare"
NOTHING = "an event loop alone"


def bare(step: int | None, seconds: float) -> float:
    """What a loop over awatch alone uses; with no step, not even that."""
    with tempfile.TemporaryDirectory() as folder:
        writers.lay_out(Path(folder), "rename")
        return anyio.run(_bare, Path(folder), step, seconds)


async def _bare(folder: Path, step: int | None, seconds: float) -> float:
    stop, used = anyio.Event(), 0.0

    async def watch() -> None:
        options: dict[str, Any] = {} if step is None else {"step": step}
        async for _ in awatch(folder, stop_event=stop, **options):
            pass

    async with anyio.create_task_group() as tasks:
        if step != 0:
            tasks.start_soon(watch)
        await anyio.sleep(AT_REST)
        used = await _share_of_a_core(seconds)
        stop.set()
    return used


def watchfiles(scale: Scale) -> Figure:
    seconds = 2 * scale.idle
    taken: dict[str, list[float]] = {BY_WATCHFILES: [], BARE_STEP: [], BARE: [], NOTHING: []}
    for _ in range(scale.passes):
        used = measured("idle:watchers", follower=BY_WATCHFILES, count=1, seconds=seconds)
        taken[BY_WATCHFILES].append(used["cpu"])
        for who, step in ((BARE_STEP, 10), (BARE, None), (NOTHING, 0)):
            taken[who].append(measured("idle:bare", step=step, seconds=seconds))
    sums = {who: sum(shares) / len(shares) for who, shares in taken.items()}
    return Figure(
        name="watchfiles",
        title='One idle watch with watcher="watchfiles"',
        measured=f"The whole process's CPU time, {len(taken[BARE])} x {seconds:g} s for each.",
        columns={"CPU": "share", "against bare awatch()": "ratio", "against the same step": "ratio"},
        rows=[
            Row(
                who,
                {
                    "CPU": [min(taken[who]), share, max(taken[who])],
                    "against bare awatch()": share / sums[BARE],
                    "against the same step": share / sums[BARE_STEP],
                },
            )
            for who, share in sums.items()
        ],
        targets=[
            Target(
                "idle with watchfiles, against bare awatch() with the same step",
                sums[BY_WATCHFILES] / sums[BARE_STEP],
                1.0,
            ),
            Target(
                "idle with watchfiles, against bare awatch() at its defaults", sums[BY_WATCHFILES] / sums[BARE], 1.0
            ),
        ],
        drawn="CPU",
    )
