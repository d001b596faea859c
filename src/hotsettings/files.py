"""A layer in a file, followed: looked at, waited for while it is written, and read."""

from __future__ import annotations

import datetime
import os
import time

from msgspec.structs import replace

from .followed import Followed, TellAbout
from .layers import FileLayer, attempt, failure, unreadable
from .mounts import is_local, single_file_mounts
from .routes import Route, arrival
from .settling import Arrived, Settling
from .sight import Sight, age, being_written, look
from .status import LayerState, LayerStatus

PATIENCE = 2.0
"""Seconds for which a file that was readable before may be unreadable until that is a rejection: an owner or a mode is often
set just after a rename, and a process that has no descriptor left soon has one again."""

_FIRST_RETRY = 0.1
"""Seconds after which a read that has failed is tried again; doubled each time, up to ``PATIENCE``."""


class _Failure:
    """Reading fails. It began then, in both clocks, and is tried again."""

    def __init__(self, sight: Sight) -> None:
        self.since = datetime.datetime.now(datetime.UTC)
        self.began = time.monotonic()
        self._delay = _FIRST_RETRY
        self.again(sight)

    def again(self, sight: Sight) -> None:
        self.sight = sight
        self.retry_at = time.monotonic() + self._delay
        self._delay = min(2 * self._delay, PATIENCE)


class FollowedFile(Followed[FileLayer, Sight]):
    """One file. Its ``route``, where the path leads, is to be set before each look."""

    gone = "there is no file any more"
    empty = "the file is empty"
    way_out = "put it back, or leave a comment in it to empty it"

    def __init__(self, layer: FileLayer, settle: float) -> None:
        super().__init__(layer)
        self.path = os.fsdecode(layer.path)
        self.route: Route
        self.racy = False
        self._latest: Sight | None = None
        self._settle = settle
        self._settling = Settling(settle)
        self._read_route: Route | None = None
        self._untold = False
        self._failure: _Failure | None = None
        self._stale = False
        self._local: tuple[int, bool] | None = None

    def look(self) -> None:
        """Take a new sight."""
        self.sight = self._latest = look(self.path, self._latest)
        if self.sight == self.seen:
            self._read_route = self.route  # another way to what was read

    @property
    def suspect(self) -> bool:
        """Whether its content may be another than the one that was read."""
        return self.sight != self.seen or self.racy or self._failure is not None

    @property
    def unmoved(self) -> bool:
        """Whether a mere look shows it as it was read: all that is needed as long as nothing was told."""
        if self.seen is None or self.racy or self._failure is not None:
            return False
        return look(self.path, self.seen) == self.seen

    def distrust(self) -> None:
        """Read it at the next look, however unchanged it looks, and though reading it has failed just now."""
        self.racy = True
        if (failing := self._failure) is not None:
            failing.retry_at = 0.0

    @property
    def retry(self) -> float | None:
        """Seconds until it is to be read again because reading it has failed just now; None where that is not so."""
        if self._failure is None or self.seen is None:
            return None
        now = time.monotonic()
        return max(0.0, self._failure.retry_at - now) if now - self._failure.began < PATIENCE else None

    def wait(self, told: TellAbout, now: float, confirm: float) -> float:
        """Seconds until it may be read."""
        if self._failure is not None and self.sight == self._failure.sight and self.retry:
            return self.retry
        word = told(self.route.target)
        self._untold = self.sight == self.seen and not self._settling.has_news(word)
        if self._untold:
            return 0.0  # only racy: it is read and compared
        return self._settling.wait(
            self.sight,
            word,
            now,
            age(self.sight),
            arrived=self._arrived(),
            confirm=confirm,
            being_written=self._being_written,
        )

    def unsure(self, now: float) -> bool:
        """Whether it was written within a tick of the clock after it was read, and is perhaps not finished."""
        return self._untold and now - self.read_at < self._settle

    def read(self) -> bool:
        """Read it, and parse it if it is not what it was; return whether it is not. Reading may fail."""
        try:
            differs = super().read()
        except OSError as error:
            failed = failure(self.layer, error)
        else:
            self._failure = None
            return differs
        if self._failure is None:
            self._failure = _Failure(self.sight)
        else:
            self._failure.again(self.sight)
        return self.retry is None and self._put(str(failed), None, unreadable(self.layer, failed))

    def taken(self, now: float) -> None:
        """What is in sight was read, beginning at this time. If that has failed, it was not."""
        if self._failure is not None:
            return
        super().taken(now)
        self._stale = bool(self.sight.inode and not self.sight.links and single_file_mounts([self.route.target]))
        self._read_route = self.route
        self._settling.taken(now)

    def status(self) -> LayerStatus:
        """How it stood when it was read last."""
        status = super().status()
        return status if self._failure is None else replace(status, since=self._failure.since)

    def _state(self) -> LayerState:
        if self._failure is not None:
            return "unreadable"
        if self._stale:
            return "stale"
        return "missing" if self.seen is None or self.seen.missing else "read"

    def _fetch(self) -> tuple[object, bytes | None]:
        self.racy = self.sight.racy(time.time_ns()) or self.sight.shifting
        data = attempt(self.layer)
        return data, data

    def _being_written(self) -> bool | None:
        """Whether somebody has it open for writing; None where that is not known, or where others write behind the kernel."""
        if self._local is None or self._local[0] != self.sight.device:
            self._local = self.sight.device, is_local(self.route.target)
        written = being_written(self.path)
        return written if written or self._local[1] else None

    def _arrived(self) -> Arrived:
        """Whether another file was put in its place by a change to the way that leads there."""
        new = self._read_route and arrival(self._read_route, self.route)
        if not new:
            return Arrived.NOT
        return Arrived.COMPLETE if new.complete(self.sight) else Arrived.UNKNOWN
