"""Fan-out: the latest events from Kafka, which every client reads at its own pace.

There is one log of frames, bounded in events and in bytes, and no queue per client: ten thousand clients cost ten
thousand cursors. A client that falls off the end of the log gets ``event: gap`` and goes on with the newest event. So
does a client that comes back with a Last-Event-ID that is older than the log.

A burst of large events could fill the log faster than any client can read. So the Kafka consumer waits before it drops
an event that a client has not taken yet. When that event is HOLD seconds old, the client counts as too slow, and the
event is dropped.

The id of an event is the position in every partition after it (``0:15,1:22``). Each process interleaves the partitions
differently. With this id a client may reconnect to any process, and still gets every event once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

import anyio

from .frames import GAP, OVERHEAD, Entry, Positions, data_of, event, notice, read_id, unseen, write_id

KEPT = 10_000
"""Events that a client may be behind, or away for."""
KEPT_BYTES = 32 * 1024 * 1024
"""Bytes that these events may take."""
BATCH = 200
"""Frames that are written to a client at once."""
PIECE = 65_536
"""Bytes that are written to a client at once. A larger frame is written alone, in several pieces."""
HOLD = 3.0
"""Seconds for which an event is kept for clients that have not taken it, while new events wait for its place."""
BREATH = 0.01
"""Seconds between two looks whether they have taken it."""


class Fanout:
    """The log, and the position in each partition. All of it belongs to one event loop."""

    def __init__(self, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self.positions: dict[int, int] = {}
        """Where to read on. It moves with each event that is published, whoever reads it, and so nothing is lost or
        doubled when another consumer takes over a partition."""
        self.source: str | None = None
        """The Kafka cluster that these positions are of."""
        self.size = 0
        """Bytes that the log takes."""
        self.published = 0
        self.gaps = 0
        self.closed = False
        self.first = 0
        """Number of the oldest entry that is kept."""
        self.news = anyio.Event()
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._subscriptions: set[Subscription] = set()
        self._taken = 0
        """All clients that have not fallen behind have taken at least the entries before this number."""
        self._log: deque[Entry] = deque()
        self._floors: dict[int, int] = {}
        """By partition, the offset from which on the log has everything."""

    @property
    def clients(self) -> int:
        return len(self._subscriptions)

    @property
    def end(self) -> int:
        """Number of the entry that comes next."""
        return self.first + len(self._log)

    def entry(self, number: int) -> Entry:
        return self._log[number - self.first]

    def begin(self, source: str, positions: Positions) -> None:
        """Begin to read partitions at these positions. With another cluster the log starts over."""
        if self.source not in (None, source):
            self.positions.clear()
            self._forget()
        self.source = source
        self.positions.update(positions)
        self._floors.update(positions)

    def publish(self, source: str, partition: int, offset: int, value: bytes | None) -> None:
        """Add an event, unless another consumer was first. The clients see it after ``wake()``."""
        self._publish(source, partition, offset, data_of(value) if value is not None else None)

    async def feed(self, source: str, partition: int, offset: int, value: bytes | None) -> None:
        """Add an event like ``publish``, but first wait for room, as HOLD says. If cancelled, it has added nothing."""
        body = data_of(value) if value is not None else None
        if body is not None:
            size = len(body) + len(write_id(self.positions)) + 2 * OVERHEAD
            while self._log and self.size + size > self._kept_bytes:
                if self._oldest_is_awaited():
                    self.wake()
                    await anyio.sleep(BREATH)
                else:
                    self._drop()
        self._publish(source, partition, offset, body)

    def _publish(self, source: str, partition: int, offset: int, body: bytes | None) -> None:
        if source != self.source or offset < self.positions[partition]:
            return
        self.positions[partition] = offset + 1
        if body is not None:
            self.published += 1
            self._add(event(body, self.positions, partition, offset, time.monotonic()))

    def jump(self, source: str, partition: int, offset: int) -> None:
        """Continue at another position, because Kafka no longer has the events in between. Every client gets the gap."""
        if source == self.source:
            self.positions[partition] = offset
            self._forget()

    def tell(self, name: str, data: str) -> None:
        """Send all clients a notice about the stream itself."""
        self._add(notice(name, data, time.monotonic()))
        self.wake()

    def wake(self) -> None:
        """Wake every client, so that it reads the log again."""
        told, self.news = self.news, anyio.Event()
        told.set()

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        self.wake()

    @contextmanager
    def subscribe(self, last_event_id: str | None = None) -> Generator[Subscription, None, None]:
        """Subscribe from now on, or from the position of a client that reconnects."""
        subscription = self._subscription(last_event_id)
        self._subscriptions.add(subscription)
        self._taken = min(self._taken, subscription.next)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

    def _subscription(self, last_event_id: str | None) -> Subscription:
        if not last_event_id:
            return Subscription(self, self.end)
        seen = read_id(last_event_id)
        if seen is None or not self._covers(seen):
            return Subscription(self, BEFORE_EVERYTHING)
        numbers = (self.first + place for place, entry in enumerate(self._log) if unseen(entry, seen))
        return Subscription(self, next(numbers, self.end), seen)

    def _covers(self, seen: Positions) -> bool:
        """Whether the log has everything after these positions, or will get it."""
        behind = any(seen.get(partition, 0) < floor for partition, floor in self._floors.items())
        # Another process may be a little ahead. Far ahead is a topic that has been made anew.
        ahead = any(offset > self.positions.get(partition, 0) + self._kept for partition, offset in seen.items())
        return not behind and not ahead

    def _add(self, entry: Entry) -> None:
        while self._log and (len(self._log) == self._kept or self.size + entry.size > self._kept_bytes):
            self._drop()
        self._log.append(entry)
        self.size += entry.size

    def _drop(self) -> None:
        oldest = self._log.popleft()
        self.first += 1
        self.size -= oldest.size
        if oldest.partition is not None:
            self._floors[oldest.partition] = oldest.offset + 1

    def _oldest_is_awaited(self) -> bool:
        """Whether a client still has to take the oldest entry. A client that has fallen behind gets a gap instead."""
        if time.monotonic() - self._log[0].at >= HOLD:
            return False
        if self._taken <= self.first:  # else all clients are known to have taken it
            self._taken = min((each.next for each in self._subscriptions if each.next >= self.first), default=self.end)
        return self._taken <= self.first

    def _forget(self) -> None:
        """Empty the log, and skip a number, so that every client is behind."""
        self.first = self.end + 1
        self._log.clear()
        self.size = 0
        self._floors = dict(self.positions)
        self.wake()


class Subscription:
    """One client's cursor. ``seen`` has the positions that the client got from another process, until this one is past them."""

    def __init__(self, fanout: Fanout, number: int, seen: Positions | None = None) -> None:
        self.next = number
        """Of the entry that it takes next."""
        self._fanout = fanout
        self._seen = seen

    @property
    def ended(self) -> bool:
        return self._fanout.closed

    def take(self) -> list[bytes]:
        """Return the frames to send next: none, or a limited number of the new ones."""
        if self.next < self._fanout.first:
            self._fanout.gaps += 1
            self.next, self._seen = self._fanout.end, None
            return [GAP.frame_with(write_id(self._fanout.positions))]
        frames: list[bytes] = []
        until, size = min(self._fanout.end, self.next + BATCH), 0
        while self.next < until:
            entry = self._fanout.entry(self.next)
            size += len(entry.frame)
            if frames and size > PIECE:
                break
            self.next += 1
            if frame := self._frame(entry):
                frames.append(frame)
        return frames

    async def news(self) -> None:
        """Wait until there may be something new."""
        if self.next == self._fanout.end and not self.ended:
            await self._fanout.news.wait()

    def _frame(self, entry: Entry) -> bytes | None:
        if self._seen is None or entry.partition is None:
            return entry.frame
        if not unseen(entry, self._seen):
            return None
        # The client may be ahead in other partitions: the id of this event must not lead back there.
        here = read_id(entry.id) or {}
        both = dict(here)
        for partition, offset in self._seen.items():
            both[partition] = max(offset, here.get(partition, 0))
        if both == here:
            self._seen = None
        return entry.frame_with(write_id(both))


BEFORE_EVERYTHING = -1
