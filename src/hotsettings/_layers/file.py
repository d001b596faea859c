"""A layer in a file, and reading that file within limits.

Anything may be at the path: a FIFO, a socket, a device, a gigabyte. None of it blocks the reader or fills its memory.
"""

import errno
import os
import stat
from typing import Any, TypeAlias

from msgspec.structs import force_setattr

from .._boundary import guarded
from ..errors import Code, LayerError, Problem
from .layer import LARGEST, TOO_LARGE, CollectorPaused, Document, Layer, Unreadable, origin_of, parse

# Without O_NONBLOCK, opening a FIFO would wait for a writer. Without O_NOCTTY, a terminal could become the controlling
# one of this process. Windows lacks both, and translates line ends unless O_BINARY is set.
_FLAGS = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))

NAME_THE_BASE = "create it, or name the file to read with config_path="
_LASTING_ERRORS = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR})
"""Errors that last as long as the path is what it is. All others may pass: no free descriptor, a stale NFS handle, a
mode that is set a moment later."""

_KINDS = {
    stat.S_IFREG: "",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}


StrPath: TypeAlias = str | os.PathLike[str]


class FileLayer(Layer, frozen=True):
    """A layer in a file: ``FileLayer("secrets.toml", secret=True, required=False)``.

    Attributes:
        path: The path of the file. A relative path is taken from the working directory.
        name: How ``status.layers`` and ``explain`` name the layer. By default the name of the file.
        label: How errors name the layer. By default the path.
        required: Whether it is an error if there is no such file. By default it is.
        secret: Whether nothing in the layer may be shown. By default it may.
    """

    __module__ = "hotsettings"

    path: StrPath

    def __post_init__(self) -> None:
        complete_names(self)


def complete_names(layer: Any) -> None:
    """Give a layer with a path the label and the name that it has by default."""
    path = os.fsdecode(layer.path)
    name = os.path.basename(path.rstrip(os.sep)) or path
    for field, value in (("path", path), ("label", str(layer.label or path)), ("name", layer.name or name)):
        force_setattr(layer, field, value)


class _NoSettingsFile(Exception):
    """There is something else at the path. The text says what."""

    def __init__(self, message: str, code: Code, hint: str = "") -> None:
        super().__init__(message)
        self.code: Code = code
        self.hint = hint


def read(layer: FileLayer, collector: CollectorPaused | None = None) -> Document | Unreadable:
    """Read and parse a layer. If it is large, keep the ``collector`` paused from then on. Raises UnforeseenError."""
    try:
        data = fetch(layer)
    except LayerError as error:
        return Unreadable(layer, error.problems[0])
    if data is None:
        return Document(layer, "", {}, missing=True)
    if collector is not None:
        collector.expect(len(data))
    return parse(layer, data)


def fetch(layer: FileLayer) -> bytes | None:
    """Read the bytes of a layer. None if it is optional and missing. Raises LayerError or UnforeseenError."""
    try:
        return fetch_once(layer)
    except OSError as error:
        failed = read_error(layer, error)
    raise failed


def fetch_once(layer: FileLayer) -> bytes | None:
    """Read the bytes of a layer, like ``fetch``, but leave it to the caller to try again.

    Raises:
        OSError: The file cannot be read, which may pass.
        LayerError: There is no settings file at this path.
        UnforeseenError: This package has failed.
    """
    fetched = guarded([origin_of(layer)], _fetched, layer)
    if isinstance(fetched, OSError):
        raise fetched
    if isinstance(fetched, Problem):
        raise LayerError([fetched])
    return fetched


def read_error(layer: Layer, error: OSError) -> LayerError:
    """Return the error that says why a layer cannot be read."""
    return LayerError([_problem(layer, error)])


def irregular(mode: int) -> str:
    """Say what is at a path instead of a regular file, such as "a FIFO". Empty for a regular file."""
    return _KINDS.get(stat.S_IFMT(mode), "a device")


def _fetched(layer: FileLayer) -> bytes | Problem | OSError | None:
    try:
        return _contents(os.fsdecode(layer.path))
    except FileNotFoundError:
        if not layer.required:
            return None
        return missing(layer, "file", NAME_THE_BASE)
    except OSError as error:
        return _problem(layer, error) if error.errno in _LASTING_ERRORS else error.with_traceback(None)
    except _NoSettingsFile as error:
        return _problem(layer, error)


def _problem(layer: Layer, error: OSError | _NoSettingsFile) -> Problem:
    if isinstance(error, _NoSettingsFile):
        return Problem("", str(error), origin_of(layer), error.hint, error.code)
    message = f"cannot be read: {(error.strerror or type(error).__name__).lower()}"
    hint = "let the user that this process runs as read it" if isinstance(error, PermissionError) else ""
    return Problem("", message, origin_of(layer), hint, "unreadable")


def _contents(path: str) -> bytes:
    """Read a regular file of at most LARGEST bytes. Raises OSError, or _NoSettingsFile with the reason."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:
        _refuse_irregular(os.stat(path).st_mode)  # a socket cannot be opened, and on Windows neither can a directory
        raise
    except ValueError as error:  # a null byte, or a character that the encoding of the file system lacks
        raise _NoSettingsFile(f"not a path: {error}", "not-a-file") from None
    try:
        status = os.fstat(descriptor)
        _refuse_irregular(status.st_mode)
        # One byte more than its size: if that is read, the file is growing. Otherwise no second read is needed.
        data = os.read(descriptor, min(status.st_size, LARGEST) + 1)
        if len(data) != status.st_size or len(data) > LARGEST:
            chunks, size = [data], len(data)
            while size <= LARGEST and (chunk := os.read(descriptor, LARGEST + 1 - size)):
                chunks.append(chunk)
                size += len(chunk)
            data = b"".join(chunks)
            if size > LARGEST:
                raise _NoSettingsFile(TOO_LARGE, "too-large")
        return data
    finally:
        os.close(descriptor)


def _refuse_irregular(mode: int) -> None:
    if kind := irregular(mode):
        hint = "name the file in it" if stat.S_ISDIR(mode) else ""
        raise _NoSettingsFile(f"not a regular file but {kind}", "not-a-file", hint)


def missing(layer: Any, kind: str, hint: str = "") -> Problem:
    """Return the problem that there is no file or folder at the path of a layer.

    Args:
        layer: The layer. Its path may have become absolute since it was named.
        kind: What should be there.
        hint: What to do about it if the layer is the base file.
    """
    message, path = f"no such {kind}", os.path.abspath(layer.path)
    below = os.sep + os.path.normpath(layer.label)
    if not os.path.isabs(layer.label) and path.endswith(below):
        message += f" in {path.removesuffix(below) or os.sep}"
    if layer.label.startswith("~"):
        hint = "a ~ is not expanded: write the whole path, or use os.path.expanduser"
    elif layer.name != "base":
        hint = ""
    return Problem("", message, origin_of(layer), hint or "create it", "missing-file")
