"""One layer: what it is called, where it is, and reading it into a Document."""

from __future__ import annotations

import errno
import gc
import os
import re
import stat
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import force_setattr

from .._boundary import guarded
from ..errors import LayerError, Origin, Problem, SettingsError
from .toml.keys import Path
from .toml.limits import TOO_LONG, hazard, unfit
from .toml.parser import ParserError, loads
from .toml.positions import Lines, Place, line_column, places

LARGEST = 1024 * 1024
"""Bytes that a layer may have: the limit of a Kubernetes Secret."""

_LARGE = 100_000
"""Bytes from which on a run of the garbage collector takes noticeable time."""

# Non-blocking, or opening a FIFO would wait for its writer; no terminal is taken over. Windows has neither, and would
# translate line ends.
_FLAGS = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))


_LASTING = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR})
"""What the path itself is to blame for. Every other error of reading may pass: no descriptor left, a stale NFS handle, a mode
that is set a moment later."""


class Layer(Struct, frozen=True, kw_only=True):
    """One source of values: a TOML document, in a file (``FileLayer``) or in a store.

    ``label`` is what errors call it, together with the ``revision`` where there is one. A layer that is not ``required`` may
    be missing. Nothing that a ``secret`` layer holds is ever shown.
    """

    name: str = ""
    label: str = ""
    required: bool = True
    secret: bool = False
    revision: int | None = None

    def origin(self, line: int | None = None, column: int | None = None) -> Origin:
        """The layer as a whole, or a place in it."""
        return Origin(self.name, self.label or None, line, column, self.revision)


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


class Document(Struct, frozen=True, dict=True):
    """A layer as it was read: its text, and the values parsed from it. A missing one has no values."""

    layer: Layer
    text: str
    values: dict[str, Any]
    missing: bool = False

    def __repr__(self) -> str:
        return f"Document({self.layer.label or self.layer.name!r})"  # what is in it may be secret

    def __rich_repr__(self) -> Iterator[str]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        yield self.layer.label or self.layer.name

    def locate(self, paths: Iterable[Path]) -> dict[Path, Place]:
        """Find where these paths are written first; one that this document does not hold is left out."""
        wanted = set(paths)
        found: dict[Path, Place] = {}
        for path, place in places(self.text, wanted) if wanted else ():
            if path in wanted:
                found[path] = place
                wanted.remove(path)
                if not wanted:
                    break
        return found

    def origin(self, offset: int) -> Origin:
        """The place at this offset into the text."""
        if not self.layer.label:  # values given in code
            return Origin(self.layer.name)
        return self.layer.origin(*self._lines.place(offset))

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self.text)


class Unreadable(Struct, frozen=True):
    """A layer that could not be read or parsed, and why.

    ``offset`` is the place of the mistake in ``text``. The text is empty if there is no line to show.
    """

    layer: Layer
    origin: Origin
    message: str
    hint: str = ""
    text: str = ""
    offset: int = 0

    def __repr__(self) -> str:
        return f"Unreadable({self.layer.label or self.layer.name!r})"

    def __rich_repr__(self) -> Iterator[str]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        yield self.layer.label or self.layer.name


def given(values: dict[str, Any]) -> Document:
    """Values given in code, as a document that has no file."""
    return Document(Layer(name="values"), "", values)


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


def unreadable(layer: Layer, error: SettingsError) -> Unreadable:
    """Turn the error of a layer into the layer's result."""
    problem = error.problems[0]
    return Unreadable(layer, problem.origin, problem.message, problem.hint)


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


def parse(layer: Layer, data: bytes) -> Document | Unreadable:
    """Parse the bytes of a layer. Raises UnforeseenError."""
    if len(data) < _LARGE:
        return guarded([layer.origin()], _parsed, layer, data)
    with CollectorPaused(len(data)):
        return guarded([layer.origin()], _parsed, layer, data)


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


def _parsed(layer: Layer, data: bytes) -> Document | Unreadable:
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return _undecodable(layer, data, error.start)
    danger = hazard(text)
    if danger is not None:
        return _unparsable_at(layer, text, danger.offset, danger.reason)
    try:
        values = loads(text)
    except ParserError as error:
        if error.offset is None:
            return _unrepresentable(layer, text)
        return _unparsable_at(layer, text, error.offset, error.message, _slip(text, error.offset))
    document = Document(layer, text, values)
    misfit = unfit(values)
    return document if misfit is None else _misfit(document, *misfit)


class CollectorPaused:
    """Pauses the garbage collector while large layers are parsed, merged and decoded.

    It would scan the new values again and again, for longer than the parser takes, and find no garbage.

    Args:
        size: The size of the layers, in bytes or characters, if it is known from the start. For small layers nothing is
            paused.
    """

    __slots__ = ("_paused", "_size")

    def __init__(self, size: int = 0) -> None:
        self._size = size
        self._paused = False

    def expect(self, size: int) -> None:
        """Pause it from now on, if a layer of this size is a large one."""
        if size >= _LARGE and gc.isenabled():
            self._paused = True
            gc.disable()

    def __enter__(self) -> CollectorPaused:
        self.expect(self._size)
        return self

    def __exit__(self, *_: object) -> None:
        if self._paused:
            # All that is young becomes old without a look at it, or the next three collections would each look at the new
            # values. Where the application itself has frozen something, that has to stay so.
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


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


def _slip(text: str, offset: int) -> str:
    """What was probably meant, where Python or YAML was written."""
    found = re.compile(r"\w+").match(text, offset)
    word = found[0].lower() if found else ""
    if word in ("none", "null", "nil"):
        return "TOML has no null: leave the key out"
    return "write true or false" if word in ("true", "false", "yes", "no", "on", "off") else ""


def _way_out(layer: FileLayer) -> str:
    return "create it, or name the file to read with config_path=" if layer.name == "base" else "create it"


def _undecodable(layer: Layer, data: bytes, at: int) -> Unreadable:
    before = data[:at].decode().removeprefix("\ufeff")
    return Unreadable(layer, layer.origin(*line_column(before, len(before))), "not UTF-8", "save it as UTF-8")


def _unrepresentable(layer: Layer, text: str) -> Unreadable:
    """Point at the value that TOML has and Python has not: a 60th second, the year 0, an integer of 5,000 digits."""
    values = (place.value for _, place in places(text))
    start, end = next(filter(lambda value: _cannot_be(text[slice(*value)]), values), (0, 0))
    clock = "-" in text[start + 1 : end] or ":" in text[start:end]
    return _unparsable_at(layer, text, start, "a date or time that Python does not have" if clock else TOO_LONG)


def _cannot_be(written: str) -> bool:
    if written[0] in "+-0123456789":
        try:
            loads(f"x={written}")
        except ParserError as error:
            return error.offset is None  # else it is a key, not a value
    return False


def _misfit(document: Document, path: Path, reason: str) -> Unreadable:
    place = document.locate([path]).get(path)
    return _unparsable_at(document.layer, document.text, place.value[0] if place else 0, reason)


def _unparsable_at(layer: Layer, text: str, offset: int, message: str, hint: str = "") -> Unreadable:
    return Unreadable(layer, layer.origin(*line_column(text, offset)), message, hint, text, offset)
