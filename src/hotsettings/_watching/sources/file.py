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
from ..debounce import Debouncer, Swap
from ..fingerprint import Fingerprint, age, fingerprint_of, open_for_writing
from ..symlinks import ResolvedPath, path_change
from .source import LastEventOf, Source

REJECT_AFTER = 2.0
"""Seconds for which reads may fail before that is a rejection. An owner or a mode is often set just after a rename, and a
process that has no descriptor left soon has one again."""

_FIRST_RETRY = 0.1
"""Seconds after which a read that has failed is tried again; doubled each time, up to ``PATIENCE``."""


class _Failure:
    """A read that fails: since when, by both clocks, and when it is tried again."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        self.since = datetime.datetime.now(datetime.UTC)
        self.began = time.monotonic()
        self._delay = _FIRST_RETRY
        self.again(fingerprint)

    def again(self, fingerprint: Fingerprint) -> None:
        self.fingerprint = fingerprint
        self.retry_at = time.monotonic() + self._delay
        self._delay = min(2 * self._delay, REJECT_AFTER)


class FileSource(Source[FileLayer, Fingerprint]):
    """One file. Its ``route``, where the path leads, is to be set before each look."""

    gone = "there is no file any more"
    empty = "the file is empty"
    hint = "put it back, or leave a comment in it to empty it"

    def __init__(self, layer: FileLayer, settle: float) -> None:
        super().__init__(layer)
        self.path = os.fsdecode(layer.path)
        self.resolved_path = ResolvedPath(self.path, ())
        self.reread = False
        self._latest: Fingerprint | None = None
        self._settle = settle
        self._debouncer = Debouncer(settle)
        self._path_when_read: ResolvedPath | None = None
        self._unreported = False
        self._failure: _Failure | None = None
        self.moved_mount: str | None = None
        """The mount point on the way to it, if what is mounted there was renamed or removed outside."""
        self._replaced = False
        self._local: tuple[int, bool] | None = None

    def take_fingerprint(self) -> None:
        """Take a new sight."""
        self.fingerprint = self._latest = fingerprint_of(self.path, self._latest)
        if self.fingerprint == self.fingerprint_when_read:
            self._path_when_read = self.resolved_path  # a new way to the file that was read

    @property
    def may_have_changed(self) -> bool:
        """Whether its content may differ from what was read."""
        return self.fingerprint != self.fingerprint_when_read or self.reread or self._failure is not None

    @property
    def unchanged(self) -> bool:
        """Whether it looks as it did when it was read. As long as there are no events, that is enough."""
        if self.fingerprint_when_read is None or self.reread or self._failure is not None:
            return False
        return fingerprint_of(self.path, self.fingerprint_when_read) == self.fingerprint_when_read

    def undo_read(self) -> None:
        """Drop what was read last, and read it again. If that read has failed, this does not cut its backoff short."""
        self.content, self._data, self.document = self._previous
        self.reread = True

    def force_read(self) -> None:
        """Read it at the next look, however unchanged it looks, and even if a read has failed just now."""
        self.reread = True
        if (failing := self._failure) is not None:
            failing.retry_at = 0.0

    @property
    def retry_in(self) -> float | None:
        """Seconds until a failed read is tried again; None if the last read did not fail, or if that is a rejection by now."""
        if self._failure is None or self.fingerprint_when_read is None:
            return None
        now = time.monotonic()
        return max(0.0, self._failure.retry_at - now) if now - self._failure.began < REJECT_AFTER else None

    def wait(self, last_event_of: LastEventOf, now: float, event_delay: float, *, accept_open: bool = False) -> float:
        """Seconds until it may be read. If ``hasty``, a rest of ``settle`` is enough, even if somebody has it open."""
        if self._failure is not None and self.fingerprint == self._failure.fingerprint and self.retry_in:
            return self.retry_in
        event = last_event_of(self.resolved_path.target)
        self._unreported = self.fingerprint == self.fingerprint_when_read and not self._debouncer.has_event_since_read(
            event
        )
        if self._unreported:
            return 0.0  # only racy: it is read and compared
        return self._debouncer.wait(
            self.fingerprint,
            event,
            now,
            age(self.fingerprint),
            swap=self._swap(),
            event_delay=event_delay,
            enough_rest=self._settle if accept_open else math.inf,
            open_for_writing=self._open_for_writing,
        )

    def may_be_incomplete(self, now: float) -> bool:
        """Whether it was changed so soon after a read that its times stayed the same. Its writer may not have finished."""
        return self._unreported and now - self.read_at < self._settle

    def read(self) -> bool:
        """Read it, and parse it if its content has changed; return whether it has. A read that fails is tried again."""
        try:
            differs = super().read()
        except OSError as error:
            failed = failure(self.layer, error)
        else:
            self._failure = None
            return differs
        if self._failure is None:
            self._failure = _Failure(self.fingerprint)
        else:
            self._failure.again(self.fingerprint)
        return self.retry_in is None and self._keep(str(failed), None, unreadable(self.layer, failed))

    def mark_read(self, now: float) -> None:
        """Note that it was read as it looks now, by a read that began at this time. A read that failed does not count."""
        if self._failure is not None:
            return
        super().mark_read(now)
        self._replaced = bool(
            self.fingerprint.inode and not self.fingerprint.links and single_file_mounts([self.resolved_path.target])
        )
        self._path_when_read = self.resolved_path
        self._debouncer.mark_read(now)

    def status(self) -> LayerStatus:
        """Its state when it was read last."""
        status = super().status()
        return status if self._failure is None else replace(status, since=self._failure.since)

    @property
    def stale_mount(self) -> str | None:
        """The mount point on the way to it through which edits from outside do not arrive any more."""
        return self.moved_mount or (self.resolved_path.target if self._replaced else None)

    def _state(self) -> LayerState:
        if self._failure is not None:
            return "unreadable"
        if self.stale_mount is not None:
            return "stale"
        return "missing" if self.fingerprint_when_read is None or self.fingerprint_when_read.missing else "read"

    def _fetch(self) -> tuple[object, bytes | None]:
        self.reread = self.fingerprint.changed_just_before(time.time_ns()) or self.fingerprint.unstable_inode
        data = attempt(self.layer)
        return data, data

    def _open_for_writing(self) -> bool | None:
        """Whether somebody has it open for writing; None if the kernel does not know, as on network file systems."""
        if self._local is None or self._local[0] != self.fingerprint.device:
            self._local = self.fingerprint.device, is_local(self.resolved_path.target)
        written = open_for_writing(self.path)
        return written if written or self._local[1] else None

    def _swap(self) -> Swap:
        """Whether a link was swapped or a folder renamed, so that the path leads to another file."""
        new = self._path_when_read and path_change(self._path_when_read, self.resolved_path)
        if not new:
            return Swap.NONE
        return Swap.COMPLETE if new.complete(self.fingerprint) else Swap.UNCLEAR
