"""The notifier for Linux: inotify, which the event loop awaits. It costs nothing while nothing happens.

inotify reports when a name is created, deleted or renamed, when a file is modified, and when a writer closes it. It
reports nothing about writes through mmap or through another hard link in another folder, nor about writes by other
machines on a network file system. It loses events when its queue overflows, and says so. A watch follows an inode, not
a path: if a folder is replaced, the watch stays on the old one. So ``watch`` is called again after each event, and each
entry of a path is watched from the folder that holds it.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from enum import IntEnum

import anyio
from inotify_simple import Event, INotify, flags

from ..debounce import LastEvent, WriterState
from ..symlinks import ResolvedPath

_ADDED = flags.CREATE | flags.MOVED_TO
_ENTRIES = _ADDED | flags.MOVED_FROM | flags.DELETE
_SELF = flags.DELETE_SELF | flags.MOVE_SELF
_CONTENT = flags.MODIFY | flags.ATTRIB
# Writes are watched on folders, too: a file that was renamed in may be written to before it has a watch of its own, and
# a file that we may not read cannot be watched at all.
_FOLDER = _ENTRIES | _SELF | _CONTENT | flags.CLOSE_WRITE | flags.ONLYDIR
_FILE = _CONTENT | flags.CLOSE_WRITE | _SELF

_OTHER_NAMES_WAIT = 0.01
"""Seconds for which events about other names are collected before they wake the watcher, so that a busy folder does not
keep it busy."""
_OTHER_NAMES_AT_ONCE = 8
"""How many such events are read as they arrive. An atomic save, which creates a temporary file, writes it and renames
it to a name of ours, has fewer."""
_OTHER_NAMES_STEP = 0.002
"""Seconds between two reads of such events after that."""
_IRRELEVANT_WAIT = 0.004
"""Seconds for which nothing is read after irrelevant events. A busy log file beside the settings causes one for each
line."""


class _Relevance(IntEnum):
    """What an event means for the watched paths. Of several events, the most relevant counts."""

    NONE = 0
    """Another file in the folder was written to."""
    OTHER_NAME = 1
    """Another name was added or removed, which may affect the paths: it may be a temporary file that is renamed
    next."""
    OURS = 2
    """The event is about an entry or a folder of a watched path."""


class Inotify:
    """Reports events by inotify."""

    event_delay = 0.0
    reports_events = True

    def __init__(self, inotify: INotify) -> None:
        self._inotify = inotify
        # Held by the worker thread while it changes watches. Until it is done, nobody knows which path the number of a
        # watch stands for, so events stay in the queue.
        self._changing = threading.Lock()
        self._wake: Callable[[], None] = lambda: None
        self._watches: dict[str, int] = {}
        self._paths: dict[int, list[str]] = {}
        self._last_events: dict[str, LastEvent] = {}
        self._entries: frozenset[str] = frozenset()
        self._folders: frozenset[str] = frozenset()
        self._listed: frozenset[str] = frozenset()
        """The folders in which every name counts. The last event about a new name is kept until the name is removed."""
        self._named: frozenset[str] = frozenset()
        """The entries and targets of the paths. Their last events are kept, too."""

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Inotify, None]:
        """Open a queue of events. Raises OSError if the user may have no more queues."""
        inotify = INotify(nonblocking=True)
        try:
            yield cls(inotify)
        finally:
            inotify.close()

    def watch(self, resolved: Sequence[ResolvedPath]) -> bool:
        targets = frozenset(path.target for path in resolved)
        folders = frozenset(folder for path in resolved for folder in path.folders)
        # The parent of a folder reports that the folder itself is replaced.
        parents = frozenset(os.path.dirname(folder) for folder in folders)
        wanted = dict.fromkeys(parents | folders, _FOLDER)
        for target in targets:  # a target that is a folder needs both masks: a second watch would replace the first
            wanted[target] = wanted.get(target, 0) | _FILE
        listed = frozenset(folder for path in resolved if (folder := path.listed_folder) is not None)
        with self._changing:
            # To add a watch that exists is free, and the only way to learn that a path leads to another inode now.
            watches = {path: wd for path, mask in wanted.items() if (wd := self._add_watch(path, mask)) is not None}
            if watches == self._watches:
                return False
            for wd in set(self._watches.values()) - set(watches.values()):
                with suppress(OSError):  # the watch went with what it watched
                    self._inotify.rm_watch(wd)
            before = self._watches
            self._watches, self._paths = watches, {}
            for path, wd in watches.items():  # a watch follows an inode, which may have several paths
                self._paths.setdefault(wd, []).append(path)
            self._entries = frozenset(os.path.join(*entry) for path in resolved for entry in path.entries)
            # Last events are kept for symlinks, too, since a file may take the place of one. They are dropped if
            # another folder has taken the place of theirs, because they were about files in the old folder.
            kept = {path for path, wd in watches.items() if before.get(path) == wd}
            self._named, self._listed = self._entries | targets, listed
            new_names = {path for path in self._last_events if os.path.dirname(path) in listed}
            self._last_events = {
                path: self._last_events.get(path, LastEvent()) if os.path.dirname(path) in kept else LastEvent()
                for path in self._named | new_names
            }
            self._folders = folders
        return True

    def _add_watch(self, path: str, mask: int) -> int | None:
        """Add a watch. None if there is nothing at the path, or nothing that we may see."""
        try:
            return int(self._inotify.add_watch(path, mask))
        except OSError as error:
            if error.errno == errno.ENOSPC:  # the user may have no more watches
                raise
            return None
        except ValueError:  # no file can have this name
            return None

    def read_pending(self) -> None:
        if self._read_events() is not _Relevance.NONE:
            self._wake()  # ``run`` will not: the queue is empty now

    def forked(self) -> None:
        self._inotify.close()

    def last_event(self, target: str) -> LastEvent:
        return self._last_events.get(target, LastEvent())

    async def run(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        while True:
            await anyio.wait_readable(self._inotify.fileno())
            relevance = self._read_events()
            if relevance is _Relevance.NONE:
                await anyio.sleep(_IRRELEVANT_WAIT)
                continue
            if relevance is _Relevance.OTHER_NAME:
                await self._collect()
            wake()

    async def _collect(self) -> None:
        """Read events until one is about a path of ours, but not for long.

        An atomic save ends in such an event at once.
        """
        with anyio.move_on_after(_OTHER_NAMES_WAIT):
            for _ in range(_OTHER_NAMES_AT_ONCE):
                await anyio.wait_readable(self._inotify.fileno())
                if self._read_events() is _Relevance.OURS:
                    return
            while True:
                await anyio.sleep(_OTHER_NAMES_STEP)
                if self._read_events() is _Relevance.OURS:
                    return

    def _read_events(self) -> _Relevance:
        """Read and record all events in the queue, and return the relevance of the most relevant."""
        if not self._changing.acquire(blocking=False):
            return _Relevance.OTHER_NAME
        try:
            return max((self._record(event) for event in self._inotify.read(timeout=0)), default=_Relevance.NONE)
        finally:
            self._changing.release()

    def _record(self, event: Event) -> _Relevance:
        if event.mask & flags.Q_OVERFLOW:
            now = time.monotonic()
            self._last_events = dict.fromkeys(self._last_events, LastEvent(WriterState.UNKNOWN, now, now))
            return _Relevance.OURS
        # A watch that is not known was removed. The files were checked after that.
        paths = self._paths.get(event.wd, ())
        return max((self._record_at(path, event) for path in paths), default=_Relevance.NONE)

    def _record_at(self, watched: str, event: Event) -> _Relevance:
        """Record an event of the watch on this path."""
        path = os.path.join(watched, event.name) if event.name else watched
        if path in self._last_events or (watched in self._listed and event.name and event.name[0] != "."):
            if event.mask & (flags.DELETE | flags.MOVED_FROM) and path not in self._named:
                self._last_events.pop(path, None)
            else:
                self._last_events[path] = _event_after(self._last_events.get(path, LastEvent()), event.mask)
        if path in self._entries or path in self._folders:
            return _Relevance.OURS
        if event.name and (watched not in self._folders or event.mask & _CONTENT):
            return _Relevance.NONE  # in a parent, only the folders count; in a folder, only names
        return _Relevance.OTHER_NAME


def _event_after(last: LastEvent, mask: int) -> LastEvent:
    """The last event about a file, after one with this mask.

    If the mask says nothing about a writer, ``last`` remains.
    """
    now = time.monotonic()
    if mask & flags.MOVED_TO:
        return LastEvent(WriterState.MOVED, now, last.written_at)
    if mask & flags.CLOSE_WRITE:
        return LastEvent(WriterState.CLOSED, now, last.written_at)
    if mask & flags.MODIFY:
        return LastEvent(WriterState.OPEN, now, now)
    if mask & flags.CREATE:
        return LastEvent(WriterState.CREATED, now, now)
    return last
