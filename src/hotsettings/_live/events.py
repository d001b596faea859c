"""``live.events()``: every Applied and Rejection, in order, for the record. Iterators of changes are in `changes`."""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import AsyncIterator
from weakref import WeakSet

import anyio
from anyio.lowlevel import checkpoint

from .status import Applied, Rejection

Event = Applied | Rejection

KEPT = 1000
"""Events that an iterator keeps for a slow reader; the oldest are dropped first."""


class EventLog:
    """Hands every event of one live object to all its readers, and counts."""

    def __init__(self) -> None:
        self.rejections = 0
        self.accepted_at: datetime.datetime | None = None
        """When the last Applied was told."""
        self._readers: WeakSet[Events] = WeakSet()
        self._closed = False

    def read(self) -> Events:
        """Return a new iterator over what happens from now on."""
        reader = Events()
        if self._closed:
            reader.end()
        self._readers.add(reader)
        return reader

    def go_on(self, before: Events) -> Events:
        """Return a reader that goes on where one has stopped, in the process from which this one was forked."""
        reader = self.read()
        reader.begin_where(before)
        return reader

    def tell(self, event: Event) -> None:
        """Hand an event to every reader."""
        if isinstance(event, Applied):
            self.accepted_at = event.at
        else:
            self.rejections += 1
        for reader in list(self._readers):
            reader.put(event)

    def close(self) -> None:
        """End every reader, once it has read what there is."""
        self._closed = True
        for reader in list(self._readers):
            reader.end()


class Events(AsyncIterator[Event]):
    """Events in order, from the moment it was made. ``dropped`` counts those that a slow reader has lost."""

    def __init__(self) -> None:
        self.dropped = 0
        self._kept: deque[Event] = deque()
        self._news = anyio.Event()
        self._ended = False

    def __dir__(self) -> list[str]:
        return ["aclose", "dropped", *(name for name in object.__dir__(self) if name.startswith("_"))]

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        await checkpoint()
        while not self._kept:
            if self._ended:
                raise StopAsyncIteration
            if self._news.is_set():  # several tasks may wait for the same one
                self._news = anyio.Event()
            await self._news.wait()
        return self._kept.popleft()

    def begin_where(self, before: Events) -> None:
        """Keep what another reader has not read."""
        self.dropped = before.dropped
        for event in before._kept:
            self.put(event)
        if before._ended:
            self.end()

    def put(self, event: Event) -> None:
        """Add an event, unless it has ended."""
        if self._ended:
            return
        if len(self._kept) == KEPT:
            self._kept.popleft()
            self.dropped += 1
        self._kept.append(event)
        self._news.set()

    def end(self) -> None:
        """Let the iteration end when everything is read."""
        self._ended = True
        self._news.set()

    async def aclose(self) -> None:
        """End the iteration."""
        self._kept.clear()
        self.end()
