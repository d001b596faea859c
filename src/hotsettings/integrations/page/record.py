"""What has happened since the page was made: the last changes and rejections, with every secret masked."""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Collection
from traceback import format_exception
from typing import Any

import anyio
from msgspec import Struct
from msgspec.structs import replace

from ... import Applied, Described, Live, Origin, Rejection
from ..._log import logger
from .markup import cut

KEPT = 50
"""Entries that are kept; the oldest go first."""

MOST_CHANGES = 200
"""Changed keys that one entry names."""


class ChangedKey(Struct, frozen=True):
    """One key that differs, with its values as they are shown."""

    key: str
    old: str
    new: str
    origin: Origin


class AcceptedEntry(Struct, frozen=True, tag=True):
    """An edit that was accepted: what has changed, and what waits for a restart since then."""

    at: datetime.datetime
    generation: int
    changes: tuple[ChangedKey, ...]
    waiting: tuple[ChangedKey, ...]
    further: int = 0
    """Changed keys that are not named."""


class RejectedEntry(Struct, frozen=True, tag=True):
    """A reload that was not applied, ``times`` in a row for the same reason."""

    rejection: Rejection
    times: int = 1


HistoryEntry = AcceptedEntry | RejectedEntry


class Record:
    """Follows a live object until its block ends. It holds texts that may be shown, and no values."""

    def __init__(self, live: Live[Any]) -> None:
        self.entries: deque[HistoryEntry] = deque(maxlen=KEPT)
        self.told = 0
        """Grows with every event."""
        self.news = anyio.Event()
        """Set at the next event, and replaced by another one then."""
        self.closed = False
        self._live = live
        self._described = _by_key(live)
        self._waiting: frozenset[str] = live.status.pending_restart
        self._events = live.events()
        live.accompany(self._follow)

    def hide(self, keys: Collection[str]) -> None:
        """Mask these keys in what is remembered: their values have become secret since."""
        self.entries = deque((_hidden(entry, keys) for entry in self.entries), KEPT)

    async def _follow(self) -> None:
        try:
            async for event in self._events:
                try:
                    self._note(event)
                except Exception as error:  # nobody else may suffer from a value that cannot be shown
                    logger.error("the settings page: %s", self._live.redact("".join(format_exception(error))))
                self._tell()
        finally:
            self.closed = True
            self._tell()

    def _tell(self) -> None:
        self.told += 1
        told, self.news = self.news, anyio.Event()
        told.set()

    def _note(self, event: Applied | Rejection) -> None:
        if isinstance(event, Rejection):
            self._note_rejection(event)
            return
        before, after = self._described, _by_key(self._live)
        touched = [key for key, each in (before | after).items() if each.field in event.keys]
        keys = sorted(key for key in touched if _differ(before.get(key), after.get(key)))
        changes = tuple(_changed(before.get(key), after.get(key)) for key in keys[:MOST_CHANGES])
        fresh = [after[key] for key in sorted(event.pending_restart - self._waiting)[:MOST_CHANGES]]
        waits = tuple(map(waiting, fresh))
        self.entries.append(AcceptedEntry(event.at, event.generation, changes, waits, len(keys) - len(changes)))
        self._described, self._waiting = after, event.pending_restart

    def _note_rejection(self, event: Rejection) -> None:
        last = self.entries[-1] if self.entries else None
        if isinstance(last, RejectedEntry) and last.rejection.reason == event.reason:
            self.entries[-1] = replace(last, times=last.times + 1)
        else:
            self.entries.append(RejectedEntry(event))


def waiting(described: Described) -> ChangedKey:
    """What is live of a key, and what will be after a restart."""
    assert described.waiting_origin is not None
    return ChangedKey(described.key, shown(described.value), shown(described.waiting), described.waiting_origin)


def shown(value: str | None) -> str:
    """A value as the page shows it: TOML, the mask of what is hidden, or that it is not set."""
    return "not set" if value is None else cut(value)


def _by_key(live: Live[Any]) -> dict[str, Described]:
    return {described.key: described for described in live.describe()}


def _differ(old: Described | None, new: Described | None) -> bool:
    return old is None or new is None or (old.value, old.identity) != (new.value, new.identity)


def _changed(old: Described | None, new: Described | None) -> ChangedKey:
    """What has changed of a key that at least one of the two describes."""
    either = new or old
    assert either is not None
    before, after = (shown(None if side is None else side.value) for side in (old, new))
    return ChangedKey(either.key, before, after, either.origin)


_MASK = "********"


def _hidden(entry: HistoryEntry, keys: Collection[str]) -> HistoryEntry:
    if isinstance(entry, RejectedEntry):
        return entry
    return replace(
        entry,
        changes=tuple(_masked(change) if change.key in keys else change for change in entry.changes),
        waiting=tuple(_masked(change) if change.key in keys else change for change in entry.waiting),
    )


def _masked(change: ChangedKey) -> ChangedKey:
    return replace(change, old=_MASK, new=_MASK)
