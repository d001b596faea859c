"""What holds up an edit. The status and the log name each holdup that takes long.

A call from inside a hook or build that would wait for this same hook or build is refused.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import TypeVar

import anyio

from .._concurrency.tasks import Tasks
from .._layers.status import PATIENCE
from .._log import logger
from .status import Wait, WaitKind

T = TypeVar("T")


class Holdup:
    """One thing that an edit waits for: a layer, a hook, a build, or the leases of a resource."""

    def __init__(self, holdups: Holdups, kind: WaitKind, name: str, seconds: float) -> None:
        self.holdups = holdups
        self.wait = Wait(kind, name, datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds))
        self.began = time.monotonic() - seconds
        self.active = True
        self.warned = False

    @property
    def long(self) -> bool:
        """Whether it takes long."""
        return time.monotonic() - self.began >= PATIENCE

    def enter(self) -> None:
        """Mark all code that is called in this context as inside of this hook or build. See ``refuse_inside``."""
        _inside_of.set((*_inside_of.get(), self))

    async def within(self, seconds: float, work: Callable[[], Awaitable[T]]) -> T:
        """Run the hook or build that is waited for, and end the holdup. Raises TimeoutError after so many seconds.

        Call it in tasks of the library only.
        """
        try:
            with anyio.move_on_after(seconds):
                return await work()
            raise TimeoutError(f"{self.wait.name} did not finish within {seconds:g} s")
        finally:
            self.holdups.end(self)


class Holdups:
    """What holds up the edits of one live object. Each long holdup is logged once, and once more when it is over."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._holdups: list[Holdup] = []
        self._attended = False
        """A task waits to warn of holdups."""
        self.refresh: Callable[[], object] = lambda: None
        """Called before holdups are reported: it updates those that come from the checks of the layers."""

    def begin(self, kind: WaitKind, name: str, seconds: float = 0.0) -> Holdup:
        """Note that an edit waits for this, and has done so for some seconds already."""
        holdup = Holdup(self, kind, name, seconds)
        self._holdups.append(holdup)
        if holdup.long:
            self._warn(holdup)
        elif not self._attended:
            self._attended = True
            self._tasks.start_soon(self._attend)
        return holdup

    def end(self, holdup: Holdup) -> None:
        """Note that the edit does not wait for this any more."""
        holdup.active = False
        self._holdups.remove(holdup)
        if holdup.warned:
            seconds = time.monotonic() - holdup.began
            logger.info("no longer waiting for %s; it took %.1f s", holdup.wait, seconds)

    def only(self, kind: WaitKind, since: Mapping[str, float]) -> None:
        """Make these the only holdups of a kind: end the others, and begin those that are new.

        Args:
            kind: The kind.
            since: When each began, in seconds of the monotonic clock, by their names.
        """
        known = [holdup for holdup in self._holdups if holdup.wait.kind == kind]
        for holdup in known:
            if holdup.wait.name not in since:
                self.end(holdup)
        for name, began in since.items():
            if all(holdup.wait.name != name for holdup in known):
                self.begin(kind, name, time.monotonic() - began)

    def all(self, *, long: bool) -> tuple[Wait, ...]:
        """All holdups, or only those that take long."""
        self.refresh()
        return tuple(holdup.wait for holdup in self._holdups if holdup.long or not long)

    def refuse_inside(self, call: str, why: str) -> None:
        """Raise RuntimeError if a hook or build of the same live object makes this call and has not returned."""
        for holdup in _inside_of.get():
            if holdup.holdups is self and holdup.active:
                raise RuntimeError(f"{call} was called inside of {holdup.wait}, {why}")

    async def _attend(self) -> None:
        """Warn of each holdup that takes long, until no others are left."""
        while waiting := [holdup.began for holdup in self._holdups if not holdup.warned]:
            await anyio.sleep(max(0.0, min(waiting) + PATIENCE - time.monotonic()))
            self.refresh()
            for holdup in self._holdups:
                if holdup.long and not holdup.warned:
                    self._warn(holdup)
        self._attended = False

    def _warn(self, holdup: Holdup) -> None:
        holdup.warned = True
        meanwhile = (
            "the other layers go on without it" if holdup.wait.kind == "writing" else "nothing new goes live before"
        )
        logger.warning("waiting for %s, for over %g s now: %s", holdup.wait, PATIENCE, meanwhile)


_inside_of: ContextVar[tuple[Holdup, ...]] = ContextVar("_inside_of", default=())
"""The hooks and builds that the current code runs inside of."""
