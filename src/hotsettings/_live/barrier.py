"""The barrier: ``wait_applied`` returns when every subscriber has finished with a generation.

When has a subscriber finished? A reload only wakes it. What it does with the change happens later, in its own task, and nobody can
look into that task. But an iterator that asks for its next change shows that its caller is done with the one before. So each
iterator keeps two numbers: the generation that it has delivered last, and the generation that its caller has finished with, which
follows when the next change is asked for. A callback is called in a loop over such an iterator, so the same rule covers it.

A barrier that waits for "everybody" would wait for ever in four cases, and each has its rule:

- **Somebody is gone.** An iterator that was closed, cancelled in its wait, or collected never asks again. The first two call
  ``progress``. The garbage collector tells nobody, and it may run in any thread: so the barrier looks again after
  ``COLLECTED_ELSEWHERE`` seconds without news.
- **The barrier is passed inside of a subscriber's own loop.** That iterator asks for its next change only when the barrier has
  returned. A context variable holds the iterators whose changes the current code is working on, and the barrier leaves them out.
- **Two subscribers pass a barrier in their loops.** Each would wait for the other. So a barrier that is passed in a subscriber's loop
  leaves out all subscribers that are waiting in a barrier themselves (``barriers`` counts that). A barrier that is passed outside
  of all loops still waits for them: they go on as soon as theirs returns.
- **The live object closes.** Then nothing more is delivered, and every barrier returns.

A subscriber whose keys did not differ was never woken for the generation and has nothing to finish.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import Any, Protocol
from weakref import ref

import anyio
from anyio.lowlevel import checkpoint

COLLECTED_ELSEWHERE = 0.5
"""Seconds after which a barrier looks again by itself."""


class Follower(Protocol):
    """An iterator that a barrier may have to wait for."""

    barriers: int
    """How many barriers are being waited for in the body of its loop."""

    def behind(self, generation: int) -> bool:
        """Whether its caller has not finished with this generation."""
        ...


class Followers(Protocol):
    """All iterators of a live object."""

    closed: bool

    @property
    def generation(self) -> int:
        """The newest generation."""
        ...

    def followers(self) -> Iterable[Follower]:
        """The iterators that there are now."""
        ...


class Barrier:
    """What all callers of ``wait_applied`` wait at."""

    def __init__(self, followers: Followers) -> None:
        self._all = followers
        self._progress: anyio.Event | None = None

    def progress(self) -> None:
        """Let everybody who waits look again: a generation is new, an iterator has gone on, or one has ended."""
        if self._progress is not None:
            self._progress.set()
            self._progress = None

    async def wait(self, generation: int | None) -> None:
        """Return when every iterator has finished with a generation, None being the newest."""
        everybody = self._all
        wanted = everybody.generation if generation is None else generation
        while everybody.generation < wanted and not everybody.closed:
            await self._news().wait()
        mine = _worked_on_here()
        for follower in mine:
            follower.barriers += 1
        try:
            self.progress()
            while not everybody.closed and self._anybody_behind(wanted, mine):
                with anyio.move_on_after(COLLECTED_ELSEWHERE):
                    await self._news().wait()
        finally:
            for follower in mine:
                follower.barriers -= 1
        await checkpoint()

    def _news(self) -> anyio.Event:
        if self._progress is None:
            self._progress = anyio.Event()
        return self._progress

    def _anybody_behind(self, wanted: int, mine: Sequence[Follower]) -> bool:
        return any(
            follower.behind(wanted) for follower in self._all.followers() if not _would_wait_for_us(follower, mine)
        )


_delivering: ContextVar[tuple[ref[Any], ...]] = ContextVar("_delivering", default=())
"""The iterators whose changes the current code is working on. Weak, since a task's context outlives the loops in it."""


def delivered_by(follower: Follower) -> None:
    """Note that the code which runs here works on a change of this iterator."""
    before = _delivering.get()
    if not before or before[-1]() is not follower:
        _delivering.set((*(known for known in before if known() not in (None, follower)), ref(follower)))


def _worked_on_here() -> list[Follower]:
    return [follower for known in _delivering.get() if (follower := known()) is not None]


def _would_wait_for_us(follower: Follower, mine: Sequence[Follower]) -> bool:
    """Whether a barrier in the loops of ``mine`` has to leave this one out: it is one of them, or waits in a barrier."""
    return bool(mine) and (follower.barriers > 0 or follower in mine)
