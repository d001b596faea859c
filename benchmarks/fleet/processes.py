"""The processes of a fleet: started together, waited for, and ended together."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Generic, Self

import anyio
import msgspec
import psutil

from ..process import ROOT, MeasurementFailed, clean_environment
from .records import Log, Order, R, Shown, Told

PATIENCE = 120.0
"""Seconds after which something that has to come has failed to."""


class Member(Generic[R]):
    """One process, with its log and what it has said besides."""

    def __init__(self, order: Order, module: str, kind: type[R]) -> None:
        self.order = order
        folder = Path(order.folder)
        folder.mkdir(parents=True)
        (folder / "local.toml").write_text(f'PLACE = "{order.name}"\n', encoding="utf-8")
        self.log: Log[R] = Log(folder / "log", kind)
        self._said = folder / "said"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"benchmarks.fleet.{module}", msgspec.json.encode(order).decode()],
                cwd=ROOT,
                env=clean_environment(),
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
            )
        self.status = psutil.Process(self._process.pid)

    @property
    def said(self) -> str:
        """What it has said on its output: nothing, unless something has failed that nobody has thought of."""
        return self._said.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def ended_well(self) -> bool:
        return self._process.poll() == 0

    def position(self) -> int:
        last = self.log.last()
        return -1 if last is None else last.position

    def ask_to_end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Fleet(Generic[R]):
    """Some processes that do the same; ``with`` ends what is left of them."""

    def __init__(self, folder: Path, urls: Sequence[str], bucket: str, module: str, kind: type[R]) -> None:
        self.members: list[Member[R]] = []
        self._folder = folder
        self._urls = tuple(urls)
        self.bucket = bucket
        self._module = module
        self._kind: type[R] = kind

    def grow(self, count: int, release: str = "newer", *, copying: bool = False) -> None:
        """Start more of them, until there are so many."""
        while len(self.members) < count:
            order = self._order(len(self.members), release, copying)
            self.members.append(Member(order, self._module, self._kind))

    def _order(self, number: int, release: str, copying: bool) -> Order:
        name, first = f"w{number:02}", number % len(self._urls)
        urls = self._urls[first:] + self._urls[:first]
        return Order(name, urls, self.bucket, str(self._folder / name), release, copying)

    async def reach(self, position: int) -> None:
        """Wait until all show that position of the stream, or a later one. Raises MeasurementFailed."""
        if not await came(lambda: self.all_at(position)):
            behind = [member.order.name for member in self.members if member.position() < position]
            raise MeasurementFailed(f"{behind} have not come to position {position}; {self.members[0].said[-300:]}")

    async def all_at(self, position: int) -> bool:
        """Whether all show that position of the stream, or a later one."""
        positions = [member.position() for member in self.members]  # all of them: this reads their logs
        return min(positions) >= position

    def end(self) -> bool:
        """End all of them in order, and return whether all did."""
        for member in self.members:
            if member.running:
                member.ask_to_end()
        deadline = time.monotonic() + PATIENCE
        for member in self.members:
            member.wait(max(0.1, deadline - time.monotonic()))
        return all(member.ended_well for member in self.members)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def settings_fleet(folder: Path, urls: Sequence[str], bucket: str) -> Fleet[Shown]:
    """Processes that follow settings."""
    return Fleet(folder, urls, bucket, "worker", Shown)


def bare_fleet(folder: Path, urls: Sequence[str], bucket: str) -> Fleet[Told]:
    """Processes that watch the bucket with nats-py alone."""
    return Fleet(folder, urls, bucket, "bare", Told)


async def came(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until it is so, and return whether that has come."""
    deadline = time.monotonic() + PATIENCE
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await anyio.sleep(0.05)
    return True
