"""The notifier for every platform: watchfiles.

watchfiles reports names that were added, modified or deleted. It does not report closes, and a rename and a creation
look the same. Changes that it finds in one step have no order. It is silent when its queue overflows, and it reports a
removed folder once and then nothing more, even when the folder is back. So a new watch is started when one of the
watched paths was added or removed.

Its own loop, ``awatch``, is not used. It logs every change that it sees, so a log file in a watched folder would grow
for ever. And it waits in anyio's default worker threads, which belong to the user.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio import to_thread
from watchfiles import Change
from watchfiles._rust_notify import RustNotify

from ..debounce import LastEvent, WriterState
from ..symlinks import ResolvedPath

_STEP = 10
"""Milliseconds between two checks for new events. A change is reported after one or two of them; shorter ones cost more
CPU."""
_DEBOUNCE = 50
"""Milliseconds for which a busy file in the same folder can delay an event."""
_NO_TIMEOUT = 0
"""The wait ends when ``_Stop`` is set."""

_UNSTABLE = -1
"""The inode in an identity where the file system reports another one at each ``stat``."""

Identity = tuple[int, int]


class _Stop:
    """The stop event of a watch. watchfiles calls ``is_set`` at every step; that of a lock runs no Python code."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self.is_set = lock.locked
        self.set = partial(lock.acquire, blocking=False)


class Watchfiles:
    """Reports events by watchfiles."""

    # A file that was created looks like one that was moved here until its next write is reported: one or two steps
    # later, and a bit.
    event_delay = 2.5 * _STEP / 1000

    def __init__(self) -> None:
        self.reports_events = False
        self._watched: dict[str, Identity] = {}
        """What to watch. Emptied when one of the paths is gone, so that the next ``watch`` begins anew."""
        self._known: dict[str, Identity] = {}
        """What the last ``watch`` has found, to see which folders are still the same."""
        self._last_events: dict[str, LastEvent] = {}
        self._listed: set[str] = set()
        """The folders in which every name counts. The last event about a new name is kept until the name is removed."""
        self._named: set[str] = set()
        """The entries and targets of the paths. Their last events are kept, too."""
        self._stale = False
        """``watch`` has asked for other paths than those that are watched."""
        self._restart = anyio.Event()
        self._limiter = anyio.CapacityLimiter(1)  # the default one belongs to the user

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Watchfiles, None]:
        """Return a notifier that starts with the first call of ``watch``."""
        yield cls()

    def watch(self, resolved: Sequence[ResolvedPath]) -> bool:
        targets = {path.target for path in resolved}
        folders = {folder for path in resolved for folder in path.folders}
        parents = {os.path.dirname(folder) for folder in folders}
        paths = targets | folders | parents
        watched = {path: now for path in paths if (now := _identity(path, self._watched.get(path))) is not None}
        if watched == self._watched:
            return False
        # Last events are kept for symlinks, too, since a file may take the place of one. They are dropped if another
        # folder has taken the place of theirs, because they were about files in the old folder.
        listed = {folder for path in resolved if (folder := path.listed_folder) is not None}
        entries = {os.path.join(*entry) for path in resolved for entry in path.entries}
        kept = {path for path, identity in watched.items() if self._known.get(path) == identity}
        self._last_events = {
            path: self._last_events.get(path, LastEvent()) if os.path.dirname(path) in kept else LastEvent()
            for path in entries | targets | {path for path in self._last_events if os.path.dirname(path) in listed}
        }
        self._named, self._listed = entries | targets, listed
        self._known = watched
        self._watched, self._stale = watched, True
        return False  # the new watch starts later, in ``run``, which then wakes the watcher

    def read_pending(self) -> None:
        if self._stale:
            self._restart.set()

    def forked(self) -> None:
        pass  # its thread and its descriptors are out of reach, and stay until the process ends

    def last_event(self, target: str) -> LastEvent:
        return self._last_events.get(target, LastEvent())

    async def run(self, wake: Callable[[], None]) -> None:
        while True:
            self._stale, self._restart = False, anyio.Event()
            if not self._watched:
                await self._restart.wait()
                continue
            watched = self._watched
            try:
                notify = RustNotify([*watched], False, False, 0, False, False)
            except Exception as error:
                if not isinstance(error, FileNotFoundError) and all(_same(path, watched[path]) for path in watched):
                    raise
                # A path was removed or replaced before it could be watched. The next check will resolve the paths
                # again. To try the same paths until then would use up the user's inotify instances: each lives on for a
                # moment.
                self._watched, self.reports_events = {}, False
                wake()
                continue
            with notify:
                self.reports_events = True
                wake()  # changes before the watch was there were not reported
                await self._listen(notify, wake)

    async def _listen(self, notify: RustNotify, wake: Callable[[], None]) -> None:
        """Record what this watch reports, until another set of paths has to be watched."""
        stop = _Stop()
        failures: list[Exception] = []

        async def listen() -> None:
            try:
                while isinstance(changes := await to_thread.run_sync(wait, limiter=self._limiter), set):
                    self._record(changes)
                    wake()
            except Exception as error:
                failures.append(error)  # raised here, it would leave the task group inside of an ExceptionGroup
                self._restart.set()

        wait = partial(notify.watch, _DEBOUNCE, _STEP, _NO_TIMEOUT, stop)
        async with anyio.create_task_group() as tasks:
            try:
                tasks.start_soon(listen)
                await self._restart.wait()
            finally:
                stop.set()  # the worker thread cannot be cancelled
        if failures:
            raise failures[0]

    def _record(self, changes: Iterable[tuple[int, str]]) -> None:
        kinds_by_path: dict[str, set[int]] = {}
        for change, path in changes:
            kinds_by_path.setdefault(path, set()).add(change)
            if change != Change.modified and path in self._watched:
                self._watched = {}  # watch it again: another folder may be there now, with the same inode
        new = {path for path in kinds_by_path if os.path.dirname(path) in self._listed}
        for path in self._last_events.keys() | new:
            kinds = kinds_by_path.get(path, set())
            if Change.deleted in kinds and path not in self._named:
                self._last_events.pop(path, None)
            elif Change.modified in kinds:
                self._last_events[path] = LastEvent(WriterState.UNKNOWN, time.monotonic())
            elif Change.added in kinds:
                self._last_events[path] = LastEvent(WriterState.ADDED, time.monotonic())


def _identity(path: str, before: Identity | None = None) -> Identity | None:
    """The device and inode of a path. None if it cannot be watched."""
    try:
        found = os.stat(path)
        if not os.access(path, os.R_OK):
            return None  # a new mode will be reported by its folder
        identity = found.st_dev, found.st_ino
        if before is None or identity == before:
            return identity
        again = os.stat(path)
    except (OSError, ValueError):  # it is missing, or no file can have this name
        return None
    return identity if (again.st_dev, again.st_ino) == identity else (found.st_dev, _UNSTABLE)


def _same(path: str, before: Identity) -> bool:
    return _identity(path, before) == before
