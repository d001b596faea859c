"""Linux: inotify itself, awaited by the event loop. It tells when a writer closes a file, and costs nothing idle."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
from inotify_simple import Event, INotify, flags

from ..routes import Route
from ..settling import Told, Writer

_APPEARED = flags.CREATE | flags.MOVED_TO
_ENTRIES = _APPEARED | flags.MOVED_FROM | flags.DELETE
_SELF = flags.DELETE_SELF | flags.MOVE_SELF
# Not MODIFY of folders: a busy log beside the settings would wake us at each line. A target's own watch tells that.
_FOLDER = _ENTRIES | _SELF | flags.CLOSE_WRITE | flags.ONLYDIR
_FILE = flags.MODIFY | flags.CLOSE_WRITE | flags.ATTRIB | _SELF

_OTHERS_WAIT = 0.01
"""Seconds that the events of unknown names are collected for: they may matter, but a busy folder must not keep us busy."""


class Inotify:
    """Wakeups by inotify."""

    confirm = 0.0

    def __init__(self, inotify: INotify) -> None:
        self._inotify = inotify
        # Held while watches change in a worker thread: until it is known what a watch stands for, its events stay queued.
        self._changing = threading.Lock()
        self._watches: dict[str, int] = {}
        self._paths: dict[int, str] = {}
        self._targets: dict[str, Told] = {}
        self._entries: frozenset[str] = frozenset()
        self._folders: frozenset[str] = frozenset()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Inotify]:
        """Open a queue. Raises OSError when the user has no more of them."""
        inotify = INotify(nonblocking=True)
        try:
            yield cls(inotify)
        finally:
            inotify.close()

    def arm(self, routes: Sequence[Route]) -> bool:
        targets = frozenset(route.target for route in routes)
        folders = frozenset(folder for route in routes for folder in route.folders)
        # The folder above tells when a folder itself is replaced.
        above = frozenset(os.path.dirname(folder) for folder in folders)
        wanted = {**dict.fromkeys(above | folders, _FOLDER), **dict.fromkeys(targets, _FILE)}
        with self._changing:
            # Adding a watch that exists is free, and the only way to learn that a path leads to another inode by now.
            watches = {path: wd for path, mask in wanted.items() if (wd := self._watch(path, mask)) is not None}
            if watches == self._watches:
                return False
            for wd in set(self._watches.values()) - set(watches.values()):
                self._unwatch(wd)
            self._watches, self._paths = watches, {wd: path for path, wd in watches.items()}
            self._targets = {target: self._targets.get(target, Told()) for target in targets}
            self._entries = frozenset(os.path.join(*entry) for route in routes for entry in route.entries)
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

    def _unwatch(self, wd: int) -> None:
        try:
            self._inotify.rm_watch(wd)
        except OSError:
            pass  # what it watched is gone, and the watch with it

    def drain(self) -> None:
        self._take_in()

    def told(self, target: str) -> Told:
        return self._targets.get(target, Told())

    async def run(self, wake: Callable[[], None]) -> None:
        while True:
            await anyio.wait_readable(self._inotify.fileno())
            if not self._take_in():
                await anyio.sleep(_OTHERS_WAIT)
                self._take_in()
            wake()

    def _take_in(self) -> bool:
        """Read what there is; return whether any of it is about an entry of a route."""
        if not self._changing.acquire(blocking=False):
            return False
        try:
            ours = [self._about_us(event) for event in self._inotify.read(timeout=0)]
        finally:
            self._changing.release()
        return any(ours)

    def _about_us(self, event: Event) -> bool:
        if event.mask & flags.Q_OVERFLOW:
            self._targets = dict.fromkeys(self._targets, Told(Writer.UNKNOWN, time.monotonic()))
            return True
        watched = self._paths.get(event.wd)
        if watched is None:
            return False
        path = os.path.join(watched, event.name) if event.name else watched
        if path in self._targets:
            self._targets[path] = _word(event.mask, self._targets[path])
        elif path in self._folders and event.mask & flags.MOVED_TO:
            for target in self._targets:
                if target.startswith(path + os.sep):
                    self._targets[target] = Told(Writer.CLOSED, time.monotonic())  # it came whole, with its folder
        return path in self._entries or path in self._folders


def _word(mask: int, before: Told) -> Told:
    if mask & (flags.CLOSE_WRITE | flags.MOVED_TO):
        return Told(Writer.CLOSED, time.monotonic())
    if mask & flags.MODIFY:
        return Told(Writer.OPEN, time.monotonic())
    if mask & flags.CREATE:
        return Told(Writer.CREATED, time.monotonic())
    return before
