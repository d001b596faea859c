"""Which layer a value comes from, and what the other layers say about its key."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .._boundary import guarded
from .._layers.layer import origin_of
from .._layers.toml.keys import ABSENT, Path, Values, dotted, follow
from .._layers.toml.parser import ParserError, loads
from .._layers.toml.spelling import closest
from .._layers.toml.values import toml
from .._schema.masking import HIDDEN
from .._schema.schema import Leaf, Schema, as_values
from .._schema.shape import Part, in_order, masked, parts_of
from ..errors import DEFAULT, KEPT, Origin
from .load import Loaded
from .merge import Winner, trace, winners

NOT_SET = "no layer sets it, and it has no default"

_LONGEST_KEY = 1000

_PART = re.compile(r"""[ \t]*([\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*((?:\[\d{1,7}\])*)[ \t]*(\.?)""", re.ASCII)
"""A key, its indices, and the dot before the next one."""


class Entry(Struct, frozen=True):
    """What one layer, or the class, says about a key.

    ``value`` is a plain TOML value, or ``HIDDEN`` in place of a secret. ``live`` says whether it takes part in the result.
    Tables of several layers are merged, so all of them do; of other values, only the winner does. ``text`` is the value as
    TOML, with its integers in the base in which the layer has them.
    """

    value: Any
    origin: Origin
    live: bool
    written: str = ""

    @property
    def text(self) -> str:
        return self.written or toml(self.value)


class Explanation(Struct, frozen=True):
    """Every layer's value for a key, the winner first, the default of the class last. Prints as a table.

    ``kept`` is what is live instead of the winner while a restart is pending.
    """

    __module__ = "hotsettings"

    key: str
    entries: tuple[Entry, ...]
    kept: Entry | None = None

    @property
    def winner(self) -> Entry:
        """What counts, or counts first where tables are merged."""
        return self.entries[0]

    def __str__(self) -> str:
        entries = self.entries if self.kept is None else (*self.entries, self.kept)
        rows = [(e.text, *columns(e.origin)) for e in entries]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        marks = ["→" if entry.live else " " for entry in entries]
        lines = (
            f"  {mark} {value:<{widths[0]}}  {layer:<{widths[1]}}  {place}".rstrip()
            for mark, (value, layer, place) in zip(marks, rows, strict=True)
        )
        return "\n".join([self.key, *lines])


def columns(origin: Origin) -> tuple[str, str]:
    """Return the layer and the place of an origin, for a table. What is in no file has no place."""
    return (origin.layer, str(origin)) if origin.file else (str(origin), "")


class UnknownKey(ValueError):
    """Raised for a key that settings of a class cannot have. ``near`` is the key that was probably meant."""

    def __init__(self, message: str, near: str | None = None) -> None:
        super().__init__(message)
        self.near = near


def explain(loaded: Loaded, key: str) -> Explanation:
    """Explain a leaf, a table of leaves, or a key inside a mapping.

    Raises ValueError, with a suggestion, for a key that settings of this class cannot have, and KeyError for one inside
    a mapping that no layer sets; UnforeseenError if this package fails.
    """
    path = known_path(loaded.schema, key, _origins_of(loaded))
    explanation = guarded(_origins_of(loaded), _explained, loaded, path)
    if explanation is None:
        raise KeyError(f"{key}: {NOT_SET}")
    return explanation


def _origins_of(loaded: Loaded) -> list[Origin]:
    return [origin_of(document.layer) for document in loaded.documents]


def _explained(loaded: Loaded, path: Path) -> Explanation | None:
    if (derived := loaded.schema.derived_named(path[0])) is not None:
        setting = _derived(loaded, derived)
        return Explanation(setting.key, (Entry(setting.value, setting.origin, live=True),))
    entries = [*_written(loaded, path), *_default(loaded, path)]
    if not entries:
        return None
    leaf = loaded.schema.leaf_of(path)
    if leaf is None or leaf.key not in loaded.pending:
        return Explanation(dotted(path), tuple(entries))
    waiting = tuple(replace(entry, live=False) for entry in entries)
    value = _live(loaded, path)
    if value is ABSENT:
        return Explanation(dotted(path), waiting)
    return Explanation(dotted(path), waiting, Entry(_shown(loaded, path, value), KEPT, live=True))


def _written(loaded: Loaded, path: Path) -> Iterator[Entry]:
    """What the layers say, the highest first."""
    for index, value, live in trace([document.values for document in loaded.documents], path, loaded.schema.merging):
        document = loaded.documents[index]
        place = document.locate([path]).get(path)
        origin = document.origin(place.value[0]) if place else origin_of(document.layer)
        said = as_values(value)  # in code it may be of a type that TOML does not have
        shown = masked(loaded.schema.shape.at(path, document.values), said, document.layer.secret)
        yield Entry(shown, origin, live, document.written(path, shown))


def _default(loaded: Loaded, path: Path) -> Iterator[Entry]:
    """What the class says. A default table lies under what layers write, unless they name another tag."""
    leaf = loaded.schema.leaf_of(path)
    if leaf is not None and (default := _default_of(loaded, leaf)) is not ABSENT:
        value = follow(in_order(leaf.shape, as_values(default)), path[len(leaf.path) :])
        if value is not ABSENT:
            live = not _is_written(loaded, leaf.path)
            if isinstance(default, Struct) and type(default) is type(leaf.value_in(loaded.settings)):
                live = isinstance(value, dict) or not _is_written(loaded, path)
            yield Entry(masked(loaded.schema.shape.at(path), value), DEFAULT, live)
            return
    if not _is_written(loaded, path):
        # A table that nobody writes is default, or kept until a restart. So is a field of a table inside a mapping.
        value = _live(loaded, path)
        if value is not ABSENT:
            yield Entry(_shown(loaded, path, value), DEFAULT, True)
    elif leaf is None and (table := _default_table(loaded, path)):
        yield Entry(masked(loaded.schema.shape.at(path), table), DEFAULT, True)


def _default_of(loaded: Loaded, leaf: Leaf) -> Any:
    """The value of a leaf while no layer writes it, or ABSENT. That depends on which tables around it are written."""
    return leaf.defaults[sum(_is_written(loaded, leaf.path[:end]) for end in range(1, len(leaf.path)))]


def _default_table(loaded: Loaded, path: Path) -> Values:
    """What lies under a table of fields that layers write."""
    table: Values = {}
    for leaf in loaded.schema.leaves_below(path):
        default = _default_of(loaded, leaf)
        if default is not ABSENT and default is not None:
            inner = table
            for part in leaf.path[len(path) : -1]:
                inner = inner.setdefault(part, {})
            inner[leaf.path[-1]] = in_order(leaf.shape, as_values(default))
    return table


def _live(loaded: Loaded, path: Path) -> Any:
    """The live value at a path, or ABSENT."""
    if (leaf := loaded.schema.leaf_of(path)) is not None:
        return follow(in_order(leaf.shape, as_values(leaf.value_in(loaded.settings))), path[len(leaf.path) :])
    return as_values(loaded.schema.leaves_below(path)[0].value_in(loaded.settings, len(path)))


def _is_written(loaded: Loaded, path: Path) -> bool:
    """Whether layers say something of a key that counts."""
    return any(
        counts
        for _, _, counts in trace([document.values for document in loaded.documents], path, loaded.schema.merging)
    )


def _shown(loaded: Loaded, path: Path, value: Any) -> Any:
    """Mask a live value, or a default. What came from a secret layer at the start may be in no document any more."""
    return _masked_at(loaded.hidden, masked(loaded.schema.shape.at(path), value), path)


def _masked_at(hidden: Container[Path], value: Any, path: Path) -> Any:
    """Return a value, which stands at ``path``, with HIDDEN at each of the ``hidden`` paths. None stays."""
    if path in hidden:
        return value if value is None else HIDDEN
    if isinstance(value, dict):
        return {part: _masked_at(hidden, item, (*path, part)) for part, item in value.items()}
    if isinstance(value, list):
        return [_masked_at(hidden, item, (*path, index)) for index, item in enumerate(value)]
    return value


class Setting(Struct, frozen=True):
    """The live value of one key, as a plain TOML value or ``HIDDEN``, and where it is written.

    ``path`` is that of the leaf, or of a value inside it: an entry of a mapping, or a field of a table in an array.
    """

    leaf: Leaf
    path: Path
    value: Any
    origin: Origin
    written: str = ""

    @property
    def key(self) -> str:
        """Dotted, as ``explain`` takes it."""
        return dotted(self.path)

    @property
    def text(self) -> str:
        """The value as TOML, with its integers in the base in which the layer has them."""
        return self.written or toml(self.value)


def _derived(loaded: Loaded, leaf: Leaf) -> Setting:
    """Return a derived value as it may be shown."""
    value = leaf.value_in(loaded.settings)
    secret = leaf.secret or any(
        is_hidden(loaded, part)
        for source in leaf.sources
        for part in parts_of(source.shape, as_values(source.value_in(loaded.settings)), source.path)
    )
    origin = Origin("derived", kind="derived", keys=tuple(source.key for source in leaf.sources))
    return Setting(leaf, leaf.path, HIDDEN if secret and value is not None else _written_as(value), origin)


def _written_as(value: Any) -> Any:
    """Return a value as TOML would have it, or else its text."""
    try:
        return as_values(value)
    except Exception:  # an object of the user's own, that no setting could hold
        return str(value)


def effective(loaded: Loaded, among: Container[Path] | None = None) -> tuple[Setting, ...]:
    """Return what is live, in the order of the class, derived values last. Raises UnforeseenError.

    Only what is ``among`` these paths, if there are any: to find where values are written takes most of the time.
    """
    return guarded(_origins_of(loaded), _effective, loaded, among)


def _effective(loaded: Loaded, among: Container[Path] | None) -> tuple[Setting, ...]:
    return tuple(setting for _, setting in _with_values(loaded, among))


def live_values(loaded: Loaded) -> dict[Path, Any]:
    """Return the values of what ``effective`` returns, unmasked, for comparisons. Raises UnforeseenError."""
    return guarded(_origins_of(loaded), _live_values, loaded)


def _live_values(loaded: Loaded) -> dict[Path, Any]:
    values = {part.path: part.value for _, part in live_parts(loaded)}
    return values | {leaf.path: leaf.value_in(loaded.settings) for leaf in loaded.schema.derived}


def with_values(loaded: Loaded) -> list[tuple[Any, Setting]]:
    """Return what ``effective`` does, each with its value before it was masked, for comparisons. Raises UnforeseenError."""
    return guarded(_origins_of(loaded), lambda: list(_with_values(loaded)))


def _with_values(loaded: Loaded, among: Container[Path] | None = None) -> Iterator[tuple[Any, Setting]]:
    parts = [(leaf, part) for leaf, part in live_parts(loaded) if among is None or part.path in among]
    places = _places(loaded, [(part.path, leaf) for leaf, part in parts])
    documents = {document.layer.name: document for document in loaded.documents}
    for leaf, part in parts:
        shown, origin = HIDDEN if is_hidden(loaded, part) else part.value, places[part.path]
        document = documents.get(origin.layer) if origin.kind == "layer" else None
        written = "" if document is None else document.written(part.path, shown)
        yield part.value, Setting(leaf, part.path, shown, origin, written)
    for leaf in loaded.schema.derived:
        if among is None or leaf.path in among:
            yield leaf.value_in(loaded.settings), _derived(loaded, leaf)


def live_parts(loaded: Loaded) -> Iterator[tuple[Leaf, Part]]:
    """Yield everything that is live, leaf by leaf, unmasked, with the field that each leaf belongs to."""
    for leaf in loaded.schema.leaves:
        value = in_order(leaf.shape, as_values(leaf.value_in(loaded.settings)))
        for part in parts_of(leaf.shape, value, leaf.path):
            yield leaf, part


def is_hidden(loaded: Loaded, part: Part) -> bool:
    """Whether a live value must not be shown: it is declared Secret, or may come from a secret layer."""
    return part.value is not None and (part.hidden or part.path in loaded.hidden or set_by_secrets(loaded, part.path))


def set_by_secrets(loaded: Loaded, path: Path) -> bool:
    """Whether a secret layer says something of a path, even if another layer wins."""
    return any(_says(document.values, path) for document in loaded.documents if document.layer.secret)


def _says(value: Any, path: Path) -> bool:
    """Whether values have something at a path, or a scalar on the way to it, from which a table can be made."""
    for part in path:
        if not isinstance(value, dict | list):
            return value is not ABSENT
        value = follow(value, (part,))
    return value is not ABSENT


def origins(loaded: Loaded) -> dict[str, Origin]:
    """Where each live value is written, by key: of each field, and of each leaf inside mappings and arrays.

    A merged table is written in the highest layer that has it. Raises UnforeseenError.
    """
    return guarded(_origins_of(loaded), _origins, loaded)


def leaves_by_layer(loaded: Loaded) -> Counter[str]:
    """Count the leaves that each layer sets, by its name, and those that have their default. Raises UnforeseenError."""
    return guarded(_origins_of(loaded), lambda: Counter(_layers_of_leaves(loaded)))


def _layers_of_leaves(loaded: Loaded) -> Iterator[str]:
    tree = winners([document.values for document in loaded.documents], loaded.schema.shape)
    for _, part in live_parts(loaded):
        if (winner := _winner(tree, part.path)) is None:
            yield DEFAULT.layer
        else:
            document, written = loaded.documents[winner[0]], winner[1]
            yield (DEFAULT if follow(document.values, written) is ABSENT else origin_of(document.layer)).layer


def _origins(loaded: Loaded) -> dict[str, Origin]:
    wanted: dict[Path, Leaf] = {leaf.path: leaf for leaf in loaded.schema.leaves}
    wanted |= {part.path: leaf for leaf, part in live_parts(loaded)}
    return {dotted(path): origin for path, origin in _places(loaded, wanted.items()).items()}


def _places(loaded: Loaded, wanted: Iterable[tuple[Path, Leaf]]) -> dict[Path, Origin]:
    tree = winners([document.values for document in loaded.documents], loaded.schema.shape)
    found: dict[Path, Origin] = {}
    won: list[dict[Path, Path]] = [{} for _ in loaded.documents]
    for path, leaf in wanted:
        if leaf.key in loaded.pending:
            found[path] = KEPT
        elif (winner := _winner(tree, path)) is None:
            found[path] = DEFAULT
        else:
            index, written = winner
            won[index][path] = written
            found[path] = origin_of(loaded.documents[index].layer)
    for document, paths in zip(loaded.documents, won, strict=True):
        places = document.locate(paths.values())
        for path, written in paths.items():
            if (place := places.get(written)) is not None:
                found[path] = document.origin(place.value[0])
            elif follow(document.values, written) is ABSENT:  # a field that a table in an array leaves out
                found[path] = DEFAULT
    return found


def _winner(tree: dict[str, Winner], path: Path) -> tuple[int, Path] | None:
    """Return the layer that wins a path, and how much of the path it writes: a scalar can become a table."""
    inside: dict[str, Winner] | None = tree
    index = 0
    for end, part in enumerate(path):
        if inside is None:
            return index, path if isinstance(part, int) else path[:end]
        if (winner := inside.get(str(part))) is None:
            return None
        index, inside = winner
    return index, path


def known_path(schema: Schema, key: str, origins: Sequence[Origin] = ()) -> Path:
    """Return the path that a dotted key means. Raises ValueError, with a suggestion, where it can mean none."""
    path = guarded(origins, _meant, schema, key)
    if isinstance(path, UnknownKey):
        raise path
    return path


def _meant(schema: Schema, key: str) -> Path | UnknownKey:
    """Return the path, or the error that there is none."""
    path = parse_key(key)
    if path is not None and (schema.shape.at(path) is not None or path in {leaf.path for leaf in schema.derived}):
        return path
    near = closest(key, schema.followed)
    return UnknownKey(f"{schema.cls.__name__} has no key {key}" + (f"; did you mean {near}?" if near else ""), near)


def parse_key(key: str) -> Path | None:
    """Return the parts of a key, as TOML would read it but with indices (``hosts[2].port``), or None if it is no key."""
    path: list[str | int] = []
    at = 0
    while (part := _PART.match(key, at)) is not None and len(key) <= _LONGEST_KEY:
        try:
            [name] = loads(f"{part[1]} = 0")
        except ParserError:
            return None
        path += [name, *map(int, re.findall(r"\d+", part[2]))]
        if (at := part.end()) == len(key) and not part[3]:
            return tuple(path)
        if not part[3]:
            return None
    return None
