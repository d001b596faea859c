"""Iterators of changes: who waits for which keys, and how far each one is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Generic, TypeVar
from weakref import WeakSet, WeakValueDictionary

import anyio
from anyio.lowlevel import checkpoint

from .._schema.schema import Schema
from .barrier import Barrier, delivered_by
from .snapshot import Change, Snapshot, changed_keys

S = TypeVar("S")


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

    def wake(self) -> None:
        """Wake all iterators that wait on this topic, so that they look for a change."""
        before, self.changed = self.changed, anyio.Event()
        before.set()


class Subscribers(Generic[S]):
    """The newest snapshot and everybody who follows it."""

    def __init__(self, schema: Schema, snapshot: Snapshot[S]) -> None:
        self._schema = schema
        self.snapshot = snapshot
        self.closed = False
        self.left_behind: str | None = None
        """Why nothing is told any more, in a process that was forked."""
        self.barrier = Barrier(self)
        self._topics: WeakValueDictionary[frozenset[str] | None, Topic] = WeakValueDictionary()
        self._iterators: WeakSet[Changes[S]] = WeakSet()
        self._since: dict[int, Change[S]] = {}

    def changes(self, keys: frozenset[str] | None) -> Changes[S]:
        """Return a new iterator over changes of these keys (None: of all)."""
        iterator = Changes(self, self._topic(keys))
        self._iterators.add(iterator)
        return iterator

    def _topic(self, keys: frozenset[str] | None) -> Topic:
        topic = self._topics.get(keys)
        if topic is None:
            topic = self._topics[keys] = Topic(keys)
        return topic

    def take_over(self, before: Subscribers[S]) -> None:
        """Go on with the iterators of others, which belong to the parent of this process."""
        for iterator in before.followers():
            iterator.move(self, self._topic(iterator.keys))
            self._iterators.add(iterator)

    def publish(self, snapshot: Snapshot[S], keys: frozenset[str]) -> Change[S]:
        """Make a snapshot the newest, and wake those whose keys differ."""
        change = Change(self.snapshot.settings, snapshot.settings, keys, snapshot.generation)
        self._since = {self.snapshot.generation: change}
        self.snapshot = snapshot
        for known in self._topics.valuerefs():
            topic = known()
            if topic is not None and topic.concerns(keys):
                topic.generation = snapshot.generation
                topic.wake()
        self.barrier.progress()
        return change

    def change_since(self, snapshot: Snapshot[S]) -> Change[S]:
        """What differs between an older snapshot and the newest. Many may ask the same, so it is worked out once."""
        change = self._since.get(snapshot.generation)
        if change is None:
            keys = changed_keys(self._schema, snapshot.settings, self.snapshot.settings)
            change = Change(snapshot.settings, self.snapshot.settings, keys, self.snapshot.generation)
            self._since[snapshot.generation] = change
        return change

    def close(self) -> None:
        """End every iterator."""
        self.closed = True
        for topic in list(self._topics.values()):
            topic.wake()
        self.barrier.progress()

    @property
    def generation(self) -> int:
        """The newest generation."""
        return self.snapshot.generation

    def followers(self) -> list[Changes[S]]:
        """The iterators that there are now."""
        return list(self._iterators)

    def counts(self) -> tuple[int, int]:
        """How many iterators there are, and how many have not finished with the newest generation. From any thread."""
        while True:
            try:
                iterators = [iterator for iterator in self._iterators if not iterator.ended]
            except RuntimeError:  # one has come while another thread looked
                continue
            return len(iterators), sum(iterator.behind(self.snapshot.generation) for iterator in iterators)


class Changes(AsyncIterator[Change[S]]):
    """The changes of some keys, newest state only. It starts when it is made: ``async for change in live.changes()``.

    Dropping it, ``break`` included, is enough to end it; one that is kept in a variable can be closed with ``aclose()``.
    """

    # What says how far it is:
    #   _delivered_snapshot     the newest state that its caller has got; the next change is counted from there
    #   _considered_generation  up to this one, it is settled whether there is something to deliver
    #   _finished_generation    up to this one, its caller is done: it follows when the next change is asked for
    #   _busy                   its caller works on a change now
    #   _abandoned              its last wait was cancelled, or has ended it: a barrier must not wait for its caller
    __slots__ = (
        "__weakref__",
        "_abandoned",
        "_before_delivery",
        "_busy",
        "_closed",
        "_considered_generation",
        "_delivered_snapshot",
        "_finished_generation",
        "_repeats",
        "_subscribers",
        "_topic",
        "barriers",
    )

    def __init__(self, subscribers: Subscribers[S], topic: Topic) -> None:
        self._subscribers = subscribers
        self._topic = topic
        self._delivered_snapshot = subscribers.snapshot
        self._considered_generation = self._finished_generation = subscribers.snapshot.generation
        self._busy = self._abandoned = self._closed = self._repeats = False
        self._before_delivery: Snapshot[S] | None = None
        """Where to go back to if what is done with the last change has to be repeated."""
        self.barriers = 0
        """How many barriers are waited for while its change is worked on."""

    def __dir__(self) -> list[str]:
        return ["aclose", *(name for name in object.__dir__(self) if name.startswith("_"))]

    def __aiter__(self) -> Changes[S]:
        return self

    async def __anext__(self) -> Change[S]:
        self._finished_generation = self._considered_generation
        self._busy = self._abandoned = False
        self._before_delivery = None
        self._subscribers.barrier.progress()
        try:
            return await self._next()
        except BaseException:  # cancelled, or ended: nobody is left whom a barrier could wait for
            self._abandoned = True
            self._subscribers.barrier.progress()
            raise

    async def aclose(self) -> None:
        """End the iteration; a task that waits in it gets StopAsyncIteration."""
        self._closed = True
        self._topic.wake()
        self._subscribers.barrier.progress()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self._closed or self._abandoned or self._subscribers.closed

    @property
    def ready(self) -> bool:
        """Whether nobody would have to wait now."""
        return self._closed or self._subscribers.closed or self._pending() is not None

    def behind(self, generation: int) -> bool:
        """Whether its caller still works on this generation, or has yet to get it."""
        if self._closed or self._finished_generation >= generation:
            return False
        return self._busy or (not self._abandoned and self._topic.generation > self._considered_generation)

    @property
    def keys(self) -> frozenset[str] | None:
        """The keys whose changes it delivers; None: all."""
        return self._topic.keys

    def move(self, subscribers: Subscribers[S], topic: Topic) -> None:
        """Go on among other subscribers, in a forked process. A barrier waits for it once somebody asks for a change there."""
        self._subscribers, self._topic = subscribers, topic
        self._busy, self._abandoned, self.barriers = False, True, 0
        self._finished_generation = self._considered_generation
        topic.generation = subscribers.generation  # whether that concerns it is found out when it is asked

    def repeat(self) -> None:
        """Deliver the last change again, or a newer one, since nobody is left who works on it. A second time it is not repeated."""
        if self._before_delivery is not None:
            self._delivered_snapshot, self._before_delivery = self._before_delivery, None
            self._considered_generation = self._finished_generation = self._delivered_snapshot.generation
            self._repeats = True

    async def _next(self) -> Change[S]:
        yielded = False  # always let other tasks run once before delivering
        while not (self._closed or self._subscribers.closed):
            if self._subscribers.left_behind is not None:
                raise RuntimeError(self._subscribers.left_behind)
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
        if self._topic.generation <= self._considered_generation:
            return None
        change = self._subscribers.change_since(self._delivered_snapshot)
        if self._topic.concerns(change.keys):
            return change
        # The values went and came back, so there is nothing to deliver.
        self._considered_generation = self._finished_generation = self._subscribers.snapshot.generation
        self._subscribers.barrier.progress()
        return None

    def _deliver(self, change: Change[S]) -> Change[S]:
        self._before_delivery = None if self._repeats else self._delivered_snapshot
        self._repeats = False
        self._delivered_snapshot = self._subscribers.snapshot
        self._considered_generation = self._delivered_snapshot.generation
        self._busy = True
        delivered_by(self)
        return change
