"""Frames of event streams: events and notices as they are sent, and the ids with which clients reconnect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Positions = Mapping[int, int]
"""The next offset, by partition."""

OVERHEAD = 400
"""Bytes that an entry takes in memory in addition to its frame, roughly."""


class Entry(NamedTuple):
    """An event with its place in Kafka, or a notice, which has none."""

    frame: bytes
    """As it is sent. All clients are sent the same object."""
    id: str = ""
    partition: int | None = None
    offset: int = 0
    at: float = 0.0
    """When it was added, in seconds of the monotonic clock."""

    @property
    def size(self) -> int:
        return len(self.frame) + OVERHEAD

    def frame_with(self, another_id: str) -> bytes:
        """The frame, for a client that needs another id."""
        return _head(another_id) + self.frame[len(_head(self.id)) :]


def event(body: bytes, positions: Positions, partition: int, offset: int, at: float) -> Entry:
    """Make an event from a ``body`` of ``data_of``. A client that has received it is at these positions."""
    written = write_id(positions)
    return Entry(_head(written) + body, written, partition, offset, at)


def notice(name: str, data: str, at: float = 0.0) -> Entry:
    return Entry(b"event: %b\ndata: %b\n\n" % (name.encode(), data.encode()), at=at)


def data_of(value: bytes) -> bytes:
    """Write one ``data:`` line for each line: a bare line break would end the event."""
    lines = value.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return b"".join(b"data: %b\n" % line.encode() for line in lines) + b"\n"


def unseen(entry: Entry, seen: Positions) -> bool:
    return entry.partition is not None and entry.offset >= seen.get(entry.partition, 0)


def write_id(positions: Positions) -> str:
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(positions.items()))


def read_id(text: str) -> Positions | None:
    """Read an id of ``write_id``; return None for anything else, because clients may send anything."""
    try:
        pairs = [pair.split(":") for pair in text.split(",")]
        return {int(partition): int(offset) for partition, offset in pairs}
    except ValueError:
        return None


def _head(written_id: str) -> bytes:
    return b"id: %b\n" % written_id.encode() if written_id else b""


GAP = notice("gap", "events were missed")
