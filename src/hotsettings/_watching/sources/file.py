"""Following a layer that is a file: look at it, wait while somebody writes it, and read it."""

from __future__ import annotations

import datetime
import math
import os
import time

from msgspec.structs import replace

from ..._layers.layer import FileLayer, attempt, failure, unreadable
from ..._layers.status import LayerState, LayerStatus
from ..bind_mounts import is_local, single_file_mounts
from ..debounce import Arrived, Settling
from ..fingerprint import Sight, age, being_written, look
from ..symlinks import Route, arrival
from .source import Followed, TellAbout

PATIENCE = 2.0
"""Seconds for which reads may fail before that is a rejection. An owner or a mode is often set just after a rename, and a
process that has no descriptor left soon has one again."""

_FIRST_RETRY = 0.1
"""Seconds after which a read that has failed is tried again; doubled each time, up to ``PATIENCE``."""


class _Failure:
    """A read that fails: since when, by both clocks, and when it is tried again."""

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
        self.route = Route(self.path, ())
        self.racy = False
        self._latest: Sight | None = None
        self._settle = settle
        self._settling = Settling(settle)
        self._read_route: Route | None = None
        self._untold = False
        self._failure: _Failure | None = None
        self.moved: str | None = None
        """The mount point on the way to it, if what is mounted there was renamed or removed outside."""
        self._replaced = False
        self._local: tuple[int, bool] | None = None

    def look(self) -> None:
        """Take a new sight."""
        self.sight = self._latest = look(self.path, self._latest)
        if self.sight == self.seen:
            self._read_route = self.route  # a new way to the file that was read

    @property
    def suspect(self) -> bool:
        """Whether its content may differ from what was read."""
        return self.sight != self.seen or self.racy or self._failure is not None

    @property
    def unmoved(self) -> bool:
        """Whether it looks as it did when it was read. As long as there are no events, that is enough."""
        if self.seen is None or self.racy or self._failure is not None:
            return False
        return look(self.path, self.seen) == self.seen

    def discard(self) -> None:
        """Drop what was read last, and read it again. If that read has failed, this does not cut its backoff short."""
        self.content, self._data, self.document = self._before
        self.racy = True

    def distrust(self) -> None:
        """Read it at the next look, however unchanged it looks, and even if a read has failed just now."""
        self.racy = True
        if (failing := self._failure) is not None:
            failing.retry_at = 0.0

    @property
    def retry(self) -> float | None:
        """Seconds until a failed read is tried again; None if the last read did not fail, or if that is a rejection by now."""
        if self._failure is None or self.seen is None:
            return None
        now = time.monotonic()
        return max(0.0, self._failure.retry_at - now) if now - self._failure.began < PATIENCE else None

    def wait(self, told: TellAbout, now: float, confirm: float, *, hasty: bool = False) -> float:
        """Seconds until it may be read. If ``hasty``, a rest of ``settle`` is enough, even if somebody has it open."""
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
            longest=self._settle if hasty else math.inf,
            being_written=self._being_written,
        )

    def unsure(self, now: float) -> bool:
        """Whether it was changed so soon after a read that its times stayed the same. Its writer may not have finished."""
        return self._untold and now - self.read_at < self._settle

    def read(self) -> bool:
        """Read it; return whether its content has changed. Then ``parse`` has to be called. A read that fails is tried again."""
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
        """Note that it was read as it looks now, by a read that began at this time. A read that failed does not count."""
        if self._failure is not None:
            return
        super().taken(now)
        self._replaced = bool(self.sight.inode and not self.sight.links and single_file_mounts([self.route.target]))
        self._read_route = self.route
        self._settling.taken(now)

    def status(self) -> LayerStatus:
        """Its state when it was read last."""
        status = super().status()
        return status if self._failure is None else replace(status, since=self._failure.since)

    @property
    def stale_mount(self) -> str | None:
        """The mount point on the way to it through which edits from outside do not arrive any more."""
        return self.moved or (self.route.target if self._replaced else None)

    def _state(self) -> LayerState:
        if self._failure is not None:
            return "unreadable"
        if self.stale_mount is not None:
            return "stale"
        return "missing" if self.seen is None or self.seen.missing else "read"

    def _fetch(self) -> tuple[object, bytes | None]:
        self.racy = self.sight.racy(time.time_ns()) or self.sight.shifting
        data = attempt(self.layer)
        return data, data

    def _being_written(self) -> bool | None:
        """Whether somebody has it open for writing; None if the kernel does not know, as on network file systems."""
        if self._local is None or self._local[0] != self.sight.device:
            self._local = self.sight.device, is_local(self.route.target)
        written = being_written(self.path)
        return written if written or self._local[1] else None

    def _arrived(self) -> Arrived:
        """Whether a link was swapped or a folder renamed, so that the path leads to another file."""
        new = self._read_route and arrival(self._read_route, self.route)
        if not new:
            return Arrived.NOT
        return Arrived.COMPLETE if new.complete(self.sight) else Arrived.UNKNOWN
