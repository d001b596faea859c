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
        self.left_behind: str | None = None
        """Why nothing is told any more, in a process that was forked."""
        self._readers: WeakSet[Events] = WeakSet()
        self._closed = False

    def read(self) -> Events:
        """Return a new iterator over what happens from now on."""
        reader = Events(self)
        if self._closed:
            reader.end()
        self._readers.add(reader)
        return reader

    def take_over(self, before: EventLog) -> None:
        """Go on with the readers of another log, which belongs to the parent of this process."""
        for reader in list(before._readers):
            reader.move(self)
            self._readers.add(reader)

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

    def __init__(self, log: EventLog) -> None:
        self.dropped = 0
        self._log = log
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
            if self._log.left_behind is not None:
                raise RuntimeError(self._log.left_behind)
            if self._ended:
                raise StopAsyncIteration
            if self._news.is_set():  # several tasks may wait for the same one
                self._news = anyio.Event()
            await self._news.wait()
        return self._kept.popleft()

    def move(self, log: EventLog) -> None:
        """Read what another log tells from now on, in the event loop of the caller."""
        self._log, self._news = log, anyio.Event()

    @property
    def ready(self) -> bool:
        """Whether nobody would have to wait now."""
        return self._ended or bool(self._kept)

    def take(self) -> list[Event]:
        """Take the next event, if there is one. After the end of the event loop, and in one thread."""
        return [self._kept.popleft()] if self._kept else []

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
