"""Everywhere: watchfiles. It tells of new and changed names, but not when a writer closes.

Its own loop, ``awatch``, is not used: it logs every change that it sees, so that a log file in a watched folder would grow for
ever, and it waits in the threads that belong to the user.
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
"""Milliseconds between its looks at what the system has told it: latency is one to two of them, idle cost grows with it."""
_DEBOUNCE = 50
"""Milliseconds for which a busy neighbour can hold an event back."""
_FOR_EVER = 0
"""Milliseconds that it waits: being asked to stop is enough to end it."""

_UNSTABLE = -1
"""Stands for an inode that is another at each look."""

Identity = tuple[int, int]


class _Stop:
    """An event for watchfiles, which asks for it at every step: a lock answers without any Python being run for it."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self.is_set = lock.locked
        self.set = partial(lock.acquire, blocking=False)


class Watchfiles:
    """Wakeups by watchfiles."""

    # A file that was created, and written to just after it was told of, looks like one that was moved here, until the
    # write is told of too: one to two steps later, and a bit.
    event_delay = 2.5 * _STEP / 1000

    def __init__(self) -> None:
        self.blind = True
        self._watched: dict[str, Identity] = {}
        self._known: dict[str, Identity] = {}
        self._last_events: dict[str, LastEvent] = {}
        self._stale = False
        self._restart = anyio.Event()
        self._limiter = anyio.CapacityLimiter(1)  # of one watch after the other; the default one belongs to the user

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Watchfiles, None]:
        """Nothing to open yet: it starts with the first paths it is given."""
        yield cls()

    def watch(self, resolved: Sequence[ResolvedPath]) -> bool:
        targets = {path.target for path in resolved}
        folders = {folder for path in resolved for folder in path.folders}
        above = {os.path.dirname(folder) for folder in folders}
        paths = targets | folders | above
        watched = {path: now for path in paths if (now := _identity(path, self._watched.get(path))) is not None}
        if watched == self._watched:
            return False
        # Links too: a file may be written where one of them was. What was told of files in a folder that has another in its
        # place by now says nothing of those in this one.
        entries = {os.path.join(*entry) for path in resolved for entry in path.entries}
        stayed = {path for path, identity in watched.items() if self._known.get(path) == identity}
        self._last_events = {
            path: self._last_events.get(path, LastEvent()) if os.path.dirname(path) in stayed else LastEvent()
            for path in entries | targets
        }
        self._known = watched
        self._watched, self._stale = watched, True
        return False  # armed only when it has started again, which wakes

    def read_pending(self) -> None:
        if self._stale:
            self._restart.set()

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
                # Gone or another before it could be watched: the look will tell what there is. Trying the same again and
                # again until then would use up the queues that the user may have, as each lives on for a moment.
                self._watched, self.blind = {}, True
                wake()
                continue
            with notify:
                self.blind = False
                wake()  # what happened before it was armed was not told
                await self._listen(notify, wake)

    async def _listen(self, notify: RustNotify, wake: Callable[[], None]) -> None:
        """Take in what it tells, until something else is to be watched."""
        stop = _Stop()
        failures: list[Exception] = []

        async def listen() -> None:
            try:
                while isinstance(changes := await to_thread.run_sync(wait, limiter=self._limiter), set):
                    self._record(changes)
                    wake()
            except Exception as error:
                failures.append(error)  # out of here it would come in a group
                self._restart.set()

        wait = partial(notify.watch, _DEBOUNCE, _STEP, _FOR_EVER, stop)
        async with anyio.create_task_group() as tasks:
            try:
                tasks.start_soon(listen)
                await self._restart.wait()
            finally:
                stop.set()  # its thread does not listen to cancellation
        if failures:
            raise failures[0]

    def _record(self, changes: Iterable[tuple[int, str]]) -> None:
        kinds_by_path: dict[str, set[int]] = {}
        for change, path in changes:
            kinds_by_path.setdefault(path, set()).add(change)
            if change != Change.modified and path in self._watched:
                self._watched = {}  # another one may be there by now, with the same number: watch it anew
        for path in self._last_events:
            kinds = kinds_by_path.get(path, set())
            if Change.modified in kinds:
                self._last_events[path] = LastEvent(WriterState.UNKNOWN, time.monotonic())
            elif Change.added in kinds:
                self._last_events[path] = LastEvent(WriterState.ADDED, time.monotonic())


def _identity(path: str, before: Identity | None = None) -> Identity | None:
    """The device and inode of a path that can be watched; ``_ANY`` for an inode that is another each time."""
    try:
        found = os.stat(path)
        if not os.access(path, os.R_OK):
            return None  # it cannot be watched; when this changes, its folder tells
        identity = found.st_dev, found.st_ino
        if before is None or identity == before:
            return identity
        again = os.stat(path)
    except (OSError, ValueError):  # it is not there, or has a name that no file can have
        return None
    return identity if (again.st_dev, again.st_ino) == identity else (found.st_dev, _UNSTABLE)


def _same(path: str, before: Identity) -> bool:
    return _identity(path, before) == before
