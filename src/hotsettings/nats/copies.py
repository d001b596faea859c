"""The last good copy on disk of what a store held: a process may start from it while the store cannot be reached.

One file. Its first line is ``hotsettings-copy 1`` and the SHA-256 of all that follows, which is JSON. The digest tells of
damage, not of forgery: whom to trust, the file's owner and mode say. A symbolic link is neither read nor replaced, as this
file is ours to write, and a link that somebody else has planted would have it written or read elsewhere.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from .._layers.file import irregular
from .._layers.layer import Layer, Unreadable, parse
from .._layers.toml.spelling import misspells
from .._redaction import Redactor
from .._schema.field_types import structs_below
from .._schema.schema import Schema
from ..errors import LayerError, Origin, Problem

LARGEST_COPY = 64 * 1024 * 1024
"""Bytes that a copy may have."""

_ABANDONED = 3600.0
"""Seconds after which a file that was written beside the copy has surely lost its writer."""

_FIRST_LINE = re.compile(rb"hotsettings-copy ([1-9]\d{0,8}) ([0-9a-f]{64})\n")
_FORMAT = 1

# Windows lacks most of these. Non-blocking, should a FIFO take the place of the file at the last moment.
_READ, _CREATE = (
    sum(getattr(os, flag, 0) for flag in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY", *flags))
    for flags in (("O_RDONLY", "O_NONBLOCK", "O_NOCTTY"), ("O_WRONLY", "O_CREAT", "O_EXCL"))
)
# Without POSIX modes everybody's rights look open, and every file seems to be user 0's.
_STRANGERS = stat.S_IRWXG | stat.S_IRWXO if os.name == "posix" else 0
_user = getattr(os, "geteuid", lambda: 0)
_set_mode = getattr(os, "fchmod", lambda descriptor, mode: None)

_Count = Annotated[int, Meta(ge=0)]


class Copied(Struct, frozen=True):
    """One document: its text, and the revision of the key that it had."""

    revision: _Count
    text: str

    def __repr__(self) -> str:
        return f"Copied(revision={self.revision})"  # its text is nobody's business


class Copy(Struct, frozen=True):
    """What a bucket held: its documents by key, as all of them stood at one ``position`` of its stream.

    ``at`` is when the copy was made, in UTC.
    """

    bucket: str
    position: _Count
    documents: Mapping[str, Copied]
    at: Annotated[datetime, Meta(tz=True)]


def save(path: str, copy: Copy) -> None:
    """Put a copy at ``path``, in a folder that exists. Whatever happens, the old copy or the new one is there, whole.

    Nobody but the process's user may read it, at no moment. Blocks until it is on the disk. Raises OSError if it cannot be
    written, if it would be larger than LARGEST_COPY, or if there is something at ``path`` that is not a regular file.
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
    """Return the copy of ``bucket`` at ``path``; None where there is no file.

    Raises LayerError for anything else: not a regular file, or one that others than its owner have rights on, that is
    neither this process's user's nor root's, that is larger than LARGEST_COPY, damaged, or of another bucket or format.
    """
    try:
        return _decoded(_contents(path), bucket)
    except FileNotFoundError:
        return None
    except OSError as error:
        refused = _Refused(f"cannot be read: {(error.strerror or type(error).__name__).lower()}")
    except _Refused as error:
        refused = error
    except ValueError as error:
        refused = _Refused(f"not a path: {error}")
    raise LayerError([Problem("", refused.reason, Origin("copy", path), refused.hint, "unusable-copy")])


def may_be_copied(text: str, redactor: Redactor) -> bool:
    """Whether a document may lie on a disk: it holds no secret that is live, and has no key of one.

    What is commented out counts, and so do keys that are written with escapes, or misspelt and no other key of the schema.
    What is not TOML may not: nobody knows what it says.
    """
    document = parse(Layer(), text.encode())
    if isinstance(document, Unreadable):
        return False
    # As it is written, as it is meant where escapes are used, and as it was understood: 0xFF is 255.
    said = "\n".join([text, _ESCAPE.sub(_unescaped, text), *_spelt(document.values)])
    return not _names_secret(redactor.schema, said) and not redactor.finds(said)


class _Refused(ValueError):
    """The file is no copy to start from."""

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
        raise _Refused("not a copy of a store, or damaged")
    if int(first[1]) != _FORMAT:
        raise _Refused(f"a copy of format {int(first[1])}, and only format {_FORMAT} is known here")
    body = data[first.end() :]
    if sha256(body).hexdigest().encode() != first[2]:
        raise _Refused("damaged: its digest does not match")
    try:
        copy = msgspec.json.decode(body, type=Copy)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _Refused("not a copy of a store, though its digest matches") from None
    if copy.bucket != bucket:
        raise _Refused(f"a copy of bucket {copy.bucket!r}, not of {bucket!r}", "give each bucket a file of its own")
    return replace(copy, documents=MappingProxyType(copy.documents))


def _contents(path: str) -> bytes:
    """Read a copy's bytes. Raises OSError, or _Refused for a file that nobody should start from."""
    _examine(os.lstat(path))  # first, as to open a device or a socket may do something, or fail
    with open(os.open(path, _READ), "rb") as file:
        status = os.fstat(file.fileno())
        _examine(status)
        return file.read(status.st_size)  # what is added meanwhile is none of ours


def _examine(status: os.stat_result) -> None:
    if kind := irregular(status.st_mode):
        raise _Refused(f"not a regular file but {kind}", "name the file itself")
    if status.st_uid not in (_user(), 0):
        raise _Refused(f"it belongs to user {status.st_uid}, and this process runs as user {_user()}")
    if status.st_mode & _STRANGERS:
        raise _Refused(
            f"others than its owner have rights on it (mode {stat.S_IMODE(status.st_mode):04o})",
            "delete it, or, if nobody can have changed it, set its mode to 0600",
        )
    if status.st_size > LARGEST_COPY:
        raise _Refused(f"larger than {LARGEST_COPY} bytes (64 MiB)")


def _sync_folder(folder: str) -> None:
    """Have the new name on the disk too. Where that cannot be done, a loss of power may bring the old copy back, whole."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _tidy(folder: str, name: str) -> None:
    """Remove what processes have left that were killed while they saved."""
    left = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.new")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if left.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < time.time() - _ABANDONED:
                os.unlink(entry.path)


_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([\"'\\]))")


def _unescaped(escape: re.Match[str]) -> str:
    if escape[4]:
        return escape[4]
    code = int(escape[1] or escape[2] or escape[3], 16)
    return chr(code) if code < 0x110000 else ""  # a comment may say anything


def _spelt(value: Any) -> Iterator[str]:
    """Yield keys, as if each were written before a value, and scalars."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{key} ="
            yield from _spelt(item)
    elif isinstance(value, list):
        for item in value:
            yield from _spelt(item)
    else:
        yield str(value)


def _names_secret(schema: Schema, text: str) -> bool:
    """Whether the name of a secret, or what could be meant to be one, stands where a key does. Comments may speak of it."""
    names = {name.casefold() for name in schema.secret_names}
    fields = (field for struct in structs_below(schema.cls) for field in msgspec.structs.fields(struct))
    others = {field.encode_name.casefold() for field in fields} - names
    # A name that is no single word is looked for as it is.
    exact = (rf"(?<![\w-]){re.escape(name)}[\"']?\s*[=:.\]]" for name in names)
    return any(re.search(name, text.casefold()) for name in exact) or misspells(text, names, others)
