"""Leaving leaves nothing: no descriptor, thread, task or memory, however it is left."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from support.examples import covering
from support.faults.harness import KINDS, SETTLE, Place, Watched, assert_nothing_left
from support.faults.tagged import Tagged, text

LANES = 5
"""Side by side, to save time."""
TURNS = 100
BATCHES = 4
GROWTH = 1_000_000
"""Bytes in the best of the batches: an allocator grows by leaps, and a leak in each batch."""


@pytest.mark.slow
@pytest.mark.thorough
def test_500_times_enter_change_and_leave(tmp_path: Path) -> None:
    started = [Watched(watcher, backend) for watcher, backend in KINDS[:4]]
    texts = [text(tag) for tag in range(2, 12)]
    try:
        for number, watched in enumerate(started):
            watched.ready()
            lanes = [Place(tmp_path / f"{number}-{lane}") for lane in range(LANES)]
            for lane in lanes:
                lane.folder.mkdir()
                lane.begin()
                old = time.time() - 60  # at rest for long, so that entering needs no settling
                os.utime(lane.config, (old, old))
        time.sleep(SETTLE)

        def cycle(turns: int) -> None:
            for number, watched in enumerate(started):
                for lane in range(LANES):
                    options = {"watcher": watched.watcher, "settle": 0.02, "rescan_interval": 0.02}
                    if watched.watcher == "inotify":
                        options["rescan_interval"] = 60.0
                    paths = Place(tmp_path / f"{number}-{lane}").paths
                    watched.order(
                        "cycle", f"lane{lane}-{turns}", paths=paths, options=options, texts=texts, turns=turns
                    )
            for watched in started:
                for lane in range(LANES):
                    watched.wait(f"lane{lane}-{turns}", "cycled", within=120)

        cycle(TURNS)
        before = [watched.measure() for watched in started]
        growing = {watched.name: state["memory"] for watched, state in zip(started, before, strict=True)}
        for batch in range(BATCHES):
            cycle(TURNS + 10 * (1 + batch))  # all texts come equally often, so that each cycle begins with another one
            for watched, state in zip(started, before, strict=True):
                assert_nothing_left(state, watched)
                if watched.name in growing:
                    memory = watched.measure()["memory"]
                    if memory - growing.pop(watched.name) >= GROWTH:
                        growing[watched.name] = memory
            if not growing:
                break
        assert not growing, f"{GROWTH} bytes more after each {LANES * TURNS} times"
    finally:
        for watched in started:
            watched.end()


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    backend = request.param
    options = {"use_uvloop": True} if backend == "uvloop" else {}
    name = "asyncio" if backend == "uvloop" else backend

    def run(function: Callable[..., Any], *arguments: Any) -> Any:
        return anyio.run(function, *arguments, backend=name, backend_options=options)

    return run


def descriptors() -> list[str]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{descriptor}").split(":")[0])
        except OSError:
            pass  # the one that listed them
    return sorted(found)


def tasks_left() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0  # trio, whose nursery does not end before its tasks


@pytest.mark.parametrize(
    ("run", "watcher"), covering(["asyncio", "uvloop", "trio"], ["inotify", "watchfiles", "poll"]), indirect=["run"]
)
def test_cancelled_anywhere(run: Callable[..., Any], place: Place, watcher: str) -> None:
    """At each step of starting, changing, reloading and leaving; the next one starts as if nothing had been."""
    outcomes: set[str] = set()

    async def use(stage: list[str]) -> None:
        options: dict[str, Any] = {"watcher": watcher, "settle": 0.001, "rescan_interval": 0.01}
        stage.append("starting")
        options |= place.paths
        async with Tagged.watch(**options) as live:
            stage.append("changing")
            handle = live.on_change(lambda _: None)
            changes = live.changes()
            place.config.write_text(text(2 + live.current.B00 % 2))
            await live.reload()
            stage.append("reloading")
            await live.reload()
            stage.append("applying")
            await changes.aclose()
            await live.wait_applied()
            handle.cancel()
            stage.append("leaving")
        stage.append("left")

    async def cancelled_after(wait: Callable[[], Any]) -> None:
        stage: list[str] = []
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(use, stage)
            await wait()
            cancelled = time.monotonic()
            tasks.cancel_scope.cancel()
        assert time.monotonic() - cancelled < 1, (stage, cancelled - began)
        outcomes.update(stage[-1:])

    async def main() -> None:
        await use([])
        await anyio.sleep(0.05)
        tasks, open_files = tasks_left(), descriptors()

        async def steps(number: int) -> None:
            for _ in range(number):
                await checkpoint()

        for number in range(40):
            await cancelled_after(partial(steps, number))
        for number in range(40):
            await cancelled_after(partial(anyio.sleep, number * 0.0008))
        await use([])
        deadline = time.monotonic() + 10
        while descriptors() != open_files and time.monotonic() < deadline:
            await anyio.sleep(0.02)  # watchfiles closes its own a little later
        assert descriptors() == open_files
        assert tasks_left() == tasks
        gc.collect()

    run(main)
    assert "starting" in outcomes
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("watch")]
