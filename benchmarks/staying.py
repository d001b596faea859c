"""What a long life costs: the longest stall of the event loop, and the memory after many reloads."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import psutil
from anyio.lowlevel import checkpoint

from hotsettings import BaseSettings
from hotsettings._layers.layer import LARGEST

from .figures import Figure, Row, Scale, Target
from .measuring import nearly_all, spread
from .process import measured

SMALL, LARGE = "small", "1 MiB"
RELOADED, ON_THE_LOOP, QUIET = "hotsettings, live.reload()", "loading on the loop", "no reload at all"


class Table(BaseSettings):
    N: int
    ITEMS: Mapping[str, int]


def table(number: int, size: int) -> str:
    """A configuration of about that many bytes."""
    items = (f"key_{index:05} = {index}\n" for index in range(max(1, (size - 60) // 18)))
    return f"N = {number}\n[ITEMS]\n" + "".join(items)


class Config:
    """A file, and its other contents prepared beside it, so that an edit is a rename."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path = folder / "config.toml"
        self._texts = [table(number, size) for number in range(2)]
        self._edits = 0
        self.edit()

    def edit(self) -> None:
        self._edits += 1
        beside = self.path.with_name("config.toml~")
        beside.write_text(self._texts[self._edits % 2], encoding="utf-8")
        os.replace(beside, self.path)

    def watched(self) -> Any:
        return Table.watch(self.path, secrets_path=None, watcher="poll", settle=0.0, rescan_interval=3600.0)

    def load(self) -> Table:
        return Table(self.path, secrets_path=None)


class Heart:
    """Beats as often as the event loop lets it, and notes the longest gap."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def beat(self) -> None:
        last = time.perf_counter()
        while True:
            await anyio.lowlevel.checkpoint()
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last), now


def stalls(size: int, count: int) -> dict[str, list[float]]:
    """The longest gap during each of so many reloads, in each of the ways."""
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(_stalls, Config(Path(folder), size), count)


async def _stalls(config: Config, count: int) -> dict[str, list[float]]:
    async def on_the_loop() -> None:
        config.load()

    async def quiet() -> None:
        await anyio.sleep(0.002)

    # Nothing watches before its turn: what it did in the background would be a gap of the others.
    taken = {QUIET: await _gaps(config, quiet, count), ON_THE_LOOP: await _gaps(config, on_the_loop, count)}
    async with config.watched() as live:
        return {RELOADED: await _gaps(config, live.reload, count), **taken}


async def _gaps(config: Config, reload: Callable[[], Any], count: int) -> list[float]:
    heart, gaps = Heart(), list[float]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heart.beat)
        for _ in range(count):
            config.edit()
            gc.collect()
            for _ in range(3):
                await checkpoint()  # what the edit and the collection took is no gap of the reload
            heart.longest = 0.0
            await reload()
            for _ in range(3):
                await checkpoint()
            gaps.append(heart.longest)
        tasks.cancel_scope.cancel()
    return gaps


def stall(scale: Scale) -> Figure:
    rows: list[Row] = []
    targets: list[Target] = []
    counts = {SMALL: max(5, scale.reloads // 50), LARGE: max(3, scale.reloads // 400)}
    for group, size in ((SMALL, 3_000), (LARGE, LARGEST)):
        taken = measured("staying:stalls", size=size, count=counts[group])
        rows += [
            Row(who, {"median": spread(gaps), "99th": nearly_all(gaps), "longest": max(gaps)}, group)
            for who, gaps in taken.items()
        ]
        if group == SMALL:
            typical = nearly_all(taken[RELOADED])
            targets.append(Target("small: the 99th of the longest stalls", typical, 0.002, unit="seconds"))
        else:
            against = spread(taken[RELOADED])[1] / spread(taken[ON_THE_LOOP])[1]
            targets.append(Target("1 MiB: against loading on the loop", against, 1.0))
    return Figure(
        name="stall",
        title="The longest stall of the event loop during a reload",
        measured="The longest time in which a task that is always ready did not run, for each reload: "
        f"{counts[SMALL]} of a configuration of 3 kB, {counts[LARGE]} of one of 1 MiB.",
        columns={"median": "seconds", "99th": "seconds", "longest": "seconds"},
        rows=rows,
        targets=targets,
        drawn="median",
    )


def growth(early: int, count: int) -> list[dict[str, float]]:
    """Memory and objects after ``early`` reloads and after ``count``."""
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(_growth, Config(Path(folder), 3_000), early, count)


async def _growth(config: Config, early: int, count: int) -> list[dict[str, float]]:
    found: list[dict[str, float]] = []
    async with config.watched() as live, anyio.create_task_group() as tasks:
        seen = 0

        async def follow() -> None:
            nonlocal seen
            async for _ in live.changes("N"):
                seen += 1

        tasks.start_soon(follow)
        for number in range(1, count + 1):
            config.edit()
            await live.reload()
            if number in (early, count):
                found.append(_held(live.snapshot.generation))
        tasks.cancel_scope.cancel()
    return found


def _held(generation: int) -> dict[str, float]:
    gc.collect()
    process = psutil.Process()
    held = {
        "memory": process.memory_full_info().uss,
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
    }
    return {**held, "objects": len(gc.get_objects()), "generation": generation}


def memory(scale: Scale) -> Figure:
    early = 100
    before, after = measured("staying:growth", early=early, count=scale.reloads)
    assert after["generation"] == scale.reloads + 1
    columns = ("memory", "objects", "descriptors", "threads")
    rows = [
        Row(f"after {count:,} reloads", {name: held[name] for name in columns})
        for count, held in ((early, before), (scale.reloads, after))
    ]
    each = (after["memory"] - before["memory"]) / (scale.reloads - early)
    return Figure(
        name="memory",
        title="Memory after many reloads",
        measured="What the process has for itself (USS) and the objects that the garbage collector knows.",
        columns={"memory": "bytes", "objects": "count", "descriptors": "count", "threads": "count"},
        rows=rows,
        targets=[
            Target("memory, against that after 100 reloads", after["memory"] / before["memory"], 1.05),
            Target(
                "objects, against those after 100 reloads", after["objects"] / before["objects"], 1.01, guarded=True
            ),
            Target("bytes that each reload leaves behind", max(0.0, each), 100.0, unit="bytes"),
        ],
        drawn="memory",
    )
