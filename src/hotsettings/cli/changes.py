"""The keys that differ between two sets of files, or between two documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from rich.text import Text

from .._layers.layer import Document, origin_of
from .._layers.toml.keys import ABSENT, Path
from .._live.snapshot import changed_keys, same
from .._loading.explain import Setting, with_values
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
    keys = changed_keys(old.schema, old.settings, new.settings)
    sides = [
        {setting.path: (value, setting) for value, setting in with_values(side) if setting.leaf.key in keys}
        for side in (old, new)
    ]
    changes = []
    for path, setting in _in_either(*sides):
        absent = ABSENT, replace(setting, value=None, origin=NOWHERE)
        before, after = (side.get(path, absent) for side in sides)
        if not same(before[0], after[0]):
            changes.append(KeyChange(before[1], after[1]))
    # Where a table comes or goes, its keys say so. A key of it that is not set says nothing then.
    told = {change.new.leaf.key for change in changes if not change.is_silent}
    return [change for change in changes if not change.is_silent or change.new.leaf.key not in told]


def _in_either(*sides: dict[Path, tuple[Any, Setting]]) -> Iterator[tuple[Path, Setting]]:
    """Yield the settings of both sides. In each table and array, those that only the second has come last."""
    root = _Node()
    for path, (_, setting) in chain.from_iterable(side.items() for side in sides):
        node = root
        for part in path:
            node = node.inside.setdefault(part, _Node())
        node.setting = node.setting or setting
    return root.settings(())


class _Node:
    """A setting, a table or array of some, or on one side the one and on the other side the other."""

    def __init__(self) -> None:
        self.setting: Setting | None = None
        self.inside: dict[str | int, _Node] = {}

    def settings(self, path: Path) -> Iterator[tuple[Path, Setting]]:
        """Yield the settings below. Where an empty table gets keys or loses them, the keys say so."""
        if self.setting is not None and not (self.inside and self.setting.value in (None, {}, [])):
            yield path, self.setting
        for part, node in self.inside.items():
            yield from node.settings((*path, part))


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
        yield Setting(leaf, path, HIDDEN if hidden else None if part is None else part.value, origin)


def as_text(changes: Sequence[KeyChange]) -> None:
    """Print three lines for each change, as diff does: the key, the old value, the new value."""
    console = output.console()
    for change in changes:
        restart = Text("  needs a restart", style="dim") if change.new.leaf.restart else Text()
        console.print(Text.assemble((change.key, "bold"), restart))
        for sign, style, side in (("-", "red", change.old), ("+", "green", change.new)):
            place = f"  # {side.origin}" if str(side.origin) else ""
            output.hanging(console, "  ", Text(f"{sign} {output.value_text(side.value)}{place}", style=style), 4)
    if not changes:
        console.print("No difference.")
