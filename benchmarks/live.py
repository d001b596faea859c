"""What following the files costs: from an edit to a subscriber, a read, and doing nothing.

Run it with `make bench-live`. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path

import anyio
from watchfiles import awatch

from hotsettings.live import Live
from hotsettings.wakeups import Kind
from integr8scode.settings import Settings

ROOT = Path(__file__).parent.parent
EDITS = 100


class Files:
    """A copy of the example's files, and two ways to edit its base."""

    def __init__(self, folder: Path) -> None:
        folder = folder / "app"  # what goes on in the system's folder for temporary files is none of ours
        folder.mkdir()
        self.config = folder / "config.toml"
        self.secrets = folder / "secrets.toml"
        shutil.copy(ROOT / "config.toml", self.config)
        shutil.copy(ROOT / "secrets.example.toml", self.secrets)
        self._text = self.config.read_text(encoding="utf-8")

    def _edited(self, value: int) -> str:
        return self._text.replace("KAFKA_MAX_POLL_RECORDS = 500", f"KAFKA_MAX_POLL_RECORDS = {value}")

    def rename(self, value: int) -> None:
        """Write a file beside it and rename that over it."""
        written = self.config.with_name("new~")
        written.write_text(self._edited(value), encoding="utf-8")
        os.replace(written, self.config)

    def in_place(self, value: int) -> None:
        """Truncate it, write, close."""
        self.config.write_text(self._edited(value), encoding="utf-8")


async def edit_to_subscriber(live: Live[Settings], edit: Callable[[int], None], first: int) -> list[float]:
    """Milliseconds from the end of an edit until a subscriber has the new settings, sorted."""
    taken: list[float] = []
    for value in range(first, first + EDITS):
        changes = live.changes("KAFKA_MAX_POLL_RECORDS")
        edit(value)
        edited = time.perf_counter()
        with anyio.fail_after(10):
            change = await anext(changes)
        taken.append((time.perf_counter() - edited) * 1000)
        assert value == change.new.KAFKA_MAX_POLL_RECORDS
        await anyio.sleep(0.01)  # so that edits do not fall into each other's steps
    return sorted(taken)


async def idle(seconds: float) -> float:
    """Per cent of a core that this process uses while nothing happens."""
    await anyio.sleep(0.5)
    used, start = time.process_time(), time.perf_counter()
    await anyio.sleep(seconds)
    return (time.process_time() - used) / (time.perf_counter() - start) * 100


async def bare_awatch(folder: Path, step: int, seconds: float) -> float:
    """The same for watchfiles alone."""
    stop, used = anyio.Event(), 0.0

    async def watch() -> None:
        async for _ in awatch(folder, step=step, stop_event=stop, recursive=False):
            pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        used = await idle(seconds)
        stop.set()
    return used


def read_ratio(live: Live[Settings]) -> float:
    """What ``live.current.KEY`` costs, in reads of an attribute of a plain object."""

    class Plain:
        def __init__(self) -> None:
            self.LOG_LEVEL = "DEBUG"

    plain = Plain()
    rounds = []
    for _ in range(15):
        ours = timeit.timeit("live.current.LOG_LEVEL", globals={"live": live}, number=200_000)
        rounds.append(ours / timeit.timeit("plain.LOG_LEVEL", globals={"plain": plain}, number=200_000))
    return statistics.median(rounds)


async def measure(seconds: float) -> None:
    """Print a table."""
    kinds: tuple[Kind, ...] = ("inotify", "watchfiles") if sys.platform == "linux" else ("watchfiles",)
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            files = Files(Path(folder))
            async with Settings.watch(files.config, secrets_path=files.secrets, watcher=kind) as live:
                for name, edit, first in (("rename", files.rename, 1000), ("in place", files.in_place, 2000)):
                    taken = await edit_to_subscriber(live, edit, first)
                    print(
                        f"{kind:<10} {name:<9} median {statistics.median(taken):6.2f} ms  99th {taken[-2]:6.2f} ms",
                        flush=True,
                    )
                print(f"{kind:<10} idle      {await idle(seconds):.3f} % of a core", flush=True)
                if kind == kinds[0]:
                    print(f"{'a read':<20} {read_ratio(live):.2f} reads of a plain attribute", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(f"awatch(step=10) idle {await bare_awatch(Path(folder), 10, seconds):.3f} % of a core", flush=True)
        print(f"nothing at all  idle {await idle(seconds):.3f} % of a core", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="What following the files costs.")
    parser.add_argument("--idle", type=float, default=20.0, metavar="SECONDS", help="how long to do nothing (20)")
    parser.add_argument("--backend", default="asyncio", choices=("asyncio", "trio"))
    options = parser.parse_args()
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.release()}")
    anyio.run(measure, options.idle, backend=options.backend)


if __name__ == "__main__":
    main()
