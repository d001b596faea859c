"""Iterators of changes: who waits for which keys, and how far each one is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from typing import Any, Generic, TypeVar
from weakref import WeakSet, WeakValueDictionary, ref

import anyio
from anyio.lowlevel import checkpoint

from .._schema.schema import Schema
from .snapshot import Change, Snapshot, changed_keys

S = TypeVar("S")

_COLLECTED_ELSEWHERE = 0.5
"""Seconds after which a barrier looks again by itself: the garbage collector may drop an iterator in another thread."""


class Topic:
    """All iterators that care for the same keys wait on one event, so that waking many costs little more than one."""

    __slots__ = ("__weakref__", "changed", "generation", "keys")

    def __init__(self, keys: frozenset[str] | None) -> None:
        self.keys = keys
        self.generation = 0
        self.changed = anyio.Event()

    def concerns(self, keys: frozenset[str]) -> bool:
        """Whether any of these keys belongs to the topic."""
        return bool(keys) if self.keys is None else not self.keys.isdisjoint(keys)

    def tell(self, generation: int) -> None:
        """Wake everybody for this generation."""
        self.generation = generation
        self.wake()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        told, self.changed = self.changed, anyio.Event()
        told.set()


class Board(Generic[S]):
    """The newest snapshot and everybody who follows it."""

    def __init__(self, schema: Schema, snapshot: Snapshot[S]) -> None:
        self.schema = schema
        self.snapshot = snapshot
        self.closed = False
        self._topics: WeakValueDictionary[frozenset[str] | None, Topic] = WeakValueDictionary()
        self._iterators: WeakSet[Changes[S]] = WeakSet()
        self._since: dict[int, Change[S]] = {}
        self._progress: anyio.Event | None = None
        self._news: anyio.Event | None = None

    def changes(self, keys: frozenset[str] | None) -> Changes[S]:
        """Return a new iterator over changes of these keys (None: of all)."""
        topic = self._topics.get(keys)
        if topic is None:
            topic = self._topics[keys] = Topic(keys)
        iterator = Changes(self, topic)
        self._iterators.add(iterator)
        return iterator

    def publish(self, snapshot: Snapshot[S], keys: frozenset[str]) -> Change[S]:
        """Make a snapshot the newest, and wake those whose keys differ."""
        change = Change(self.snapshot.settings, snapshot.settings, keys, snapshot.generation)
        self._since = {self.snapshot.generation: change}
        self.snapshot = snapshot
        for known in self._topics.valuerefs():
            topic = known()
            if topic is not None and topic.concerns(keys):
                topic.tell(snapshot.generation)
        self._tell_of_news()
        self.progress()
        return change

    def change_since(self, snapshot: Snapshot[S]) -> Change[S]:
        """What differs between an older snapshot and the newest. Many may ask the same, so it is worked out once."""
        change = self._since.get(snapshot.generation)
        if change is None:
            keys = changed_keys(self.schema, snapshot.settings, self.snapshot.settings)
            change = Change(snapshot.settings, self.snapshot.settings, keys, self.snapshot.generation)
            self._since[snapshot.generation] = change
        return change

    def close(self) -> None:
        """End every iterator."""
        self.closed = True
        for topic in list(self._topics.values()):
            topic.wake()
        self._tell_of_news()
        self.progress()

    def _tell_of_news(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None

    def progress(self) -> None:
        """Tell barriers to look again."""
        if self._progress is not None:
            self._progress.set()

    def standing(self) -> tuple[int, int]:
        """How many iterators there are, and how many have not finished with the newest generation. From any thread."""
        while True:
            try:
                iterators = [iterator for iterator in self._iterators if not iterator.ended]
            except RuntimeError:  # one has come while another thread looked
                continue
            return len(iterators), sum(iterator.behind(self.snapshot.generation) for iterator in iterators)

    async def wait_applied(self, generation: int | None) -> None:
        """Return when every iterator has finished with ``generation``."""
        wanted = self.snapshot.generation if generation is None else generation
        while self.snapshot.generation < wanted and not self.closed:
            self._news = self._news or anyio.Event()
            await self._news.wait()
        mine = _worked_on_here()
        for iterator in mine:
            iterator.barriers += 1
        try:
            self.progress()
            while not self.closed and self._anybody_behind(wanted, mine):
                if self._progress is None or self._progress.is_set():
                    self._progress = anyio.Event()
                with anyio.move_on_after(_COLLECTED_ELSEWHERE):
                    await self._progress.wait()
        finally:
            for iterator in mine:
                iterator.barriers -= 1
        await checkpoint()

    def _anybody_behind(self, wanted: int, mine: Sequence[Changes[Any]]) -> bool:
        """Whether anybody has not finished, apart from those in whose body the barrier is passed.

        Nor do those count then that wait for a barrier themselves, or two that pass one would wait for each other.
        """
        return any(
            iterator.behind(wanted)
            for iterator in list(self._iterators)
            if not (mine and (iterator.barriers or iterator in mine))
        )


class Changes(AsyncIterator[Change[S]]):
    """The changes of some keys, newest state only. It starts when it is made: ``async for change in live.changes()``.

    Dropping it, ``break`` included, is enough to end it; one that is kept in a variable can be closed with ``aclose()``.
    """

    __slots__ = (
        "__weakref__",
        "_abandoned",
        "_board",
        "_busy",
        "_closed",
        "_finished",
        "_looked",
        "_seen",
        "_topic",
        "barriers",
    )

    def __init__(self, board: Board[S], topic: Topic) -> None:
        self._board = board
        self._topic = topic
        self._seen = board.snapshot
        self._looked = self._finished = board.snapshot.generation
        self._busy = self._abandoned = self._closed = False
        self.barriers = 0
        """How many barriers are waited for while its change is worked on."""

    def __aiter__(self) -> Changes[S]:
        return self

    async def __anext__(self) -> Change[S]:
        self._finished = self._looked
        self._busy = self._abandoned = False
        self._board.progress()
        try:
            return await self._next()
        except BaseException:  # cancelled, or ended: nobody is left whom a barrier could wait for
            self._abandoned = True
            self._board.progress()
            raise

    async def aclose(self) -> None:
        """End the iteration; a task that waits in it gets StopAsyncIteration."""
        self._closed = True
        self._topic.wake()
        self._board.progress()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self._closed or self._abandoned or self._board.closed

    def behind(self, generation: int) -> bool:
        """Whether somebody still works on this generation, or has not asked for it yet."""
        if self._closed or self._finished >= generation:
            return False
        return self._busy or (not self._abandoned and self._topic.generation > self._looked)

    async def _next(self) -> Change[S]:
        yielded = False
        while not (self._closed or self._board.closed):
            change = self._pending()
            if change is not None and yielded:
                return self._deliver(change)
            if change is not None:
                await checkpoint()
            else:
                await self._topic.changed.wait()
            yielded = True
        raise StopAsyncIteration

    def _pending(self) -> Change[S] | None:
        if self._topic.generation <= self._looked:
            return None
        change = self._board.change_since(self._seen)
        if self._topic.concerns(change.keys):
            return change
        self._looked = self._finished = self._board.snapshot.generation  # gone and come back: nothing to tell
        self._board.progress()
        return None

    def _deliver(self, change: Change[S]) -> Change[S]:
        self._seen = self._board.snapshot
        self._looked = self._seen.generation
        self._busy = True
        before = _delivering.get()
        if not before or before[-1]() is not self:
            _delivering.set((*(known for known in before if known() not in (None, self)), ref(self)))
        return change


_delivering: ContextVar[tuple[ref[Changes[Any]], ...]] = ContextVar("_delivering", default=())
"""The iterators whose changes are being worked on here: a barrier passed in the middle of that must not wait for itself.

Weak, since the context of a task lives on when the task has left its loops.
"""


def _worked_on_here() -> list[Changes[Any]]:
    return [iterator for known in _delivering.get() if (iterator := known()) is not None]
