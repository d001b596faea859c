"""What an edit waits for. The status and the log name each wait that takes long; a call that would wait for itself is refused."""

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


class Turn:
    """One wait: for a layer, a hook, a build, or the leases of a resource."""

    def __init__(self, waits: Waits, kind: WaitKind, name: str, seconds: float) -> None:
        self.waits = waits
        self.wait = Wait(kind, name, datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds))
        self.began = time.monotonic() - seconds
        self.active = True
        self.warned = False

    @property
    def long(self) -> bool:
        """Whether it takes long."""
        return time.monotonic() - self.began >= PATIENCE

    def enter(self) -> None:
        """Let all code that is called in this context know that it runs inside of this hook or build."""
        _turns.set((*_turns.get(), self))

    async def within(self, seconds: float, work: Callable[[], Awaitable[T]]) -> T:
        """Do what is waited for, and end the wait. Raises TimeoutError if that takes longer. For tasks of our own."""
        try:
            with anyio.move_on_after(seconds):
                return await work()
            raise TimeoutError(f"{self.wait.name} did not finish within {seconds:g} s")
        finally:
            self.waits.end(self)


class Waits:
    """The waits of one live object. Each that takes long is logged once, and once more when it is over."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._turns: list[Turn] = []
        self._attended = False
        self.refresh: Callable[[], object] = lambda: None
        """Called before waits are told, to bring those up to date that a worker thread begins and ends."""

    def begin(self, kind: WaitKind, name: str, seconds: float = 0.0) -> Turn:
        """Note that an edit waits for this, and has done so for some seconds already."""
        turn = Turn(self, kind, name, seconds)
        self._turns.append(turn)
        if turn.long:
            self._warn(turn)
        elif not self._attended:
            self._attended = True
            self._tasks.start_soon(self._attend)
        return turn

    def end(self, turn: Turn) -> None:
        """Note that this is over."""
        turn.active = False
        self._turns.remove(turn)
        if turn.warned:
            seconds = time.monotonic() - turn.began
            logger.info("no longer waiting for %s; it took %.1f s", turn.wait, seconds)

    def only(self, kind: WaitKind, since: Mapping[str, float]) -> None:
        """Let these be the only waits of a kind. ``since`` maps their names to the monotonic seconds when they began."""
        known = [turn for turn in self._turns if turn.wait.kind == kind]
        for turn in known:
            if turn.wait.name not in since:
                self.end(turn)
        for name, began in since.items():
            if all(turn.wait.name != name for turn in known):
                self.begin(kind, name, time.monotonic() - began)

    def all(self, *, long: bool) -> tuple[Wait, ...]:
        """All waits, or only those that take long."""
        self.refresh()
        return tuple(turn.wait for turn in self._turns if turn.long or not long)

    def refuse_inside(self, call: str, why: str) -> None:
        """Raise RuntimeError if a hook or build of the same live object makes this call and has not returned."""
        for turn in _turns.get():
            if turn.waits is self and turn.active:
                raise RuntimeError(f"{call} was called inside of {turn.wait}, {why}")

    async def _attend(self) -> None:
        """Warn of each wait that takes long, until no others are left."""
        while waiting := [turn.began for turn in self._turns if not turn.warned]:
            await anyio.sleep(max(0.0, min(waiting) + PATIENCE - time.monotonic()))
            self.refresh()
            for turn in self._turns:
                if turn.long and not turn.warned:
                    self._warn(turn)
        self._attended = False

    def _warn(self, turn: Turn) -> None:
        turn.warned = True
        meanwhile = (
            "the other layers go on without it" if turn.wait.kind == "writing" else "nothing new goes live before"
        )
        logger.warning("waiting for %s, for over %g s now: %s", turn.wait, PATIENCE, meanwhile)


_turns: ContextVar[tuple[Turn, ...]] = ContextVar("_turns", default=())
"""The hooks and builds that the current code runs inside of."""
