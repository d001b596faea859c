"""One layer, and what is read of it: a Document with text and values, or the reason why there is none."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from .._boundary import guarded
from ..errors import Code, Origin, OriginKind, Problem
from .toml.keys import Path
from .toml.limits import TOO_LONG, hazard, unfit
from .toml.parser import ParserError, loads
from .toml.values import Written, toml

if TYPE_CHECKING:
    from .toml.positions import Lines, Place

LARGEST = 1024 * 1024
"""Most bytes that a layer may have. A Kubernetes Secret has the same limit."""

TOO_LARGE = f"larger than {LARGEST} bytes (1 MiB)"

_NO_TIME = "a date or time that Python does not have"
_WAYS_OUT = {
    TOO_LONG: "put it in quotes if it is no number to count with",
    _NO_TIME: "seconds go from 0 to 59, and years from 1 to 9999",
}
"""Hints for what is valid TOML, but beyond a limit."""

_LARGE = 100_000
"""Bytes of a layer from which on the garbage collector takes noticeable time to scan its values."""


_OTHER_BASE = re.compile(r"0[xob][\da-fA-F_]+")


# The modules of public layers do not postpone the evaluation of annotations: help() and inspect.signature would look for
# the names in the module that the classes say they are from.
class Layer(Struct, frozen=True, kw_only=True):
    """One source of values: a file, a folder, a key of a store, or values that the program has.

    Args:
        name: The name of the layer. The layers of one object have different names.
        label: How errors name the layer. Empty if it is not read from anywhere, because the program has the values.
        required: Whether it is an error if the layer is missing.
        secret: Whether no value of this layer may be shown.
    """

    name: str = ""
    label: str = ""
    required: bool = True
    secret: bool = False


class RevisionLayer(Layer, frozen=True, kw_only=True):
    """A layer in a store.

    Args:
        revision: The revision of the document that was read. Errors name it, too.
    """

    revision: int | None = None


def origin_of(layer: Layer, line: int | None = None, column: int | None = None) -> Origin:
    """Return the origin of a value or problem: the layer as a whole, or a place in it."""
    kind: OriginKind = "layer" if layer.label else "program"
    return Origin(layer.name, layer.label or None, line, column, revision_of(layer), kind)


def revision_of(layer: Layer) -> int | None:
    """Return the revision that was read of a layer in a store."""
    return layer.revision if isinstance(layer, RevisionLayer) else None


class Document(Struct, frozen=True, dict=True):
    """A layer as it was read.

    Args:
        layer: The layer.
        text: Its text; empty if the layer is missing, and for values given in code.
        values: The values that were parsed from the text.
        missing: Whether the layer is optional and missing.
        former: The keys that the text has in the place of present ones, by the paths of these.
    """

    layer: Layer
    text: str
    values: dict[str, Any]
    missing: bool = False
    former: dict[Path, str] = {}

    def __repr__(self) -> str:
        return f"Document({self.layer.label or self.layer.name!r})"  # its content may be secret

    def __rich_repr__(self) -> Iterator[str]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        yield self.layer.label or self.layer.name

    def locate(self, paths: Iterable[Path]) -> dict[Path, Place]:
        """Find where each of these paths is written first. Paths that are not in the document are left out."""
        from .toml.positions import (
            places,  # slow to import, as are the others of this module, and only errors need them
        )

        wanted = {self._in_text(path): path for path in paths}
        found: dict[Path, Place] = {}
        for path, place in places(self.text, set(wanted)) if wanted else ():
            if path in wanted:
                found[wanted.pop(path)] = place
                if not wanted:
                    break
        return found

    def _in_text(self, path: Path) -> Path:
        """Return a path as the text has it."""
        if not self.former:
            return path
        return tuple(self.former.get(path[: end + 1], part) for end, part in enumerate(path))

    def written(self, path: Path, value: Any) -> str:
        """Return the value at a path as TOML, integers in hexadecimal, octal or binary as the text has them; "" if it has none."""
        return toml(self._as_written(path, value)) if self._other_bases else ""

    def _as_written(self, path: Path, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._as_written((*path, key), item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._as_written((*path, index), item) for index, item in enumerate(value)]
        text = self._other_bases.get((_array_of(self._in_text(path)), value)) if type(value) is int else None
        return value if text is None else Written(text)

    @cached_property
    def _other_bases(self) -> dict[tuple[Path, int], str]:
        """The integers that are not written in decimal. Those of an array have its path: shown sets have another order."""
        if _OTHER_BASE.search(self.text) is None:
            return {}
        from .toml.positions import places

        written = ((path, self.text[slice(*place.value)]) for path, place in places(self.text))
        return {(_array_of(path), int(text, 0)): text for path, text in written if _OTHER_BASE.fullmatch(text)}

    def origin(self, offset: int) -> Origin:
        """Return the origin for an offset into the text."""
        if not self.layer.label:
            return origin_of(self.layer)
        return origin_of(self.layer, *self._lines.place(offset))

    def excerpt(self, start: int, end: int) -> tuple[str, ...]:
        """Return the line at these offsets with carets below them."""
        from .toml.excerpts import excerpt

        return excerpt(self.text, start, end)

    @cached_property
    def _lines(self) -> Lines:
        from .toml.positions import Lines

        return Lines(self.text)


class Unreadable(Struct, frozen=True):
    """A layer that could not be read or parsed, and why.

    Args:
        layer: The layer.
        problem: What is wrong and where, and a hint on what to do about it.
        text: The text of the layer; empty if there is no line to show.
        offset: Where the mistake is in the text, in characters.
        rewrite: A hint that quotes the text. It takes the place of the other one if the line may be shown.
        path: The key that is to blame, if it is known. A key inside a secret is a part of it.
        others: What else is wrong in a layer of several texts.
    """

    layer: Layer
    problem: Problem
    text: str = ""
    offset: int = 0
    rewrite: str = ""
    path: Path = ()
    others: tuple[Unreadable, ...] = ()

    def __repr__(self) -> str:
        return f"Unreadable({self.layer.label or self.layer.name!r})"

    def __rich_repr__(self) -> Iterator[str]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        yield self.layer.label or self.layer.name


def _array_of(path: Path) -> Path:
    """Return the path of the outermost array around an element, or the path itself."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return path


def in_memory(values: dict[str, Any]) -> Document:
    """Return values given in code as a document, which has no file."""
    return Document(Layer(name="values"), "", values)


def parse(layer: Layer, data: bytes) -> Document | Unreadable:
    """Parse the bytes of a layer. Raises UnforeseenError if this package fails."""
    if len(data) < _LARGE:
        return guarded([origin_of(layer)], _parsed, layer, data)
    with CollectorPaused(len(data)):
        return guarded([origin_of(layer)], _parsed, layer, data)


def _parsed(layer: Layer, data: bytes) -> Document | Unreadable:
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return _undecodable(layer, data, error.start)
    danger = hazard(text)
    if danger is not None:
        return _unsupported(layer, text, danger.offset, danger.reason)
    try:
        values = loads(text)
    except ParserError as error:
        if error.offset is None:
            return _unrepresentable(layer, text)
        return _not_toml(layer, text, error, error.offset)
    document = Document(layer, text, values)
    misfit = unfit(values)
    return document if misfit is None else _misfit(document, *misfit)


class CollectorPaused:
    """Pauses the garbage collector while large layers are parsed, merged and decoded.

    The collector would scan the new values again and again, for longer than the parser takes, and find no garbage. For
    small layers it is not paused.

    Args:
        size: The size of the layers, in bytes or characters, if it is known from the start.
    """

    __slots__ = ("_paused", "_size")

    def __init__(self, size: int = 0) -> None:
        self._size = size
        self._paused = False

    def expect(self, size: int) -> None:
        """Pause the collector from now on if a layer of this size is large."""
        if size >= _LARGE and gc.isenabled():
            self._paused = True
            gc.disable()

    def __enter__(self) -> CollectorPaused:
        self.expect(self._size)
        return self

    def __exit__(self, *_: object) -> None:
        if self._paused:
            # All new objects become old ones without being scanned. Otherwise each of the next three collections would
            # scan the new values. Objects that the application has frozen must stay frozen.
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _not_toml(layer: Layer, text: str, error: ParserError, offset: int) -> Unreadable:
    from .toml.mistakes import recognise, repeated  # slow to import, and only errors need it

    if error.code == "duplicate-key" and (found := repeated(text, offset)) is not None:
        line, _ = _place(text, found.first)
        message = f"not valid TOML: duplicate key, first on line {line}"
        unreadable = _unparsable_at(layer, text, found.again, message, error.code, "keep it in one place")
        return replace(unreadable, path=found.path)
    mistake = None if error.code == "no-parser" else recognise(text, offset)
    if mistake is None:
        return _unparsable_at(layer, text, offset, error.message + error.note, error.code)
    message = f"not valid TOML: {mistake.message}{error.note}"
    return replace(_unparsable_at(layer, text, offset, message, error.code, mistake.hint), rewrite=mistake.rewrite)


def _undecodable(layer: Layer, data: bytes, at: int) -> Unreadable:
    before = data[:at].decode().removeprefix("\ufeff")
    origin = origin_of(layer, *_place(before, len(before)))
    return Unreadable(layer, Problem("", "not UTF-8", origin, "save it as UTF-8", "not-utf8"))


def _unrepresentable(layer: Layer, text: str) -> Unreadable:
    """Find the value that is valid TOML, but that Python cannot represent: a 60th second, the year 0, 5,000 digits."""
    from .toml.positions import places

    values = (place.value for _, place in places(text))
    start, end = next(filter(lambda value: _cannot_be(text[slice(*value)]), values), (0, 0))
    clock = "-" in text[start + 1 : end] or ":" in text[start:end]
    return _unsupported(layer, text, start, _NO_TIME if clock else TOO_LONG)


def _cannot_be(written: str) -> bool:
    if written[0] in "+-0123456789":
        try:
            loads(f"x={written}")
        except ParserError as error:
            return error.offset is None  # otherwise this is a key and not a value
    return False


def _misfit(document: Document, path: Path, reason: str) -> Unreadable:
    place = document.locate([path]).get(path)
    return _unsupported(document.layer, document.text, place.value[0] if place else 0, reason)


def _unsupported(layer: Layer, text: str, offset: int, reason: str) -> Unreadable:
    return _unparsable_at(layer, text, offset, reason, "unsupported-toml", _WAYS_OUT.get(reason, "nest less deeply"))


def _unparsable_at(layer: Layer, text: str, offset: int, message: str, code: Code, hint: str = "") -> Unreadable:
    return Unreadable(layer, Problem("", message, origin_of(layer, *_place(text, offset)), hint, code), text, offset)


def _place(text: str, offset: int) -> tuple[int, int]:
    from .toml.positions import line_column

    return line_column(text, offset)
