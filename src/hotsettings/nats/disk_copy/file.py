"""The file of a copy on disk.

Its first line is ``hotsettings-copy 1`` and the SHA-256 of all that follows, which is JSON. The digest reveals damage, not
forgery: against that, the owner and the mode of the file are checked. A symbolic link is neither read nor replaced, since
somebody else could have planted it to have the copy written or read elsewhere.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from ..._layers.file import irregular
from ...errors import LayerError, Origin, Problem

LARGEST_COPY = 64 * 1024 * 1024
"""Bytes that a copy may have."""

_ABANDONED = 3600.0
"""Seconds after which a temporary file beside the copy is certainly not being written any more."""

_FIRST_LINE = re.compile(rb"hotsettings-copy ([1-9]\d{0,8}) ([0-9a-f]{64})\n")
_FORMAT = 1

# Windows lacks most of these. Non-blocking, should a FIFO take the place of the file at the last moment.
_READ, _CREATE = (
    sum(getattr(os, flag, 0) for flag in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY", *flags))
    for flags in (("O_RDONLY", "O_NONBLOCK", "O_NOCTTY"), ("O_WRONLY", "O_CREAT", "O_EXCL"))
)
# Without POSIX modes, every file seems to be open to everybody and to belong to user 0.
_STRANGERS = stat.S_IRWXG | stat.S_IRWXO if os.name == "posix" else 0
_user = getattr(os, "geteuid", lambda: 0)
_set_mode = getattr(os, "fchmod", lambda descriptor, mode: None)

_Count = Annotated[int, Meta(ge=0)]


class CopiedDocument(Struct, frozen=True):
    """The text of a document, and its revision."""

    revision: _Count
    text: str

    def __repr__(self) -> str:
        return f"CopiedDocument(revision={self.revision})"  # the text could be confidential


class Copy(Struct, frozen=True):
    """Documents of a bucket by key, as all of them were at one ``position`` of its stream.

    ``at`` is when the copy was made, in UTC.
    """

    bucket: str
    position: _Count
    documents: Mapping[str, CopiedDocument]
    at: Annotated[datetime, Meta(tz=True)]


def save(path: str, copy: Copy) -> None:
    """Write a copy to ``path``, in a folder that exists. Whatever happens, either the old copy or the new one is there, whole.

    Only the user of the process can read it, from the first moment. Blocks until it is on disk. Raises OSError if it cannot
    be written, if it would be larger than LARGEST_COPY, or if something at ``path`` is not a regular file.
    """
    with suppress(FileNotFoundError):
        if kind := irregular(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, f"not a regular file but {kind}", path)
    data = _encoded(copy)
    if len(data) > LARGEST_COPY:
        raise OSError(errno.EFBIG, f"the copy would be larger than {LARGEST_COPY} bytes (64 MiB)", path)
    folder, name = os.path.split(os.path.abspath(path))
    _tidy(folder, name)
    beside = os.path.join(folder, f".{name}.{os.urandom(8).hex()}.new")
    descriptor = os.open(beside, _CREATE, 0o600)
    try:
        with open(descriptor, "wb") as file:
            _set_mode(descriptor, 0o600)  # the umask may have taken the owner's own rights
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(beside, os.path.join(folder, name))
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise
    _sync_folder(folder)


def load(path: str, bucket: str) -> Copy | None:
    """Return the copy of ``bucket`` at ``path``; None if there is no file.

    Raises LayerError for anything that is not a regular file, and for a file on which others than its owner have rights,
    that belongs neither to the user of this process nor to root, that is larger than LARGEST_COPY, damaged, or of another
    bucket or format.
    """
    try:
        return _decoded(_contents(path), bucket)
    except FileNotFoundError:
        return None
    except OSError as error:
        unusable = _Unusable(f"cannot be read: {(error.strerror or type(error).__name__).lower()}")
    except _Unusable as error:
        unusable = error
    except ValueError as error:
        unusable = _Unusable(f"not a path: {error}")
    raise LayerError([Problem("", unusable.reason, Origin("copy", path), unusable.hint, "unusable-copy")])


class _Unusable(ValueError):
    """Raised for a file that is not a copy to start from."""

    def __init__(self, reason: str, hint: str = "delete it, and start once while the store can be reached") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def _encoded(copy: Copy) -> bytes:
    plain = replace(copy, documents=dict(copy.documents))
    body = msgspec.json.format(msgspec.json.encode(plain, order="deterministic"), indent=1) + b"\n"
    return b"hotsettings-copy %d %s\n%s" % (_FORMAT, sha256(body).hexdigest().encode(), body)


def _decoded(data: bytes, bucket: str) -> Copy:
    first = _FIRST_LINE.match(data)
    if first is None:
        raise _Unusable("not a copy of a store, or damaged")
    if int(first[1]) != _FORMAT:
        raise _Unusable(f"a copy of format {int(first[1])}, and only format {_FORMAT} is known here")
    body = data[first.end() :]
    if sha256(body).hexdigest().encode() != first[2]:
        raise _Unusable("damaged: its digest does not match")
    try:
        copy = msgspec.json.decode(body, type=Copy)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _Unusable("not a copy of a store, though its digest matches") from None
    if copy.bucket != bucket:
        raise _Unusable(f"a copy of bucket {copy.bucket!r}, not of {bucket!r}", "give each bucket a file of its own")
    return replace(copy, documents=MappingProxyType(copy.documents))


def _contents(path: str) -> bytes:
    """Read the bytes of a copy. Raises OSError, and _Unusable."""
    _examine(os.lstat(path))  # first, because opening a device or a socket may have effects, or fail
    with open(os.open(path, _READ), "rb") as file:
        status = os.fstat(file.fileno())
        _examine(status)
        return file.read(status.st_size)  # whatever is appended meanwhile does not belong to it


def _examine(status: os.stat_result) -> None:
    if kind := irregular(status.st_mode):
        raise _Unusable(f"not a regular file but {kind}", "name the file itself")
    if status.st_uid not in (_user(), 0):
        raise _Unusable(f"it belongs to user {status.st_uid}, and this process runs as user {_user()}")
    if status.st_mode & _STRANGERS:
        raise _Unusable(
            f"others than its owner have rights on it (mode {stat.S_IMODE(status.st_mode):04o})",
            "delete it, or, if nobody can have changed it, set its mode to 0600",
        )
    if status.st_size > LARGEST_COPY:
        raise _Unusable(f"larger than {LARGEST_COPY} bytes (64 MiB)")


def _sync_folder(folder: str) -> None:
    """Write the new name to disk too. Where that is not possible, a power failure may bring the old copy back, whole."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _tidy(folder: str, name: str) -> None:
    """Remove temporary files of processes that were killed while they saved."""
    left = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.new")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if left.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < time.time() - _ABANDONED:
                os.unlink(entry.path)
