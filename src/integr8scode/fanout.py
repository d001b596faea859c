"""Fan-out: what this process has heard from Kafka lately, which every client reads at its own pace.

There is one bounded log of frames and no queue per client: ten thousand clients cost ten thousand cursors. A client that
falls off the end of the log is told so (``event: gap``) and goes on with what is newest, as is a client that comes back
with a Last-Event-ID of which the log knows too little.

The id of an event is the position in every partition after it (``0:15,1:22``), so that a client may come back to any
process, in each of which the partitions are interleaved differently, and gets every event once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import anyio

KEPT = 10_000
"""Events that a client may be behind, or away for."""
BATCH = 200
"""Frames that are written to a client at once."""

Positions = Mapping[int, int]
"""The next offset, by partition."""


class Entry(NamedTuple):
    """An event with its place in Kafka, or a notice, which has none."""

    body: bytes
    id: str = ""
    partition: int | None = None
    offset: int = 0

    @property
    def frame(self) -> bytes:
        return b"id: %b\n%b" % (self.id.encode(), self.body) if self.id else self.body


class Fanout:
    """The log, and where each partition stands. All of it belongs to one event loop."""

    def __init__(self, kept: int = KEPT) -> None:
        self.positions: dict[int, int] = {}
        """Where to read on. It moves with each event that is published, whoever reads it, and so nothing is lost or
        doubled when another consumer takes over a partition."""
        self.source: str | None = None
        """The Kafka cluster that these positions are of."""
        self.clients = 0
        self.published = 0
        self.gaps = 0
        self.closed = False
        self.first = 0
        """Number of the oldest entry that is kept."""
        self.news = anyio.Event()
        self._kept = kept
        self._log: deque[Entry] = deque()
        self._floors: dict[int, int] = {}
        """By partition, the offset from which on the log has everything."""

    @property
    def end(self) -> int:
        """Number of the entry that comes next."""
        return self.first + len(self._log)

    def entry(self, number: int) -> Entry:
        return self._log[number - self.first]

    def begin(self, source: str, positions: Positions) -> None:
        """Begin to read partitions there. With another cluster everything begins anew."""
        if self.source not in (None, source):
            self.positions.clear()
            self._forget()
        self.source = source
        self.positions.update(positions)
        self._floors.update(positions)

    def publish(self, source: str, partition: int, offset: int, value: bytes | None) -> None:
        """Add an event, unless another consumer was first. The clients see it after ``wake()``."""
        if source != self.source or offset < self.positions[partition]:
            return
        self.positions[partition] = offset + 1
        if value is not None:
            self.published += 1
            self._add(Entry(_data(value), write_id(self.positions), partition, offset))

    def jump(self, source: str, partition: int, offset: int) -> None:
        """Go on elsewhere: what lay between is gone from Kafka, and every client is told of the gap."""
        if source == self.source:
            self.positions[partition] = offset
            self._forget()

    def tell(self, event: str, data: str) -> None:
        """Tell all clients something about the stream itself."""
        self._add(_notice(event, data))
        self.wake()

    def wake(self) -> None:
        """Let every client look again."""
        told, self.news = self.news, anyio.Event()
        told.set()

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        self.wake()

    @contextmanager
    def subscribe(self, last_event_id: str | None = None) -> Generator[Subscription, None, None]:
        """Follow from now on, or from where a client has been before."""
        self.clients += 1
        try:
            yield self._subscription(last_event_id)
        finally:
            self.clients -= 1

    def _subscription(self, last_event_id: str | None) -> Subscription:
        if not last_event_id:
            return Subscription(self, self.end)
        seen = read_id(last_event_id)
        if seen is None or not self._covers(seen):
            return Subscription(self, BEFORE_EVERYTHING)
        numbers = (self.first + place for place, entry in enumerate(self._log) if unseen(entry, seen))
        return Subscription(self, next(numbers, self.end), seen)

    def _covers(self, seen: Positions) -> bool:
        """Whether everything after these positions is kept, or still to come."""
        behind = any(seen.get(partition, 0) < floor for partition, floor in self._floors.items())
        # Another process may be a little ahead. Far ahead is a topic that has been made anew.
        ahead = any(offset > self.positions.get(partition, 0) + self._kept for partition, offset in seen.items())
        return not behind and not ahead

    def _add(self, entry: Entry) -> None:
        if len(self._log) == self._kept:
            oldest = self._log.popleft()
            self.first += 1
            if oldest.partition is not None:
                self._floors[oldest.partition] = oldest.offset + 1
        self._log.append(entry)

    def _forget(self) -> None:
        """Empty the log, and skip a number, so that every client is behind."""
        self.first = self.end + 1
        self._log.clear()
        self._floors = dict(self.positions)
        self.wake()


class Subscription:
    """One client's cursor. ``seen`` is what the client has had elsewhere, as long as this process is not past it."""

    def __init__(self, fanout: Fanout, number: int, seen: Positions | None = None) -> None:
        self._fanout = fanout
        self._next = number
        self._seen = seen

    @property
    def ended(self) -> bool:
        return self._fanout.closed

    def take(self) -> list[bytes]:
        """Return frames that are to be sent now: a part of what is new if that is much, or none."""
        if self._next < self._fanout.first:
            self._fanout.gaps += 1
            self._next, self._seen = self._fanout.end, None
            return [Entry(GAP.body, write_id(self._fanout.positions)).frame]
        until = min(self._fanout.end, self._next + BATCH)
        entries = [self._fanout.entry(number) for number in range(self._next, until)]
        self._next = until
        return [frame for entry in entries if (frame := self._frame(entry))]

    async def news(self) -> None:
        """Wait until it is worth looking again."""
        if self._next == self._fanout.end and not self.ended:
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
        return entry._replace(id=write_id(both)).frame


def unseen(entry: Entry, seen: Positions) -> bool:
    return entry.partition is not None and entry.offset >= seen.get(entry.partition, 0)


def write_id(positions: Positions) -> str:
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(positions.items()))


def read_id(text: str) -> Positions | None:
    """Read what ``write_id`` wrote; None for anything else, since clients may send what they like."""
    try:
        pairs = [pair.split(":") for pair in text.split(",")]
        return {int(partition): int(offset) for partition, offset in pairs}
    except ValueError:
        return None


def _data(value: bytes) -> bytes:
    """One ``data:`` line for each line, or a line break in an event would end it."""
    lines = value.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return b"".join(b"data: %b\n" % line.encode() for line in lines) + b"\n"


def _notice(event: str, data: str) -> Entry:
    return Entry(b"event: %b\ndata: %b\n\n" % (event.encode(), data.encode()))


GAP = _notice("gap", "events were missed")
BEFORE_EVERYTHING = -1
