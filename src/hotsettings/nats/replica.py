"""What a bucket holds, here: all of its keys as they stood together at one position of its stream.

Pure: entries go in as they are told, and the newest state that is known to have stood comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from msgspec import Struct

from .._layers.store import StoreValue

_LAGS = 3
"""Answers in a row that may name a position before the one that is shown: a new leader may not know all that it has yet."""


class Entry(Struct, frozen=True):
    """What was written under a key at one position of the stream; no ``data`` where it was deleted."""

    key: str
    position: int
    data: bytes | None


class Last(Struct, frozen=True):
    """The last position of a stream by its leader's account, and when the stream was made."""

    position: int
    made: datetime | None


class State(Struct, frozen=True):
    """What stood at one position."""

    documents: Mapping[str, StoreValue] = MappingProxyType({})
    position: int = 0

    def after(self, entry: Entry) -> State:
        """The state that an entry leads to; the same one if it is part of it already."""
        if entry.position <= self.position:
            return self
        value = StoreValue(entry.position, entry.data)
        return State(MappingProxyType({**self.documents, entry.key: value}), entry.position)


class Replica:
    """The newest state that is known. It never goes back, whichever server is asked, unless the bucket was made anew."""

    def __init__(self) -> None:
        self.state = State()
        self._known = 0
        """The position up to which nothing can be missing."""
        self._made: datetime | None = None
        self._lags = 0
        self._told = State()

    def begin(self, last: Last) -> None:
        """A new watch begins. Positions begin again where the bucket is another; its state is shown once it is told."""
        if not self.belongs(last):
            self.state = State(self.state.documents, 0)
            self._known = self._lags = 0
        self._made = last.made

    def fill(self, entries: Iterable[Entry], last: Last) -> bool:
        """Take all that a new watch has begun with; return whether another state shows now."""
        in_order = sorted(entries, key=lambda entry: entry.position)
        values = {entry.key: StoreValue(entry.position, entry.data) for entry in in_order}
        self._told = State(MappingProxyType(values), in_order[-1].position if in_order else 0)
        self._known = max(self._known, last.position)
        return self._show()

    def take(self, entry: Entry) -> bool:
        """Take what the watch tells after its beginning; return whether another state shows now."""
        self._told = self._told.after(entry)
        return self._show()

    def belongs(self, last: Last) -> bool:
        """Whether the stream is still the one whose state is shown."""
        if self._made is not None and self._made != last.made:
            return False
        self._lags = self._lags + 1 if last.position < self.state.position else 0
        return self._lags < _LAGS

    def behind(self, last: Last) -> bool:
        """Whether the stream has gone on to a position that nobody has told of."""
        return last.position > max(self.state.position, self._known)

    def _show(self) -> bool:
        # A server that lags behind tells of the past first. What it tells later is in order again.
        if self._told.position < self.state.position or self._told == self.state:
            return False
        self.state = self._told
        return True
