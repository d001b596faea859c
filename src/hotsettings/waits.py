"""What an edit waits for: told in the status and the log when it takes long. And which calls would wait for themselves."""

from __future__ import annotations

import datetime
import time
from collections.abc import Collection
from contextvars import ContextVar

import anyio
from anyio.abc import TaskGroup

from .log import logger
from .status import Wait, WaitKind

PATIENCE = 2.0
"""Seconds after which the status and the log say what an edit waits for."""


class Turn:
    """A wait under way: for a layer, a hook, a build, or the leases of a resource."""

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
        """Make this known to all that is called in this context."""
        _turns.set((*_turns.get(), self))


class Waits:
    """The waits of one live object. Each that takes long is logged once, and once more when it is over."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._turns: list[Turn] = []
        self._attended = False

    def begin(self, kind: WaitKind, name: str, seconds: float = 0.0) -> Turn:
        """Note that an edit may wait for this from now on, or has done so for some seconds."""
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

    def only(self, kind: WaitKind, names: Collection[str]) -> None:
        """Note all waits of a kind: end those that are over, and begin those that are new."""
        known = [turn for turn in self._turns if turn.wait.kind == kind]
        for turn in known:
            if turn.wait.name not in names:
                self.end(turn)
        for name in names:
            if all(turn.wait.name != name for turn in known):
                self.begin(kind, name)

    def all(self, *, long: bool) -> tuple[Wait, ...]:
        """What is waited for now, or only what takes long."""
        return tuple(turn.wait for turn in self._turns if turn.long or not long)

    def refuse_inside(self, call: str, why: str) -> None:
        """Raise RuntimeError if this is called by a hook or build of the same live object that has not returned."""
        for turn in _turns.get():
            if turn.waits is self and turn.active:
                raise RuntimeError(f"{call} was called inside of {turn.wait}, {why}")

    async def _attend(self) -> None:
        """Warn of each turn that takes long, until there are no others left."""
        while waiting := [turn.began for turn in self._turns if not turn.warned]:
            await anyio.sleep(max(0.0, min(waiting) + PATIENCE - time.monotonic()))
            for turn in self._turns:
                if turn.long and not turn.warned:
                    self._warn(turn)
        self._attended = False

    def _warn(self, turn: Turn) -> None:
        turn.warned = True
        logger.warning("waiting for %s, for over %g s now: nothing new goes live before", turn.wait, PATIENCE)


_turns: ContextVar[tuple[Turn, ...]] = ContextVar("_turns", default=())
"""The hooks and builds that call what is called here."""
