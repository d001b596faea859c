"""A layer in a folder, while it is watched. It is read when no writer is at work on any of its files."""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec import Struct

from ..._layers.folder import (
    ATOMIC,
    Folder,
    FolderDocument,
    FolderLayer,
    Listing,
    empty,
    file_layer,
    list_folder,
    too_large,
)
from ..._layers.layer import LARGEST, Document, Unreadable
from ..._loading.documents import folder_document
from ..._loading.key_files import KeyFiles
from ..._log import logger
from ..._schema.schema import Schema
from ...errors import SHOWN_PROBLEMS, LayerError, Problem
from ..fingerprint import Fingerprint
from ..symlinks import ResolvedPath, path_change
from .file import RetryingSource, WatchedFile
from .source import LastEventOf

_SOON = 0.001
"""Seconds after which a folder is checked again that has changed during the check."""


class FolderFingerprint(Struct, frozen=True):
    """The names in a folder, or why they cannot be had, and the fingerprint of each file of a key."""

    names: Listing | str
    files: tuple[tuple[str, Fingerprint], ...]


class _KeyFile:
    """The file of a key: when it may be read, and what was read of it last."""

    def __init__(self, file: WatchedFile) -> None:
        self.file = file
        self.data: bytes | Problem | None = None
        self.data_before: bytes | Problem | None = None
        """What was read of it before the last read."""


class FolderSource(RetryingSource[FolderLayer, FolderFingerprint]):
    """A folder with one file for each key."""

    gone = "there is no folder any more"
    empty = "the folder is empty"
    hint = "put it back"

    def __init__(self, schema: Schema, layer: FolderLayer, settle: float) -> None:
        super().__init__(layer)
        self._keys = KeyFiles(schema)
        self._settle = settle
        self._local: dict[int, bool] = {}
        self._listing: Listing | LayerError | OSError = Listing("", ())
        self._files: dict[str, _KeyFile] = {}
        """The files by name, those included that are gone since the last read."""
        self._ignored: dict[str, None] = {}
        """The names in the folder that are no keys."""
        self._forced = False
        """Read at the next check, whatever the fingerprint says."""
        self._resolved = ResolvedPath(os.path.join(os.fsdecode(layer.path), ATOMIC), ())
        self._resolved_when_read: ResolvedPath | None = None
        self._names_since: tuple[Listing | str, float] = "", 0.0
        """The names in the folder, and since when they have been the same."""
        self._folder = Folder({}, ())
        self._warned_of: set[str] = set()
        """The names of ignored files that the log has warned of."""

    @property
    def listed(self) -> bool:
        """Return True: a new name may be a new key."""
        return True

    @property
    def files(self) -> Sequence[WatchedFile]:
        """The files of keys."""
        return [each.file for each in self._files.values()]

    def paths(self) -> list[str]:
        """The path of ``..data``, whether there is one or not, and those of all files."""
        self._list()
        return [os.path.join(os.fsdecode(self.layer.path), ATOMIC), *(each.file.path for each in self._files.values())]

    def resolve(self, resolved: Sequence[ResolvedPath]) -> None:
        """Note where the paths lead."""
        self._resolved = resolved[0]
        for each, path in zip(self._files.values(), resolved[1:], strict=True):
            each.file.resolved_path = path

    def _list(self) -> None:
        try:
            self._listing = listing = list_folder(self.layer)
        except (LayerError, OSError) as error:
            self._listing = error.with_traceback(None)
            return
        known = self._files
        ignored, self._ignored = self._ignored, {}
        for name in listing.names:
            if name in ignored or (name not in known and not self._keys.is_key(name)):
                self._ignored[name] = None
                continue
            path = os.path.join(listing.inside, name)
            if name not in known or known[name].file.path != path:
                known[name] = _KeyFile(WatchedFile(path, self._settle, self._local, self._resolved_when_read))

    @property
    def _names(self) -> Listing | str:
        return self._listing if isinstance(self._listing, Listing) else str(self._listing)

    def take_fingerprint(self) -> None:
        """Take the names in the folder, and the fingerprints of the files."""
        self._list()
        for each in self._files.values():
            each.file.take_fingerprint()
        self.fingerprint = self._fingerprint_now()

    def _fingerprint_now(self) -> FolderFingerprint:
        return FolderFingerprint(
            self._names, tuple((name, each.file.fingerprint) for name, each in self._files.items())
        )

    def unchanged(self) -> bool:
        """Check whether the folder has the same fingerprint as when it was read."""
        if self._failure is not None or self.fingerprint_when_read is None:
            return False
        self._list()
        return self._names == self.fingerprint_when_read.names and all(
            each.file.unchanged() for each in self._files.values()
        )

    def wait(self, last_event_of: LastEventOf, now: float, event_delay: float, *, accept_open: bool = False) -> float:
        """Return how many seconds to wait before checking again; 0 if all files may be read now."""
        if self._backoff:
            return self._backoff
        if self._names != self._names_since[0]:
            self._names_since = self._names, now
        rest = max(0.0, self._settle - (now - self._names_since[1]))
        if not isinstance(self._listing, Listing) or not self._listing.names:
            return rest  # it may be the gap between two folders
        swapped = self._was_swapped()
        waits = [0.0]
        for name, each in self._files.items():
            file = each.file
            if not file.resolved_path.entries:
                return _SOON  # the name came after the paths were resolved
            if file.may_have_changed:
                gone = name not in self._listing.names
                nothing_to_wait_for = swapped and (gone or not file.fingerprint.size)
                wait = file.wait(last_event_of, now, event_delay, accept_open=accept_open)
                waits.append(0.0 if nothing_to_wait_for else wait)
        return max(waits)

    def _was_swapped(self) -> bool:
        """Whether ``..data`` leads to another folder than at the last read. All of its files are complete then."""
        change = path_change(self._resolved_when_read, self._resolved) if self._resolved_when_read else None
        return change is not None and change.atomic

    def may_be_incomplete(self, now: float) -> bool:
        """Whether the read has found a change that nothing else had shown, so that its writer may not have finished."""
        return any(each.data != each.data_before and each.file.may_be_incomplete(now) for each in self._files.values())

    @property
    def may_have_changed(self) -> bool:
        """Whether the content may differ from what was read last, by the fingerprint that was taken last."""
        return self._forced or super().may_have_changed

    def undo_read(self) -> None:
        """Restore what was known before the last read, and read the folder again."""
        super().undo_read()
        self._forced = True
        for each in self._files.values():
            each.data = each.data_before

    def force_read(self) -> None:
        """Read the folder at the next check, even if nothing has changed or a read has failed just now."""
        super().force_read()
        self._forced = True

    def mark_read(self, now: float) -> None:
        """Note that the folder was read with the fingerprint that it has now. Does nothing if the read failed."""
        if self._failure is not None:
            return
        if isinstance(self._listing, Listing):
            names = frozenset(self._listing.names)
            self._files = {name: each for name, each in self._files.items() if name in names}
            self.fingerprint = self._fingerprint_now()
        super().mark_read(now)
        self._resolved_when_read = self._resolved

    @property
    def _missing_when_read(self) -> bool:
        read = self.fingerprint_when_read
        return read is None or not isinstance(read.names, Listing) or read.names.missing

    def _fetch(self) -> tuple[object, bytes | None]:
        self._forced = False
        for each in self._files.values():
            each.data_before = each.data
        if not isinstance(self._listing, Listing):
            raise self._listing
        if self._listing.missing:
            return None, None
        if not self._listing.names:
            raise LayerError([empty(self.layer)])
        found = {name: self._files[name] for name in self._listing.names if name in self._files}
        room = LARGEST
        for name, each in found.items():
            if each.data is None or each.file.may_have_changed:
                each.data = self._data_of(name, each.file)
            room -= len(each.data) if isinstance(each.data, bytes) else 0
            if room < 0:
                raise LayerError([too_large(self.layer)])
        self._folder = Folder(
            {name: each.data for name, each in found.items() if each.data is not None}, tuple(self._ignored)
        )
        return self._folder, b"files" if found else b""

    def _data_of(self, name: str, file: WatchedFile) -> bytes | Problem:
        assert isinstance(self._listing, Listing)
        try:
            return file.fetch(file_layer(self.layer, self._listing.inside, name)) or b""
        except LayerError as error:
            return error.problems[0]

    def _parsed(self, data: bytes | None) -> Document | Unreadable:
        if data is None:
            return super()._parsed(None)
        document = folder_document(self._keys, self.layer, self._folder)
        if isinstance(document, FolderDocument):
            new = [problem for problem in document.ignored if problem.key not in self._warned_of]
            self._warned_of = {problem.key for problem in document.ignored}
            for problem in new[:SHOWN_PROBLEMS]:
                logger.warning("%s", problem)
        return document
