"""Layers become documents. What a folder and the values of a program mean depends on the settings class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import replace

from .._boundary import guarded
from .._layers.file import FileLayer
from .._layers.file import read as read_file
from .._layers.folder import Folder, FolderDocument, FolderLayer, Spot, fetch_folder, label_of, printable
from .._layers.layer import CollectorPaused, Document, Layer, Unreadable, origin_of, parse
from .._layers.toml.keys import Path, Values, dotted, quoted, written
from .._layers.toml.limits import unfit
from .._layers.values import ValuesLayer, thawed
from .._schema.schema import Schema
from ..errors import Code, LayerError, Origin, Problem
from .plain import plain_values

if TYPE_CHECKING:
    from .key_files import KeyFiles

_BEFORE = "x="
"""Put before the content of a key file, this makes a TOML document of it."""


def read(schema: Schema, layer: Layer, collector: CollectorPaused | None = None) -> Document | Unreadable:
    """Read and parse a layer. If it is large, keep the ``collector`` paused from then on. Raises UnforeseenError."""
    if isinstance(layer, FolderLayer):
        from .key_files import KeyFiles  # slow to import, and only folders need it

        keys = KeyFiles(schema)
        try:
            folder = fetch_folder(layer, keys.is_key)
        except LayerError as error:
            return Unreadable(layer, error.problems[0])
        return folder_document(keys, layer, folder)
    if isinstance(layer, ValuesLayer):
        return values_document(schema, layer)
    assert isinstance(layer, FileLayer)
    return read_file(layer, collector)


def whole(layer: Layer) -> Document | Unreadable:
    """Read a layer for a class that is not known: a file as ``read`` does, a folder with all of its files as strings."""
    if not isinstance(layer, FolderLayer):
        assert isinstance(layer, FileLayer)
        return read_file(layer)
    try:
        folder = fetch_folder(layer, lambda name: True)
    except LayerError as error:
        return Unreadable(layer, error.problems[0])
    files = folder.files if folder is not None else {}
    values = {name: data.decode(errors="replace").strip() for name, data in files.items() if isinstance(data, bytes)}
    return Document(layer, "", values)


def values_document(schema: Schema, layer: ValuesLayer) -> Document | Unreadable:
    """Make a document of values that the program has. Raises UnforeseenError."""
    return guarded([origin_of(layer)], _values_document, schema, layer)


def _values_document(schema: Schema, layer: ValuesLayer) -> Document | Unreadable:
    values, problems = plain_values(schema, thawed(layer.values), origin_of(layer))
    failed = [Unreadable(layer, problem) for problem in problems]
    return replace(failed[0], others=tuple(failed[1:])) if failed else Document(layer, "", values)


def folder_document(keys: KeyFiles, layer: FolderLayer, folder: Folder | None) -> Document | Unreadable:
    """Make a document of what was read of a folder. Raises UnforeseenError."""
    return guarded([origin_of(layer)], _folder_document, keys, layer, folder)


def _folder_document(keys: KeyFiles, layer: FolderLayer, folder: Folder | None) -> Document | Unreadable:
    if folder is None:
        return Document(layer, "", {}, missing=True)
    parser = _FolderParser(keys, layer)
    for name in sorted(folder.files, key=lambda name: len(keys.path_of(name) or ())):  # tables before what is in them
        parser.add(name, folder.files[name])
    return parser.document(tuple(_ignored(keys, layer, name) for name in folder.ignored))


def _ignored(keys: KeyFiles, layer: FolderLayer, name: str) -> Problem:
    origin = Origin(layer.name, label_of(layer, name))
    return Problem(printable(name), "no key, ignored", origin, keys.hint(name), "unknown-key")


class _FolderParser:
    """Parses the files of a folder, puts their values together, and collects what is wrong."""

    def __init__(self, keys: KeyFiles, layer: FolderLayer) -> None:
        self._keys = keys
        self._layer = layer
        self._values: Values = {}
        self._names: dict[Path, str] = {}
        """The name of the file that sets each path."""
        self._text: list[str] = []
        self._size = 0
        self._spots: list[Spot] = []
        self._failed: list[Unreadable] = []

    def document(self, ignored: tuple[Problem, ...]) -> Document | Unreadable:
        """Return all of it as a document, or everything that is wrong."""
        if self._failed:
            return replace(self._failed[0], others=tuple(self._failed[1:]))
        document = FolderDocument(
            self._layer, "".join(self._text), self._values, spots=tuple(self._spots), ignored=ignored
        )
        if (misfit := unfit(self._values)) is None:
            return document
        path, reason = misfit
        place = document.locate([path]).get(path)
        origin = document.origin(place.key[0]) if place else origin_of(self._layer)
        return Unreadable(self._layer, Problem("", reason, origin, code="unsupported-toml"))

    def add(self, name: str, data: bytes | Problem) -> None:
        """Add the value in a file, or note what is wrong with it."""
        path = self._keys.path_of(name)
        assert path is not None
        if isinstance(data, Problem):
            self._failed.append(Unreadable(self._layer, replace(data, key=dotted(path))))
            return
        try:
            content = data.decode().removeprefix("\ufeff")
        except UnicodeDecodeError:
            problem = Problem(dotted(path), "not UTF-8", self._origin(name), "save it as UTF-8", "not-utf8")
            self._failed.append(Unreadable(self._layer, problem))
            return
        string, inner = _less_one_line_end(content), content.strip()
        reading = self._keys.reading(path, string)
        if not inner or reading == "string":
            self._put(name, path, string, quoted(string), content, None)
            return
        parsed = parse(self._layer, f"{_BEFORE}{inner}".encode())
        skipped = len(content) - len(content.lstrip())
        if isinstance(parsed, Document) and parsed.values.keys() == {"x"}:
            self._put(name, path, parsed.values["x"], inner, content, skipped)
        elif reading == "either":  # a string that is not allowed: decoding says which ones are
            self._put(name, path, string, quoted(string), content, None)
        elif isinstance(parsed, Document):
            self._broken(name, path, "more than one value", "a file holds the value of its key alone", content, skipped)
        else:
            offset = min(max(0, parsed.offset - len(_BEFORE)) + skipped, len(content))
            hint = parsed.problem.hint or "the key takes no string, so write its value as in TOML"
            code, rewrite = parsed.problem.code, parsed.rewrite
            self._broken(name, path, parsed.problem.message, hint, content, offset, code, rewrite)

    def _origin(self, name: str, line: int | None = None, column: int | None = None) -> Origin:
        return Origin(self._layer.name, label_of(self._layer, name), line, column)

    def _broken(
        self,
        name: str,
        path: Path,
        message: str,
        hint: str,
        content: str,
        at: int,
        code: Code | Literal[""] = "invalid-toml",
        rewrite: str = "",
    ) -> None:
        from .._layers.toml.positions import line_column

        problem = Problem(dotted(path), message, self._origin(name, *line_column(content, at)), hint, code)
        # The text becomes an excerpt in the error, which must show no secret.
        text = "" if self._keys.is_secret(path) else content
        self._failed.append(Unreadable(self._layer, problem, text, at, rewrite))

    def _put(self, name: str, path: Path, value: Any, text: str, content: str, skipped: int | None) -> None:
        upwards = (path[:end] for end in range(1, len(path) + 1))
        other = next((self._names[each] for each in upwards if each in self._names), None)
        if other is not None:
            message = f"{printable(other)} and {printable(name)} set the same key"
            problem = Problem(
                dotted(path), message, self._origin(name), "remove one of the two files", "conflicting-keys"
            )
            self._failed.append(Unreadable(self._layer, problem))
            return
        self._names[path] = name
        table = self._values
        *tables, last = map(str, path)
        for part in tables:
            table = table.setdefault(part, {})
        table[last] = value
        key = ".".join(map(written, [*tables, last]))
        at, value_at = self._size, self._size + len(key) + 1
        self._spots.append(Spot(at, value_at, label_of(self._layer, name), content, skipped))
        self._text.append(f"{key}={text}\n")
        self._size = value_at + len(text) + 1


def _less_one_line_end(content: str) -> str:
    return content.removesuffix("\r\n") if content.endswith("\r\n") else content.removesuffix("\n")
