"""Iterators of changes: who waits for which keys, and how far each one is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any, Generic, TypeVar
from weakref import WeakSet, WeakValueDictionary

import anyio
from anyio.lowlevel import checkpoint

from .schema import Schema
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
        return self.keys is None or not self.keys.isdisjoint(keys)

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
        self._news = anyio.Event()

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
        for topic in list(self._topics.values()):
            if topic.concerns(keys):
                topic.tell(snapshot.generation)
        told, self._news = self._news, anyio.Event()
        told.set()
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
        self._news.set()
        self.progress()

    def progress(self) -> None:
        """Tell barriers to look again."""
        if self._progress is not None:
            self._progress.set()

    async def wait_applied(self, generation: int | None) -> None:
        """Return when every iterator has finished with ``generation``."""
        wanted = self.snapshot.generation if generation is None else generation
        while self.snapshot.generation < wanted and not self.closed:
            await self._news.wait()
        while not self.closed and any(iterator.behind(wanted) for iterator in list(self._iterators)):
            if self._progress is None or self._progress.is_set():
                self._progress = anyio.Event()
            with anyio.move_on_after(_COLLECTED_ELSEWHERE):
                await self._progress.wait()
        await checkpoint()


class Changes(AsyncIterator[Change[S]]):
    """The changes of some keys, newest state only. It starts when it is made: ``async for change in live.changes()``.

    Dropping it, ``break`` included, is enough to end it; one that is kept in a variable can be closed with ``aclose()``.
    """

    __slots__ = ("__weakref__", "_abandoned", "_board", "_busy", "_closed", "_finished", "_seen", "_topic")

    def __init__(self, board: Board[S], topic: Topic) -> None:
        self._board = board
        self._topic = topic
        self._seen = board.snapshot
        self._finished = board.snapshot.generation
        self._busy = self._abandoned = self._closed = False

    def __aiter__(self) -> Changes[S]:
        return self

    async def __anext__(self) -> Change[S]:
        self._finished = self._seen.generation
        self._busy = False
        self._abandoned = True  # until this returns: cancelled here, nobody is left whom a barrier could wait for
        self._board.progress()
        yielded = False
        while not (self._closed or self._board.closed):
            change = self._pending()
            if change is not None and yielded:
                return self._deliver(change)
            if change is not None:
                await checkpoint()
            else:
                self._abandoned = False
                await self._topic.changed.wait()
            yielded = True
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the iteration; a task that waits in it gets StopAsyncIteration."""
        self._closed = True
        self._topic.wake()
        self._board.progress()

    def behind(self, generation: int) -> bool:
        """Whether somebody still works on this generation, or has not asked for it yet."""
        if self._closed or self._finished >= generation or _delivering.get() is self:
            return False
        return self._busy or (not self._abandoned and self._topic.generation > self._seen.generation)

    def _pending(self) -> Change[S] | None:
        if self._topic.generation <= self._seen.generation:
            return None
        change = self._board.change_since(self._seen)
        if self._topic.concerns(change.keys):
            return change
        self._seen = self._board.snapshot  # the values went away and came back: nothing to tell
        self._finished = self._seen.generation
        self._board.progress()
        return None

    def _deliver(self, change: Change[S]) -> Change[S]:
        self._seen = self._board.snapshot
        self._busy, self._abandoned = True, False
        _delivering.set(self)
        return change


_delivering: ContextVar[Changes[Any] | None] = ContextVar("_delivering", default=None)
"""The iterator whose change is being worked on here: a barrier passed in the middle of that must not wait for itself."""
