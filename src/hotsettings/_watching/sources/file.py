"""A layer in a file, while it is watched: it is read when no writer is at work on it."""

from __future__ import annotations

import datetime
import math
import os
import time

from msgspec.structs import replace

from ..._concurrency.backoff import Backoff
from ..._layers.file import FileLayer, fetch_once, read_error
from ..._layers.layer import Unreadable
from ..._layers.status import LayerState, LayerStatus
from ..bind_mounts import is_local, single_file_mounts
from ..debounce import Debouncer, Swap
from ..fingerprint import Fingerprint, age, fingerprint_of, open_for_writing
from ..symlinks import ResolvedPath, path_change
from .source import LastEventOf, Source

REJECT_AFTER = 2.0
"""Seconds of failing reads after which the new state is rejected. Many failures pass before that: a file often gets its
owner or mode just after a rename, and a process without a free descriptor soon has one again."""

_FIRST_RETRY = 0.1
"""Seconds after which a failed read is tried again for the first time."""


class _Failure:
    """Reads that fail, one after the other."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        self.since = datetime.datetime.now(datetime.UTC)
        self.began = time.monotonic()
        self._backoff = Backoff(_FIRST_RETRY, REJECT_AFTER)
        self.again(fingerprint)

    def again(self, fingerprint: Fingerprint) -> None:
        """Note that a read of the file with this fingerprint has failed."""
        self.fingerprint = fingerprint
        self.retry_at = time.monotonic() + self._backoff.next()


class FileSource(Source[FileLayer, Fingerprint]):
    """A file. Set ``resolved_path``, which says where its path leads now, before each ``take_fingerprint``."""

    gone = "there is no file any more"
    empty = "the file is empty"
    hint = "put it back, or leave a comment in it to empty it"

    def __init__(self, layer: FileLayer, settle: float) -> None:
        super().__init__(layer)
        self.path = os.fsdecode(layer.path)
        self.resolved_path = ResolvedPath(self.path, ())
        self.moved_mount: str | None = None
        """The mount point that the path leads through, if its source was renamed or removed outside."""
        self.reread = False
        """The fingerprint may hide a change, so the file is read at each check and its content compared."""
        self._latest: Fingerprint | None = None
        self._settle = settle
        self._debouncer = Debouncer(settle)
        self._path_when_read: ResolvedPath | None = None
        self._no_sign_of_change = False
        """Neither the fingerprint nor an event shows a change since the last read."""
        self._failure: _Failure | None = None
        self._replaced = False
        """The file is a mount point, and was replaced outside: it has no name left."""
        self._local: tuple[int, bool] | None = None

    def take_fingerprint(self) -> None:
        """Take the fingerprint of the file that the path leads to now."""
        self.fingerprint = self._latest = fingerprint_of(self.path, self._latest)
        if self.fingerprint == self.fingerprint_when_read:
            self._path_when_read = self.resolved_path  # however the path leads there, it is the file that was read

    @property
    def may_have_changed(self) -> bool:
        """Whether the content may differ from what was read last, by the fingerprint that was taken last."""
        return self.fingerprint != self.fingerprint_when_read or self.reread or self._failure is not None

    def unchanged(self) -> bool:
        """Check whether the file has the same fingerprint as when it was read."""
        if self.fingerprint_when_read is None or self.reread or self._failure is not None:
            return False
        return fingerprint_of(self.path, self.fingerprint_when_read) == self.fingerprint_when_read

    def undo_read(self) -> None:
        """Restore what was known before the last read, and read the file again.

        If that read failed, its backoff goes on.
        """
        self.content, self._data, self.document = self._previous
        self.reread = True

    def force_read(self) -> None:
        """Read the file at the next check, even if its fingerprint is unchanged or a read has failed just now."""
        self.reread = True
        if (failing := self._failure) is not None:
            failing.retry_at = 0.0

    @property
    def retry_in(self) -> float | None:
        """Seconds until a failed read is tried again.

        None if the last read succeeded, or if its failure is a rejection now.
        """
        if self._failure is None or self.fingerprint_when_read is None:
            return None
        now = time.monotonic()
        return max(0.0, self._failure.retry_at - now) if now - self._failure.began < REJECT_AFTER else None

    def wait(self, last_event_of: LastEventOf, now: float, event_delay: float, *, accept_open: bool = False) -> float:
        """Return how many seconds to wait before checking again; 0 if the file may be read now."""
        if self._failure is not None and self.fingerprint == self._failure.fingerprint and self.retry_in:
            return self.retry_in
        event = last_event_of(self.resolved_path.target)
        unchanged = self.fingerprint == self.fingerprint_when_read
        self._no_sign_of_change = unchanged and not self._debouncer.has_event_since_read(event)
        if self._no_sign_of_change:
            return 0.0  # it is only read to compare its content
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
        """Whether the read has found a change, less than ``settle`` after the read before, that had no other sign.

        Its writer may not have finished.
        """
        return self._no_sign_of_change and now - self.read_at < self._settle

    def read(self) -> bool:
        """Read the file, and return whether its content has changed. Then ``parse`` has to be called.

        A failed read is tried again.
        """
        try:
            differs = super().read()
        except OSError as error:
            failed = read_error(self.layer, error)
        else:
            self._failure = None
            return differs
        if self._failure is None:
            self._failure = _Failure(self.fingerprint)
        else:
            self._failure.again(self.fingerprint)
        return self.retry_in is None and self._keep(str(failed), None, Unreadable(self.layer, failed.problems[0]))

    def mark_read(self, now: float) -> None:
        """Note that the file was read with the fingerprint that it has now. Does nothing if the read failed."""
        if self._failure is not None:
            return
        super().mark_read(now)
        nameless = self.fingerprint.inode and not self.fingerprint.links
        self._replaced = bool(nameless and single_file_mounts([self.resolved_path.target]))
        self._path_when_read = self.resolved_path
        self._debouncer.mark_read(now)

    def status(self) -> LayerStatus:
        """The state of the file when it was read last."""
        status = super().status()
        return status if self._failure is None else replace(status, since=self._failure.since)

    @property
    def stale_mount(self) -> str | None:
        """The mount point that the path leads through and that no edit from outside passes any more."""
        return self.moved_mount or (self.resolved_path.target if self._replaced else None)

    def _state(self) -> LayerState:
        if self._failure is not None:
            return "unreadable"
        if self.stale_mount is not None:
            return "stale"
        return "missing" if self.fingerprint_when_read is None or self.fingerprint_when_read.missing else "read"

    def _fetch(self) -> tuple[object, bytes | None]:
        self.reread = self.fingerprint.changed_just_before(time.time_ns()) or self.fingerprint.unstable_inode
        data = fetch_once(self.layer)
        return data, data

    def _open_for_writing(self) -> bool | None:
        """Whether somebody has the file open for writing.

        None if the kernel does not know, as on network file systems.
        """
        if self._local is None or self._local[0] != self.fingerprint.device:
            self._local = self.fingerprint.device, is_local(self.resolved_path.target)
        is_open = open_for_writing(self.path)
        return is_open if is_open or self._local[1] else None

    def _swap(self) -> Swap:
        """Whether a symlink or folder was swapped since the last read, so that the path leads to another file."""
        change = self._path_when_read and path_change(self._path_when_read, self.resolved_path)
        if not change:
            return Swap.NONE
        return Swap.COMPLETE if change.complete(self.fingerprint) else Swap.UNCLEAR
