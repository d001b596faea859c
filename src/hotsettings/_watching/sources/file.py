"""Files while they are watched: they are read when no writer is at work on them.

A `WatchedFile` says when one file may be read. A layer in a file has one of them, and a layer in a folder has one for
each key. `RetryingSource` is what both have in common: a read that fails is tried again.
"""

from __future__ import annotations

import datetime
import math
import os
import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic

from msgspec.structs import replace

from ..._concurrency.backoff import Backoff
from ..._layers.file import FileLayer, fetch_once, read_error
from ..._layers.layer import Unreadable
from ..._layers.status import LayerState, LayerStatus
from ..bind_mounts import is_local, single_file_mounts
from ..debounce import Debouncer, Swap
from ..fingerprint import Fingerprint, age, fingerprint_of, open_for_writing
from ..symlinks import ResolvedPath, path_change
from .source import F, L, LastEventOf, Source

REJECT_AFTER = 2.0
"""Seconds of failing reads after which the new state is rejected. Many failures pass before that: a file often gets its
owner or mode just after a rename, and a process without a free descriptor soon has one again."""

_FIRST_RETRY = 0.1
"""Seconds after which a failed read is tried again for the first time."""


class _Failure:
    """A series of failed reads, with no success in between."""

    def __init__(self, fingerprint: object) -> None:
        self.since = datetime.datetime.now(datetime.UTC)
        self.began = time.monotonic()
        self._backoff = Backoff(_FIRST_RETRY, REJECT_AFTER)
        self.again(fingerprint)

    def again(self, fingerprint: object) -> None:
        """Note that a read with this fingerprint has failed."""
        self.fingerprint = fingerprint
        self.retry_at = time.monotonic() + self._backoff.next()


class WatchedFile:
    """One file: its fingerprint, and whether it may be read now.

    Set ``resolved_path``, which says where its path leads now, before each ``take_fingerprint``.

    Args:
        path: The absolute path of the file.
        settle: Seconds without a change after which a file counts as complete, if nothing else shows that it is.
        local: By device, whether only this kernel can write to its files. The files of a layer share it, and fill it.
        path_when_read: Where the path of the file, or of its folder, led when the layer was read last.
    """

    def __init__(
        self, path: str, settle: float, local: dict[int, bool], path_when_read: ResolvedPath | None = None
    ) -> None:
        self.path = path
        self.resolved_path = ResolvedPath(path, ())
        self.moved_mount: str | None = None
        """The mount point that the path leads through, if its source was renamed or removed outside."""
        self.reread = False
        """The fingerprint may hide a change, so the file is read at each check and its content compared."""
        self.fingerprint = Fingerprint()
        self.fingerprint_when_read: Fingerprint | None = None
        self._latest: Fingerprint | None = None
        self._settle = settle
        self._debouncer = Debouncer(settle)
        self._path_when_read = path_when_read
        self._read_at: float | None = None
        self._before_mark: tuple[Fingerprint | None, ResolvedPath | None, float | None] | None = None
        """What ``mark_read`` has replaced since the last read."""
        self._no_sign_of_change = False
        """Neither the fingerprint nor an event shows a change since the last read."""
        self._replaced = False
        """The file is a mount point, and was replaced outside: it has no name left."""
        self._local = local

    def take_fingerprint(self) -> None:
        """Take the fingerprint of the file that the path leads to now."""
        self.fingerprint = self._latest = fingerprint_of(self.path, self._latest)
        if self.fingerprint == self.fingerprint_when_read:
            self._path_when_read = self.resolved_path  # however the path leads there, it is the file that was read

    @property
    def may_have_changed(self) -> bool:
        """Whether the content may differ from what was read last, by the fingerprint that was taken last."""
        return self.fingerprint != self.fingerprint_when_read or self.reread

    def unchanged(self) -> bool:
        """Check whether the file has the same fingerprint as when it was read."""
        if self.fingerprint_when_read is None or self.reread:
            return False
        return fingerprint_of(self.path, self.fingerprint_when_read) == self.fingerprint_when_read

    def wait(self, last_event_of: LastEventOf, now: float, event_delay: float, *, accept_open: bool = False) -> float:
        """Return how many seconds to wait before checking again; 0 if the file may be read now. See ``Source.wait``."""
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
        """Whether a change that the read finds may be half written.

        It may be if only the content shows it, less than ``settle`` after the read before.
        """
        return self._no_sign_of_change and now - (self._read_at or 0.0) < self._settle

    def fetch(self, layer: FileLayer) -> bytes | None:
        """Read the file. Raises what ``fetch_once`` raises."""
        self.reread = self.fingerprint.changed_just_before(time.time_ns()) or self.fingerprint.unstable_inode
        self._before_mark = None
        return fetch_once(layer)

    def mark_read(self, now: float) -> None:
        """Note that the file was read with the fingerprint that it has now."""
        self._before_mark = self.fingerprint_when_read, self._path_when_read, self._read_at
        self.fingerprint_when_read, self._read_at = self.fingerprint, now
        nameless = self.fingerprint.inode and not self.fingerprint.links
        self._replaced = bool(nameless and single_file_mounts([self.resolved_path.target]))
        self._path_when_read = self.resolved_path
        self._debouncer.mark_read(now)

    def undo_read(self) -> None:
        """Forget the last read, so that the events before it still count, and read the file again."""
        if self._before_mark is not None:
            self.fingerprint_when_read, self._path_when_read, self._read_at = self._before_mark
            self._debouncer.mark_read(self._read_at)
            self._before_mark = None
        self.reread = True

    @property
    def stale_mount(self) -> str | None:
        """The mount point that the path leads through and that no edit from outside passes any more."""
        return self.moved_mount or (self.resolved_path.target if self._replaced else None)

    def _open_for_writing(self) -> bool | None:
        """Whether somebody has the file open for writing.

        None if the kernel does not know, as on network file systems.
        """
        device = self.fingerprint.device
        if device not in self._local:
            self._local[device] = is_local(self.resolved_path.target)
        is_open = open_for_writing(self.path)
        return is_open if is_open or self._local[device] else None

    def _swap(self) -> Swap:
        """Whether a symlink or folder was swapped since the last read, so that the path leads to another file."""
        change = self._path_when_read and path_change(self._path_when_read, self.resolved_path)
        if not change:
            return Swap.NONE
        return Swap.COMPLETE if change.complete(self.fingerprint) else Swap.UNCLEAR


class RetryingSource(Source[L, F], Generic[L, F]):
    """A layer of files. A read that fails is tried again, and is a rejection if it fails for long."""

    def __init__(self, layer: L) -> None:
        super().__init__(layer)
        self._failure: _Failure | None = None

    @property
    @abstractmethod
    def files(self) -> Sequence[WatchedFile]:
        """The files as they were found last."""

    @property
    def may_have_changed(self) -> bool:
        """Whether the content may differ from what was read last, by the fingerprint that was taken last."""
        changed = self.fingerprint != self.fingerprint_when_read or self._failure is not None
        return changed or any(file.reread for file in self.files)

    def undo_read(self) -> None:
        """Restore what was known before the last read, and read the files again.

        If that read failed, its backoff goes on.
        """
        self.content, self._data, self.document = self._previous
        for file in self.files:
            file.undo_read()

    def force_read(self) -> None:
        """Read the files at the next check, even if nothing has changed or a read has failed just now."""
        for file in self.files:
            file.reread = True
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

    @property
    def _backoff(self) -> float:
        """Seconds to wait because a read with this fingerprint has failed; 0 if none has."""
        failing = self._failure is not None and self.fingerprint == self._failure.fingerprint
        return (self.retry_in or 0.0) if failing else 0.0

    def read(self) -> bool:
        """Read the layer, and return whether its content has changed. Then ``parse`` has to be called.

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
        """Note that the layer was read with the fingerprint that it has now. Does nothing if the read failed."""
        if self._failure is None:
            super().mark_read(now)
            for file in self.files:
                file.mark_read(now)

    def status(self) -> LayerStatus:
        """The state of the layer when it was read last."""
        status = super().status()
        return status if self._failure is None else replace(status, since=self._failure.since)

    def _state(self) -> LayerState:
        if self._failure is not None:
            return "unreadable"
        if any(file.stale_mount is not None for file in self.files):
            return "stale"
        return "missing" if self._missing_when_read else "read"

    @property
    @abstractmethod
    def _missing_when_read(self) -> bool:
        """Whether there was no such file or folder at the last read, or none was read yet."""


class FileSource(RetryingSource[FileLayer, Fingerprint]):
    """A file."""

    gone = "there is no file any more"
    empty = "the file is empty"
    hint = "put it back, or leave a comment in it to empty it"

    def __init__(self, layer: FileLayer, settle: float) -> None:
        super().__init__(layer)
        self._file = WatchedFile(os.fsdecode(layer.path), settle, {})
        self._files = (self._file,)

    @property
    def files(self) -> Sequence[WatchedFile]:
        """The file."""
        return self._files

    def paths(self) -> list[str]:
        """The path of the file."""
        return [self._file.path]

    def resolve(self, resolved: Sequence[ResolvedPath]) -> None:
        """Note where the path leads."""
        [self._file.resolved_path] = resolved

    def take_fingerprint(self) -> None:
        """Take the fingerprint of the file that the path leads to now."""
        self._file.take_fingerprint()
        self.fingerprint = self._file.fingerprint

    def unchanged(self) -> bool:
        """Check whether the file has the same fingerprint as when it was read."""
        return self._failure is None and self._file.unchanged()

    def wait(self, last_event_of: LastEventOf, now: float, event_delay: float, *, accept_open: bool = False) -> float:
        """Return how many seconds to wait before checking again; 0 if the file may be read now."""
        return self._backoff or self._file.wait(last_event_of, now, event_delay, accept_open=accept_open)

    def may_be_incomplete(self, now: float) -> bool:
        """Whether the read has found a change that nothing else had shown, so that its writer may not have finished."""
        return self._file.may_be_incomplete(now)

    @property
    def _missing_when_read(self) -> bool:
        return self.fingerprint_when_read is None or self.fingerprint_when_read.missing

    def _fetch(self) -> tuple[object, bytes | None]:
        data = self._file.fetch(self.layer)
        return data, data
