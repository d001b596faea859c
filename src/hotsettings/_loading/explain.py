"""Which layer a value comes from, and what the other layers say about its key."""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .._boundary import guarded
from .._layers.toml.keys import ABSENT, Path, dotted, follow
from .._layers.toml.limits import hazard
from .._layers.toml.parser import ParserError, loads
from .._layers.toml.spelling import closest
from .._layers.toml.values import toml
from .._schema.field_types import may_hold
from .._schema.masking import HIDDEN
from .._schema.schema import Leaf, Schema, as_values
from ..errors import DEFAULT, KEPT, Origin
from .load import Loaded
from .merge import trace

NOT_SET = "no layer sets it, and it has no default"

_LONGEST_KEY = 1000


class Entry(Struct, frozen=True):
    """What one layer, or the class, says about a key.

    ``value`` is a plain TOML value, or ``HIDDEN`` in place of a secret. ``live`` says whether it takes part in the result.
    Tables of several layers are merged, so all of them do; of other values, only the winner does.
    """

    value: Any
    origin: Origin
    live: bool


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
        rows = [(toml(e.value), *columns(e.origin)) for e in entries]
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
    return [document.layer.origin() for document in loaded.documents]


def _explained(loaded: Loaded, path: Path) -> Explanation | None:
    entries = [*_written(loaded, path), *_default(loaded, path)]
    if not entries:
        return None
    leaf = loaded.schema.leaf_of(path)
    if leaf is None or leaf.key not in loaded.pending:
        return Explanation(dotted(path), tuple(entries))
    waiting = tuple(replace(entry, live=False) for entry in entries)
    value = follow(as_values(leaf.value_in(loaded.settings)), path[len(leaf.path) :])
    if value is ABSENT:
        return Explanation(dotted(path), waiting)
    shown = HIDDEN if _hidden(loaded, leaf) else masked(loaded.schema, path, value)
    return Explanation(dotted(path), waiting, Entry(shown, KEPT, live=True))


def _written(loaded: Loaded, path: Path) -> Iterator[Entry]:
    """What the layers say, the highest first."""
    for index, value, live in trace([document.values for document in loaded.documents], path, loaded.schema.merging):
        document = loaded.documents[index]
        place = document.locate([path]).get(path)
        origin = document.origin(place.value[0]) if place else document.layer.origin()
        shown = HIDDEN if document.layer.secret else masked(loaded.schema, path, value)
        yield Entry(shown, origin, live)


def _default(loaded: Loaded, path: Path) -> Iterator[Entry]:
    """What the class says. A table in a layer replaces a default table whole."""
    leaf = loaded.schema.leaf_of(path)
    key = path if leaf is None else leaf.path
    hidden: frozenset[str] = frozenset()
    live = not _is_written(loaded, key)
    if leaf is not None:
        default = leaf.defaults[sum(_is_written(loaded, key[:end]) for end in range(1, len(key)))]
    else:
        # All of a table that nobody writes is default, or kept until a restart.
        hidden = loaded.hidden
        default = loaded.schema.leaves_below(path)[0].value_in(loaded.settings, len(path)) if live else ABSENT
    value = ABSENT if default is ABSENT else follow(as_values(default), path[len(key) :])
    if value is not ABSENT:
        yield Entry(masked(loaded.schema, path, value, hidden), DEFAULT, live)


def _is_written(loaded: Loaded, path: Path) -> bool:
    """Whether layers say something of a key that counts."""
    return any(
        counts
        for _, _, counts in trace([document.values for document in loaded.documents], path, loaded.schema.merging)
    )


class Setting(Struct, frozen=True):
    """The live value of one leaf, as a plain TOML value or ``HIDDEN``, and where it is written."""

    leaf: Leaf
    value: Any
    origin: Origin


def effective(loaded: Loaded) -> tuple[Setting, ...]:
    """Return what is live, in the order of the class. Raises UnforeseenError."""
    return guarded(_origins_of(loaded), _effective, loaded)


def _effective(loaded: Loaded) -> tuple[Setting, ...]:
    places = origins(loaded)
    settings = []
    for leaf in loaded.schema.leaves:
        value = leaf.value_in(loaded.settings)
        hidden = (leaf.secret or _hidden(loaded, leaf)) and value is not None
        settings.append(Setting(leaf, HIDDEN if hidden else as_values(value), places[leaf.key]))
    return tuple(settings)


def _hidden(loaded: Loaded, leaf: Leaf) -> bool:
    """Whether the live value of a leaf may come from a secret layer."""
    return leaf.key in loaded.hidden or set_by_secrets(loaded, leaf)


def set_by_secrets(loaded: Loaded, leaf: Leaf) -> bool:
    """Whether a secret layer sets a leaf, even if another layer wins."""
    secret = (document.values for document in loaded.documents if document.layer.secret)
    return any(follow(values, leaf.path) is not ABSENT for values in secret)


def origins(loaded: Loaded) -> dict[str, Origin]:
    """Where the live value of each leaf is written, by key. For a merged table, that is its place in the highest layer.

    Raises UnforeseenError.
    """
    return guarded(_origins_of(loaded), _places, loaded)


def _places(loaded: Loaded) -> dict[str, Origin]:
    values = [document.values for document in loaded.documents]
    found = {leaf.key: DEFAULT for leaf in loaded.schema.leaves}
    won: list[dict[Path, str]] = [{} for _ in values]
    for leaf in loaded.schema.leaves:
        if leaf.key in loaded.pending:
            found[leaf.key] = KEPT
        elif (winner := next(trace(values, leaf.path, loaded.schema.merging), None)) is not None:
            won[winner[0]][leaf.path] = leaf.key
            found[leaf.key] = loaded.documents[winner[0]].layer.origin()
    for document, keys in zip(loaded.documents, won, strict=True):
        for path, place in document.locate(keys).items():
            found[keys[path]] = document.origin(place.value[0])
    return found


def known_path(schema: Schema, key: str, origins: Sequence[Origin] = ()) -> Path:
    """Return the path that a dotted key means. Raises ValueError, with a suggestion, where it can mean none."""
    path = guarded(origins, _meant, schema, key)
    if isinstance(path, UnknownKey):
        raise path
    return path


def _meant(schema: Schema, key: str) -> Path | UnknownKey:
    """Return the path, or the error that there is none."""
    path = parse_key(key)
    if path is not None:
        leaf = schema.leaf_of(path)
        if may_hold(leaf.annotation, path[len(leaf.path) :]) if leaf is not None else schema.leaves_below(path):
            return path
    near = closest(key, [leaf.key for leaf in schema.leaves])
    return UnknownKey(f"{schema.cls.__name__} has no key {key}" + (f"; did you mean {near}?" if near else ""), near)


def parse_key(key: str) -> Path | None:
    """Return the parts of a key as TOML would read it, or None if it is no key."""
    if "\n" in key or len(key) > _LONGEST_KEY:
        return None
    end = next(number for number in count() if str(number) not in key)
    text = f"{key} = {end}"
    if hazard(text) is not None:
        return None
    try:
        value: Any = loads(text)
    except ParserError:
        return None
    path: list[str] = []
    while isinstance(value, dict) and len(value) == 1:
        [(part, value)] = value.items()
        path.append(part)
    return tuple(path) if value == end else None  # else the text went on where the key should have ended


def masked(schema: Schema, path: Path, value: Any, hidden: frozenset[str] = frozenset()) -> Any:
    """Return a plain value in which HIDDEN replaces every secret, and every leaf whose key is in ``hidden``.

    None, the absence of a secret, stays.
    """
    leaf = schema.leaf_of(path)
    if leaf is not None:
        return HIDDEN if (leaf.secret or leaf.key in hidden) and value is not None else value
    if isinstance(value, dict):
        return {key: masked(schema, (*path, key), item, hidden) for key, item in value.items()}
    secret = value is not None and any(below.secret for below in schema.leaves_below(path))
    return HIDDEN if secret else value
