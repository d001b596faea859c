"""The keys that differ between two sets of files, or between two documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace
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


def between_settings(old: Loaded, new: Loaded) -> list[KeyChange]:
    """Compare the settings of two sets of files leaf by leaf, in the order of the class."""
    values = [live_values(side) for side in (old, new)]
    paths = {path for path in values[0] | values[1] if not same(*(side.get(path, ABSENT) for side in values))}
    sides = [{setting.path: setting for setting in effective(side, paths)} for side in (old, new)]
    changes = []
    for path, setting in _in_either(*sides):
        absent = replace(setting, value=None, origin=NOWHERE)
        changes.append(KeyChange(*(side.get(path, absent) for side in sides)))
    return changes


def _in_either(*sides: dict[Path, Setting]) -> Iterator[tuple[Path, Setting]]:
    """Yield the settings of one side and those that only the other has, field by field."""
    fields: dict[str, dict[Path, Setting]] = {}
    for path, setting in chain.from_iterable(side.items() for side in sides):
        fields.setdefault(setting.leaf.key, {}).setdefault(path, setting)
    return chain.from_iterable(settings.items() for settings in fields.values())


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
            text = Text(f"{sign} {side.text}  # {side.origin}", style=style)
            output.hanging(console, "  ", text, 4)
    if not changes:
        console.print("No difference.")
