"""What processes of a fleet are told, and what they write down, one line of JSON each.

Times are nanoseconds of the monotonic clock, which all processes share on Linux.
"""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

BASE, SERVICE = "base.toml", "service.toml"
KEYS = (BASE, SERVICE)


class Order(Struct, frozen=True):
    """What a process is to do; its ``folder`` holds its local layer, and takes its log and the copy."""

    name: str
    urls: tuple[str, ...]
    bucket: str
    folder: str
    release: str = "newer"
    copying: bool = True


class Stamp(Struct, frozen=True, order=True):
    """Which publish a document comes from, and which of the attempts that it took."""

    number: int
    attempt: int = 0


class Arrival(Struct, frozen=True):
    """A process has come to a position of the stream."""

    at: int
    position: int


class Told(Arrival, frozen=True):
    """What a bare watch has told."""


class Shown(Arrival, frozen=True):
    """One state that a reader could see in one process; ``whole`` tells that each document agreed with itself."""

    generation: int
    stamps: tuple[Stamp, Stamp]
    revisions: tuple[int, int]
    whole: bool
    place: str


R = TypeVar("R", bound=Arrival)


class Log(Generic[R]):
    """The lines of one process, as far as they are written."""

    def __init__(self, path: Path, kind: type[R]) -> None:
        self.path = path
        self.records: list[R] = []
        self._decoder: msgspec.json.Decoder[R] = msgspec.json.Decoder(kind)
        self._read = 0
        self._rest = b""

    def last(self) -> R | None:
        """Read what has come since, and return what was written last."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
            self._read += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.records += [self._decoder.decode(line) for line in lines]
        return self.records[-1] if self.records else None
