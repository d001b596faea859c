"""Which layer a setting comes from, and what the others say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .errors import Origin
from .keys import Path, closest, dotted
from .load import Loaded
from .merge import ABSENT, Values, follow, trace
from .notation import toml
from .schema import Leaf, Schema, as_values
from .secrecy import HIDDEN


class Entry(Struct, frozen=True):
    """What one layer, or the class, says about a key.

    ``value`` is a plain TOML value, ``secrecy.HIDDEN`` where it is secret. ``live`` tells whether it takes part in the result: a
    table does so together with those of other layers, anything else only where it is the winner.
    """

    value: Any
    origin: Origin
    live: bool


class Explanation(Struct, frozen=True):
    """Every layer's value for a key, the winner first, the default of the class last. Prints as a table.

    ``kept`` is what is live instead of the winner while a restart is pending.
    """

    key: str
    entries: tuple[Entry, ...]
    kept: Entry | None = None

    @property
    def winner(self) -> Entry:
        """What counts, or counts first where tables are merged."""
        return self.entries[0]

    def __str__(self) -> str:
        entries = self.entries if self.kept is None else (*self.entries, self.kept)
        rows = [(toml(e.value), e.origin.layer, str(e.origin) if e.origin.file else "") for e in entries]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        marks = ["→" if entry.live else " " for entry in entries]
        lines = (
            f"  {mark} {value:<{widths[0]}}  {layer:<{widths[1]}}  {place}".rstrip()
            for mark, (value, layer, place) in zip(marks, rows, strict=True)
        )
        return "\n".join([self.key, *lines])


def explain(loaded: Loaded, key: str) -> Explanation:
    """Explain a leaf, a table of leaves, or a key inside a mapping.

    Raises ValueError, with a suggestion, for a key that settings of this class cannot have, and KeyError for one inside a
    mapping that no layer sets.
    """
    path = known_path(loaded.schema, key)
    entries = []
    values = [document.values for document in loaded.documents]
    for index, value, live in trace(values, path):
        document = loaded.documents[index]
        place = document.locate([path]).get(path)
        origin = document.origin(place.value[0]) if place else document.layer.origin()
        shown = HIDDEN if document.layer.secret else masked(loaded.schema, path, value)
        entries.append(Entry(shown, origin, live))
    entries += _default(loaded.schema, path, values)
    if not entries:
        raise KeyError(f"{key}: no layer sets it, and it has no default")
    if dotted(path) not in loaded.pending:
        return Explanation(dotted(path), tuple(entries))
    [leaf] = loaded.schema.leaves_below(path)
    kept = masked(loaded.schema, path, as_values(leaf.value_in(loaded.settings)))
    waiting = tuple(replace(entry, live=False) for entry in entries)
    return Explanation(leaf.key, waiting, Entry(kept, Origin("live until the restart"), live=True))


class Setting(Struct, frozen=True):
    """The live value of one leaf, as a plain TOML value or ``secrecy.HIDDEN``, and where it is written."""

    leaf: Leaf
    value: Any
    origin: Origin


def effective(loaded: Loaded) -> tuple[Setting, ...]:
    """Return what is live, in the order of the class."""
    places = origins(loaded)
    secret_values = [document.values for document in loaded.documents if document.layer.secret]
    settings = []
    for leaf in loaded.schema.leaves:
        value = leaf.value_in(loaded.settings)
        hidden = leaf.secret or any(follow(values, leaf.path)[0] is not ABSENT for values in secret_values)
        shown = HIDDEN if hidden and value is not None else as_values(value)
        settings.append(Setting(leaf, shown, places[leaf.key]))
    return tuple(settings)


def origins(loaded: Loaded) -> dict[str, Origin]:
    """Where the live value of each leaf is written, by key. A merged table is said to be where its highest layer is."""
    values = [document.values for document in loaded.documents]
    found = {leaf.key: Origin("default") for leaf in loaded.schema.leaves}
    won: list[dict[Path, str]] = [{} for _ in values]
    for leaf in loaded.schema.leaves:
        for index, _, _ in islice(trace(values, leaf.path), 1):
            won[index][leaf.path] = leaf.key
    for document, keys in zip(loaded.documents, won, strict=True):
        for path, place in document.locate(keys).items():
            found[keys[path]] = document.origin(place.value[0])
    return found


def _default(schema: Schema, path: Path, values: list[Values]) -> Iterator[Entry]:
    """What the class says. A table in a layer replaces a default table whole."""
    leaf = schema.leaf_of(path)
    if leaf is not None and not leaf.required:
        value, _ = follow(as_values(leaf.default), path[len(leaf.path) :])
        if value is not ABSENT:
            live = next(trace(values, leaf.path), None) is None
            yield Entry(masked(schema, path, value), Origin("default"), live)


def known_path(schema: Schema, key: str) -> Path:
    """Return the path that a dotted key means. Raises ValueError, with a suggestion, where it can mean none."""
    path = parse_key(key)
    if path is not None and (schema.leaf_of(path) is not None or schema.leaves_below(path)):
        return path
    near = closest(key, [leaf.key for leaf in schema.leaves])
    raise ValueError(f"{schema.cls.__name__} has no key {key}" + (f"; did you mean {near}?" if near else ""))


def parse_key(key: str) -> Path | None:
    """Return the parts of a key as TOML would read it, or None if it is no key."""
    import toml_rs

    if "\n" in key or "=" in key or len(key) > 1000:
        return None
    try:
        value: Any = toml_rs.loads(f"{key} = 0")
    except ValueError:
        return None
    path: list[str] = []
    while isinstance(value, dict):
        [(part, value)] = value.items()
        path.append(part)
    return tuple(path)


def masked(schema: Schema, path: Path, value: Any) -> Any:
    """Return a plain value with every secret in it replaced by HIDDEN. None, the absence of a secret, stays."""
    leaf = schema.leaf_of(path)
    if leaf is not None:
        return HIDDEN if leaf.secret and value is not None else value
    if isinstance(value, dict):
        return {key: masked(schema, (*path, key), item) for key, item in value.items()}
    return value
