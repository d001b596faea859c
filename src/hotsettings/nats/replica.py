"""A replica of a bucket: all of its keys, as they were together at one position of its stream.

It does no input or output. ``fill`` and ``take`` take what a watch delivers, and ``state`` is the newest consistent state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from msgspec import Struct

from .._layers.store import StoreValue

_MOST_LAGS = 3
"""Answers in a row that may name an earlier position than the replica shows: a new leader may not have all entries yet."""


class BucketEntry(Struct, frozen=True):
    """A write to a key at one position of the stream. ``data`` is None if the key was deleted."""

    key: str
    position: int
    data: bytes | None


class StreamEnd(Struct, frozen=True):
    """The last position of a stream, as its leader says, and when the stream was created."""

    position: int
    created: datetime | None


class BucketState(Struct, frozen=True):
    """The documents of a bucket at one position of its stream."""

    documents: Mapping[str, StoreValue] = MappingProxyType({})
    position: int = 0

    def after(self, entry: BucketEntry) -> BucketState:
        """Return the state after an entry: this one if it contains the entry already."""
        if entry.position <= self.position:
            return self
        value = StoreValue(entry.position, entry.data)
        return BucketState(MappingProxyType({**self.documents, entry.key: value}), entry.position)


class Replica:
    """The newest known state. It never goes back, whichever server answers, unless the bucket was made anew."""

    def __init__(self) -> None:
        self.state = BucketState()
        self._complete_to = 0
        """The position up to which no entry is missing."""
        self._created: datetime | None = None
        self._lags = 0
        self._watched = BucketState()
        """What the current watch has delivered."""

    def begin(self, end: StreamEnd) -> None:
        """Begin a new watch. In another stream positions start again; the old state is shown until ``fill``."""
        if not self.is_of(end):
            self.state = BucketState(self.state.documents, 0)
            self._complete_to = self._lags = 0
        self._created = end.created

    def fill(self, entries: Iterable[BucketEntry], end: StreamEnd) -> bool:
        """Take everything that a new watch begins with. Return whether the state has changed."""
        in_order = sorted(entries, key=lambda entry: entry.position)
        values = {entry.key: StoreValue(entry.position, entry.data) for entry in in_order}
        self._watched = BucketState(MappingProxyType(values), in_order[-1].position if in_order else 0)
        self._complete_to = max(self._complete_to, end.position)
        return self._show()

    def take(self, entry: BucketEntry) -> bool:
        """Take a change that the watch has delivered. Return whether the state has changed."""
        self._watched = self._watched.after(entry)
        return self._show()

    def is_of(self, end: StreamEnd) -> bool:
        """Whether the stream is still the one that the replica shows."""
        if self._created is not None and self._created != end.created:
            return False
        self._lags = self._lags + 1 if end.position < self.state.position else 0
        return self._lags < _MOST_LAGS

    def is_behind(self, end: StreamEnd) -> bool:
        """Whether the stream has entries that the watch has not delivered."""
        return end.position > max(self.state.position, self._complete_to)

    def _show(self) -> bool:
        # A server that lags behind first delivers the past. What it delivers later is in order again.
        if self._watched.position < self.state.position or self._watched == self.state:
            return False
        self.state = self._watched
        return True
