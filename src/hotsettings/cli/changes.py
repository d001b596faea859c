"""The keys that differ between two sets of files, or between two documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from msgspec import Struct
from rich.text import Text

from .._layers.layer import Document, origin_of
from .._layers.toml.keys import ABSENT, Path
from .._live.snapshot import same
from .._loading.explain import Setting, effective, live_values
from .._loading.load import Loaded
from .._schema.masking import HIDDEN
from .._schema.schema import Leaf, Schema
from .._schema.shape import Part, parts_of
from ..errors import NOWHERE
from . import output


class KeyChange(Struct, frozen=True):
    """A key whose value differs, and where each value is written."""

    old: Setting
    new: Setting

    @property
    def key(self) -> str:
        return self.new.key

    @property
    def is_silent(self) -> bool:
        """Whether both sides have no value: the key is not set on one side, and on the other its table is absent."""
        return self.old.value is None and self.new.value is None


def between_settings(old: Loaded, new: Loaded) -> list[KeyChange]:
    """Compare the settings of two sets of files leaf by leaf, in the order of the class."""
    values = [live_values(side) for side in (old, new)]
    paths = _differing(*values)
    sides = [{setting.path: setting for setting in effective(side, frozenset(paths))} for side in (old, new)]
    changes = []
    for path in paths:
        absent = Setting((sides[0].get(path) or sides[1][path]).leaf, path, None, NOWHERE)
        changes.append(KeyChange(*(side.get(path, absent) for side in sides)))
    # Where a table comes or goes, its keys say so. A key of it that is not set says nothing then.
    told = {change.new.leaf.key for change in changes if not change.is_silent}
    return [change for change in changes if not change.is_silent or change.new.leaf.key not in told]


def _differing(*sides: dict[Path, Any]) -> list[Path]:
    """Return where values differ. In each table and array, what only the second side has comes last."""
    order: dict[Path, int] = {}
    for path in chain(*sides):
        for end in range(1, len(path) + 1):
            order.setdefault(path[:end], len(order))
    values = sides[0] | sides[1]
    paths = [path for path in values if not same(*(side.get(path, ABSENT) for side in sides))]
    around = {path[:end] for path in paths for end in range(1, len(path))}
    # Where an empty table gets keys or loses them, the keys say so.
    paths = [path for path in paths if path not in around or values[path] not in (None, {}, [])]
    return sorted(paths, key=lambda path: [order[path[:end]] for end in range(1, len(path) + 1)])


def between_documents(schema: Schema, old: Document, new: Document) -> list[KeyChange]:
    """Compare two documents leaf by leaf, in the order of the class. Keys that the class does not know come last, masked."""
    sides = [{part.path: part for part in parts_of(schema.shape, document.values)} for document in (old, new)]
    values = [{path: part.value for path, part in side.items()} for side in sides]
    position = {leaf.key: number for number, leaf in enumerate(schema.leaves)}
    differing = [
        (_leaf_of(schema, path), path)
        for path in sides[0] | sides[1]
        if path  # an empty document is a table without keys
        and not same(*(side.get(path, ABSENT) for side in values))
    ]
    differing.sort(key=lambda pair: position.get(pair[0].key, len(position)))
    return list(map(KeyChange, *(_settings(*each, differing) for each in zip((old, new), sides, strict=True))))


def _leaf_of(schema: Schema, path: Path) -> Leaf:
    """Return the field that a path leads into, the first one of a table, or one made up for an unknown key."""
    if (leaf := schema.leaf_of(path)) is not None:
        return leaf
    unknown = Leaf(tuple(map(str, path)), (), None, (), secret=True, restart=False, section="", description="")
    return next(iter(schema.leaves_below(path)), unknown)


def _settings(document: Document, parts: dict[Path, Part], leaves: Sequence[tuple[Leaf, Path]]) -> Iterator[Setting]:
    places = document.locate([path for _, path in leaves])
    for leaf, path in leaves:
        place, part = places.get(path), parts.get(path)
        origin = document.origin(place.value[0]) if place else origin_of(document.layer)
        hidden = part is not None and part.hidden
        shown = HIDDEN if hidden else None if part is None else part.value
        yield Setting(leaf, path, shown, origin, document.written(path, shown))


def as_text(changes: Sequence[KeyChange]) -> None:
    """Print three lines for each change, as diff does: the key, the old value, the new value."""
    console = output.console()
    for change in changes:
        restart = Text("  needs a restart", style="dim") if change.new.leaf.restart else Text()
        console.print(Text.assemble((change.key, "bold"), restart))
        for sign, style, side in (("-", "red", change.old), ("+", "green", change.new)):
            place = f"  # {side.origin}" if str(side.origin) else ""
            output.hanging(console, "  ", Text(f"{sign} {side.text}{place}", style=style), 4)
    if not changes:
        console.print("No difference.")
