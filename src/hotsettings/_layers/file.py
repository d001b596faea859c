"""A layer in a file, and reading that file within limits."""

from __future__ import annotations

import errno
import os
import stat

from msgspec.structs import force_setattr

from .._boundary import guarded
from ..errors import LayerError, Problem
from .layer import LARGEST, CollectorPaused, Document, Layer, Unreadable, parse, unreadable

# Non-blocking, or opening a FIFO would wait for its writer; no terminal is taken over. Windows has neither, and would
# translate line ends.
_FLAGS = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))

_LASTING = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR})
"""What the path itself is to blame for. Every other error of reading may pass: no descriptor left, a stale NFS handle, a mode
that is set a moment later."""


class FileLayer(Layer, frozen=True):
    """A layer in a file: ``FileLayer("secrets.toml", secret=True, required=False)``.

    It is named after the file, if nothing else is given.
    """

    __module__ = "hotsettings"

    path: str | os.PathLike[str]

    def __post_init__(self) -> None:
        path = os.fsdecode(self.path)
        for field, value in (
            ("path", path),
            ("label", self.label or path),
            ("name", self.name or os.path.basename(path)),
        ):
            force_setattr(self, field, value)


def read(layer: FileLayer, collector: CollectorPaused | None = None) -> Document | Unreadable:
    """Read and parse a layer, and keep the ``collector`` paused from then on if it is large. Raises UnforeseenError."""
    try:
        data = fetch(layer)
    except LayerError as error:
        return unreadable(layer, error)
    if data is None:
        return Document(layer, "", {}, missing=True)
    if collector is not None:
        collector.expect(len(data))
    return parse(layer, data)


def fetch(layer: FileLayer) -> bytes | None:
    """Read the bytes of a layer; None for one that is missing and may be. Raises LayerError or UnforeseenError."""
    try:
        return attempt(layer)
    except OSError as error:
        failed = failure(layer, error)
    raise failed


def attempt(layer: FileLayer) -> bytes | None:
    """Do what ``fetch`` does, but raise OSError for what may pass while the path stays as it is."""
    fetched = guarded([layer.origin()], _fetched, layer)
    if isinstance(fetched, OSError):
        raise fetched
    if isinstance(fetched, Problem):
        raise LayerError([fetched])
    return fetched


def failure(layer: FileLayer, error: OSError) -> LayerError:
    """Say why a layer cannot be read."""
    return LayerError([_failure(layer, error)])


def _fetched(layer: FileLayer) -> bytes | Problem | OSError | None:
    try:
        return _contents(os.fsdecode(layer.path))
    except FileNotFoundError:
        if not layer.required:
            return None
        return Problem("", "no such file", layer.origin(), _way_out(layer))
    except OSError as error:
        return _failure(layer, error) if error.errno in _LASTING else error.with_traceback(None)
    except _Unsuitable as error:
        return _failure(layer, error)


def _failure(layer: FileLayer, error: OSError | _Unsuitable) -> Problem:
    return Problem("", _reason(error), layer.origin(), _REMEDIES.get(type(error), ""))


def _contents(path: str) -> bytes:
    """Read a regular file of at most LARGEST bytes. Raises OSError, or _Unsuitable with the reason."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:
        _refuse_irregular(os.stat(path).st_mode)  # a socket cannot be opened at all, on Windows a directory neither
        raise
    except ValueError as error:  # a null byte, or what the file system's encoding does not have
        raise _Unsuitable(f"not a path: {error}") from None
    try:
        status = os.fstat(descriptor)
        _refuse_irregular(status.st_mode)
        # One byte more than it should have, so that a second read tells only of a file that is growing.
        data = os.read(descriptor, min(status.st_size, LARGEST) + 1)
        if len(data) != status.st_size or len(data) > LARGEST:
            chunks, size = [data], len(data)
            while size <= LARGEST and (chunk := os.read(descriptor, LARGEST + 1 - size)):
                chunks.append(chunk)
                size += len(chunk)
            data = b"".join(chunks)
            if size > LARGEST:
                raise _Unsuitable(f"larger than {LARGEST} bytes (1 MiB)")
        return data
    finally:
        os.close(descriptor)


def _refuse_irregular(mode: int) -> None:
    kinds = {stat.S_IFREG: "", stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    if kind := kinds.get(stat.S_IFMT(mode), "a device"):
        raise (_Folder if stat.S_ISDIR(mode) else _Unsuitable)(f"not a regular file but {kind}")


class _Unsuitable(Exception):
    """There is something else than a settings file; the text says what."""


class _Folder(_Unsuitable):
    """There is a folder where a file should be."""


_REMEDIES: dict[type[Exception], str] = {
    PermissionError: "let the user that this process runs as read it",
    _Folder: "name the file in it",
}


def _reason(error: OSError | _Unsuitable) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {(error.strerror or type(error).__name__).lower()}"
    return str(error)


def _way_out(layer: FileLayer) -> str:
    return "create it, or name the file to read with config_path=" if layer.name == "base" else "create it"
