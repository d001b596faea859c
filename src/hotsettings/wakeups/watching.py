"""Everywhere: watchfiles. It tells of new and changed names, but not when a writer closes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskStatus
from watchfiles import Change, awatch

from ..routes import Route
from ..settling import Told, Writer

_STEP = 10
"""Milliseconds between its looks at what the system has told it: latency is one to two of them, idle cost grows with it."""
_DEBOUNCE = 50
"""Milliseconds for which a busy neighbour can hold an event back."""


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
    confirm = 2.5 * _STEP / 1000

    def __init__(self) -> None:
        self.blind = True
        self._watched: dict[str, tuple[int, int]] = {}
        self._told: dict[str, Told] = {}
        self._stale = False
        self._restart = anyio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Watchfiles, None]:
        """Nothing to open yet: it starts with the first paths it is given."""
        yield cls()

    def arm(self, routes: Sequence[Route]) -> bool:
        targets = {route.target for route in routes}
        folders = {folder for route in routes for folder in route.folders}
        above = {os.path.dirname(folder) for folder in folders}
        watched = {path: found for path in targets | folders | above if (found := _identity(path)) is not None}
        if watched == self._watched:
            return False
        # Links too: a file may be written where one of them was.
        entries = {os.path.join(*entry) for route in routes for entry in route.entries}
        self._told = {path: self._told.get(path, Told()) for path in entries | targets}
        self._watched, self._stale = watched, True
        return False  # armed only when it has started again, which wakes

    def drain(self) -> None:
        if self._stale:
            self._restart.set()

    def told(self, target: str) -> Told:
        return self._told.get(target, Told())

    async def run(self, wake: Callable[[], None]) -> None:
        failures: list[Exception] = []
        while not failures:
            self._stale, self._restart, stop = False, anyio.Event(), _Stop()
            async with anyio.create_task_group() as tasks:
                try:
                    if self._watched:
                        await tasks.start(self._watch, wake, stop, failures)
                        self.blind = bool(failures) or not self._watched
                        wake()  # what happened before it was armed was not told
                    await self._restart.wait()
                finally:
                    stop.set()  # its thread does not listen to cancellation
        raise OSError(f"watchfiles: {failures[0]}")

    async def _watch(
        self, wake: Callable[[], None], stop: _Stop, failures: list[Exception], *, task_status: TaskStatus[None]
    ) -> None:
        options: dict[str, Any] = {"step": _STEP, "debounce": _DEBOUNCE, "recursive": False}
        options |= {"stop_event": stop, "rust_timeout": 0}  # being asked to stop is enough to end it
        watched = self._watched
        task_status.started()  # and armed, or found impossible, before anybody else has a turn
        try:
            async for changes in awatch(*watched, watch_filter=None, **options):
                self._take_in(changes)
                wake()
        except (OSError, RuntimeError) as error:
            if not isinstance(error, FileNotFoundError) and all(_identity(path) == watched[path] for path in watched):
                failures.append(error)
                self._restart.set()
                return
            # Gone or another before it could be watched: the look will tell what there is. Trying the same again and
            # again until then would use up the queues that the user may have, as each lives on for a moment.
            self._watched = {}
            wake()

    def _take_in(self, changes: set[tuple[Change, str]]) -> None:
        told: dict[str, set[Change]] = {}
        for change, path in changes:
            told.setdefault(path, set()).add(change)
            if change is not Change.modified and path in self._watched:
                self._watched = {}  # another one may be there by now, with the same number: watch it anew
        for path in self._told:
            kinds = told.get(path, set())
            if Change.modified in kinds:
                self._told[path] = Told(Writer.UNKNOWN, time.monotonic())
            elif Change.added in kinds:
                self._told[path] = Told(Writer.APPEARED, time.monotonic())


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # it is not there, or has a name that no file can have
        return None
    return found.st_dev, found.st_ino
