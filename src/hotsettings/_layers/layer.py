"""One layer: what it is called, where it is, and reading it into a Document."""

from __future__ import annotations

import errno
import gc
import os
import re
import stat
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import force_setattr

from .._boundary import guarded
from ..errors import Code, LayerError, Origin, OriginKind, Problem
from .toml.keys import Path
from .toml.limits import TOO_LONG, hazard, unfit
from .toml.parser import ParserError, loads
from .toml.positions import Lines, Place, line_column, places

LARGEST = 1024 * 1024
"""Bytes that a layer may have: the limit of a Kubernetes Secret."""

TOO_LARGE = f"larger than {LARGEST} bytes (1 MiB)"

_LARGE = 100_000
"""Bytes from which on a run of the garbage collector takes noticeable time."""

# Non-blocking, or opening a FIFO would wait for its writer; no terminal is taken over. Windows has neither, and would
# translate line ends.
_FLAGS = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))


_LASTING = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR})
"""What the path itself is to blame for. Every other error of reading may pass: no descriptor left, a stale NFS handle, a mode
that is set a moment later."""


StrPath: TypeAlias = str | os.PathLike[str]


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
        """The layer as a whole, or a place in it. What has no label was given in code."""
        kind: OriginKind = "layer" if self.label else "program"
        return Origin(self.name, self.label or None, line, column, self.revision, kind)


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


def file_layers(config: StrPath, secrets: StrPath, override: StrPath | None) -> list[FileLayer]:
    """The three files as layers, in rising precedence."""
    layers = [
        FileLayer(config, name="base"),
        FileLayer(secrets, name="secrets", required=False, secret=True),
    ]
    if override is not None:
        layers.append(FileLayer(override, name="override"))
    return layers


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
        if not self.layer.label:
            return self.layer.origin()
        return self.layer.origin(*self._lines.place(offset))

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self.text)


class Unreadable(Struct, frozen=True):
    """A layer that could not be read or parsed, and why.

    ``offset`` is the place of the mistake in ``text``. The text is empty if there is no line to show.
    """

    layer: Layer
    problem: Problem
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
        return Unreadable(layer, error.problems[0])
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
        return Problem("", "no such file", layer.origin(), _way_out(layer), "missing-file")
    except OSError as error:
        return _failure(layer, error) if error.errno in _LASTING else error.with_traceback(None)
    except _Unsuitable as error:
        return _failure(layer, error)


def _failure(layer: FileLayer, error: OSError | _Unsuitable) -> Problem:
    if isinstance(error, _Unsuitable):
        return Problem("", str(error), layer.origin(), error.hint, error.code)
    message = f"cannot be read: {(error.strerror or type(error).__name__).lower()}"
    hint = "let the user that this process runs as read it" if isinstance(error, PermissionError) else ""
    return Problem("", message, layer.origin(), hint, "unreadable")


def _parsed(layer: Layer, data: bytes) -> Document | Unreadable:
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return _undecodable(layer, data, error.start)
    danger = hazard(text)
    if danger is not None:
        return _unparsable_at(layer, text, danger.offset, danger.reason, "unsupported-toml")
    try:
        values = loads(text)
    except ParserError as error:
        if error.offset is None:
            return _unrepresentable(layer, text)
        return _unparsable_at(layer, text, error.offset, error.message, error.code, _slip(text, error.offset))
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
            gc.enable()


def _contents(path: str) -> bytes:
    """Read a regular file of at most LARGEST bytes. Raises OSError, or _Unsuitable with the reason."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:
        _refuse_irregular(os.stat(path).st_mode)  # a socket cannot be opened at all, on Windows a directory neither
        raise
    except ValueError as error:  # a null byte, or what the file system's encoding does not have
        raise _Unsuitable(f"not a path: {error}", "not-a-file") from None
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
                raise _Unsuitable(TOO_LARGE, "too-large")
        return data
    finally:
        os.close(descriptor)


def _refuse_irregular(mode: int) -> None:
    kinds = {stat.S_IFREG: "", stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    if kind := kinds.get(stat.S_IFMT(mode), "a device"):
        hint = "name the file in it" if stat.S_ISDIR(mode) else ""
        raise _Unsuitable(f"not a regular file but {kind}", "not-a-file", hint)


class _Unsuitable(Exception):
    """Raised for anything that is not a settings file. The text says what it is."""

    def __init__(self, message: str, code: Code, hint: str = "") -> None:
        super().__init__(message)
        self.code: Code = code
        self.hint = hint


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
    origin = layer.origin(*line_column(before, len(before)))
    return Unreadable(layer, Problem("", "not UTF-8", origin, "save it as UTF-8", "not-utf8"))


def _unrepresentable(layer: Layer, text: str) -> Unreadable:
    """Point at the value that TOML has and Python has not: a 60th second, the year 0, an integer of 5,000 digits."""
    values = (place.value for _, place in places(text))
    start, end = next(filter(lambda value: _cannot_be(text[slice(*value)]), values), (0, 0))
    clock = "-" in text[start + 1 : end] or ":" in text[start:end]
    reason = "a date or time that Python does not have" if clock else TOO_LONG
    return _unparsable_at(layer, text, start, reason, "unsupported-toml")


def _cannot_be(written: str) -> bool:
    if written[0] in "+-0123456789":
        try:
            loads(f"x={written}")
        except ParserError as error:
            return error.offset is None  # else it is a key, not a value
    return False


def _misfit(document: Document, path: Path, reason: str) -> Unreadable:
    place = document.locate([path]).get(path)
    return _unparsable_at(document.layer, document.text, place.value[0] if place else 0, reason, "unsupported-toml")


def _unparsable_at(layer: Layer, text: str, offset: int, message: str, code: Code, hint: str = "") -> Unreadable:
    return Unreadable(layer, Problem("", message, layer.origin(*line_column(text, offset)), hint, code), text, offset)
