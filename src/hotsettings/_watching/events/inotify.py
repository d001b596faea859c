"""Linux: inotify itself, awaited by the event loop. It tells when a writer closes a file, and costs nothing idle."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
from inotify_simple import Event, INotify, flags

from ..debounce import LastEvent, WriterState
from ..symlinks import ResolvedPath

_APPEARED = flags.CREATE | flags.MOVED_TO
_ENTRIES = _APPEARED | flags.MOVED_FROM | flags.DELETE
_SELF = flags.DELETE_SELF | flags.MOVE_SELF
_CONTENT = flags.MODIFY | flags.ATTRIB
# Of folders too: a file that was renamed in may be written to before it has a watch of its own, and one that we may not read
# yet cannot be watched.
_FOLDER = _ENTRIES | _SELF | _CONTENT | flags.CLOSE_WRITE | flags.ONLYDIR
_FILE = _CONTENT | flags.CLOSE_WRITE | _SELF

_STRANGERS_WAIT = 0.01
"""Seconds that the events of unknown names are collected for: they may matter, but a busy folder must not keep us busy."""
_STRANGERS_AT_ONCE = 8
"""How many of them are taken in as they come: a file that is made anew and renamed to one of ours tells of fewer."""
_STRANGERS_STEP = 0.002
"""Seconds after which it is seen whether more have come, from then on."""
_NEIGHBOUR_WAIT = 0.004
"""Seconds for which nothing is read after a neighbour was written to: a busy log beside the settings tells of each line."""


class Inotify:
    """Wakeups by inotify."""

    event_delay = 0.0
    blind = False

    def __init__(self, inotify: INotify) -> None:
        self._inotify = inotify
        # Held while watches change in a worker thread: until it is known what a watch stands for, its events stay queued.
        self._changing = threading.Lock()
        self._wake: Callable[[], None] = lambda: None
        self._watches: dict[str, int] = {}
        self._paths: dict[int, list[str]] = {}
        self._last_events: dict[str, LastEvent] = {}
        self._entries: frozenset[str] = frozenset()
        self._folders: frozenset[str] = frozenset()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Inotify, None]:
        """Open a queue. Raises OSError when the user has no more of them."""
        inotify = INotify(nonblocking=True)
        try:
            yield cls(inotify)
        finally:
            inotify.close()

    def watch(self, resolved: Sequence[ResolvedPath]) -> bool:
        targets = frozenset(path.target for path in resolved)
        folders = frozenset(folder for path in resolved for folder in path.folders)
        # The folder above tells when a folder itself is replaced.
        above = frozenset(os.path.dirname(folder) for folder in folders)
        wanted = dict.fromkeys(above | folders, _FOLDER)
        for target in targets:  # one that is a folder has both: of two watches of it, only the later one would count
            wanted[target] = wanted.get(target, 0) | _FILE
        with self._changing:
            # Adding a watch that exists is free, and the only way to learn that a path leads to another inode by now.
            watches = {path: wd for path, mask in wanted.items() if (wd := self._watch(path, mask)) is not None}
            if watches == self._watches:
                return False
            for wd in set(self._watches.values()) - set(watches.values()):
                self._unwatch(wd)
            before = self._watches
            self._watches, self._paths = watches, {}
            for path, wd in watches.items():  # a watch follows the inode, which may have several names
                self._paths.setdefault(wd, []).append(path)
            self._entries = frozenset(os.path.join(*entry) for path in resolved for entry in path.entries)
            # Links too: a file may be written where one of them was. What was told of files in a folder that has another
            # in its place by now says nothing of those in this one.
            stayed = {path for path, wd in watches.items() if before.get(path) == wd}
            self._last_events = {
                path: self._last_events.get(path, LastEvent()) if os.path.dirname(path) in stayed else LastEvent()
                for path in self._entries | targets
            }
            self._folders = folders
        return True

    def _watch(self, path: str, mask: int) -> int | None:
        """Add a watch; None for what is not there, or not for us to see."""
        try:
            return int(self._inotify.add_watch(path, mask))
        except OSError as error:
            if error.errno == errno.ENOSPC:  # the user has no more watches
                raise
            return None
        except ValueError:  # a name that no file can have
            return None

    def _unwatch(self, wd: int) -> None:
        try:
            self._inotify.rm_watch(wd)
        except OSError:
            pass  # what it watched is gone, and the watch with it

    def read_pending(self) -> None:
        if self._read_events() is not None:
            self._wake()  # nobody else will: there is nothing left to be read

    def last_event(self, target: str) -> LastEvent:
        return self._last_events.get(target, LastEvent())

    async def run(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        while True:
            await anyio.wait_readable(self._inotify.fileno())
            ours = self._read_events()
            if ours is None:
                await anyio.sleep(_NEIGHBOUR_WAIT)
                continue
            if not ours:
                await self._collect()
            wake()

    async def _collect(self) -> None:
        """Wait for news of a name of ours. A temporary file is another's too, and ours follows at once."""
        with anyio.move_on_after(_STRANGERS_WAIT):
            for _ in range(_STRANGERS_AT_ONCE):
                await anyio.wait_readable(self._inotify.fileno())
                if self._read_events():
                    return
            while True:
                await anyio.sleep(_STRANGERS_STEP)
                if self._read_events():
                    return

    def _read_events(self) -> bool | None:
        """Read what there is: True if any of it is about an entry of a route, None if all of it can be left alone."""
        if not self._changing.acquire(blocking=False):
            return False
        try:
            found = {self._record(event) for event in self._inotify.read(timeout=0)} - {None}
        finally:
            self._changing.release()
        return True in found if found else None

    def _record(self, event: Event) -> bool | None:
        if event.mask & flags.Q_OVERFLOW:
            now = time.monotonic()
            self._last_events = dict.fromkeys(self._last_events, LastEvent(WriterState.UNKNOWN, now, now))
            return True
        if event.wd not in self._paths:
            return None  # of a watch that was given up: what is watched now was looked at since
        found = {self._record_path(watched, event) for watched in self._paths[event.wd]}
        return True in found or (None if None in found and False not in found else False)

    def _record_path(self, watched: str, event: Event) -> bool | None:
        path = os.path.join(watched, event.name) if event.name else watched
        if path in self._last_events:
            self._last_events[path] = _event_after(event.mask, self._last_events[path])
        if path in self._entries or path in self._folders:
            return True
        # Above the folders, only they count, and what becomes of the one above itself.
        return None if event.name and (watched not in self._folders or event.mask & _CONTENT) else False


def _event_after(mask: int, before: LastEvent) -> LastEvent:
    now = time.monotonic()
    if mask & flags.MOVED_TO:
        return LastEvent(WriterState.MOVED, now, before.written_at)
    if mask & flags.CLOSE_WRITE:
        return LastEvent(WriterState.CLOSED, now, before.written_at)
    if mask & flags.MODIFY:
        return LastEvent(WriterState.OPEN, now, now)
    if mask & flags.CREATE:
        return LastEvent(WriterState.CREATED, now, now)
    return before
