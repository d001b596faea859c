"""The keys that differ between two sets of files, or between two documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from rich.text import Text

from .._layers.layer import Document, origin_of
from .._layers.toml.keys import ABSENT, Path, Values, follow
from .._live.snapshot import changed_keys, same
from .._loading.explain import Setting, effective, masked
from .._loading.load import Loaded
from .._schema.masking import HIDDEN
from .._schema.schema import Leaf, Schema
from . import output


class KeyChange(Struct, frozen=True):
    """A key whose value differs, and where each value is written."""

    old: Setting
    new: Setting

    @property
    def key(self) -> str:
        return self.new.leaf.key


def between_settings(old: Loaded, new: Loaded) -> list[KeyChange]:
    """Compare the settings of two sets of files, in the order of the class."""
    keys = changed_keys(old.schema, old.settings, new.settings)
    pairs = map(KeyChange, effective(old), effective(new))
    return [change for change in pairs if change.key in keys]


def between_documents(schema: Schema, old: Document, new: Document) -> list[KeyChange]:
    """Compare two documents, in the order of the class. Keys that the class does not know come last, masked."""
    leaves = [*schema.leaves, *_unknown(schema, old, new)]
    pairs = [(leaf, follow(old.values, leaf.path), follow(new.values, leaf.path)) for leaf in leaves]
    differing = [leaf for leaf, before, after in pairs if not _alike(before, after)]
    return list(map(KeyChange, _settings(schema, old, differing), _settings(schema, new, differing)))


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(item, other[key]) for key, item in one.items())
    return same(one, other)


def _settings(schema: Schema, document: Document, leaves: Sequence[Leaf]) -> Iterator[Setting]:
    places = document.locate([leaf.path for leaf in leaves])
    for leaf in leaves:
        value = follow(document.values, leaf.path)
        place = places.get(leaf.path)
        origin = document.origin(place.value[0]) if place else origin_of(document.layer)
        shown = None if value is ABSENT else HIDDEN if leaf.secret else masked(schema, leaf.path, value)
        yield Setting(leaf, shown, origin)


def _unknown(schema: Schema, *documents: Document) -> list[Leaf]:
    """Make leaves for keys that the class does not know. They may be misspelt secrets, so their values are not shown."""
    paths = dict.fromkeys(path for document in documents for path in _unknown_paths(schema, document.values, ()))
    return [Leaf(path, (), None, (), secret=True, restart=False, section="", description="") for path in paths]


def _unknown_paths(schema: Schema, values: Values, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        path = (*above, key)
        known: Path = path
        if schema.leaf_of(known) is not None:
            continue
        if isinstance(value, dict) and schema.leaves_below(path):
            yield from _unknown_paths(schema, value, path)
        else:
            yield path


def as_text(changes: Sequence[KeyChange]) -> None:
    """Print three lines for each change, as diff does: the key, the old value, the new value."""
    console = output.console()
    for change in changes:
        restart = Text("  needs a restart", style="dim") if change.new.leaf.restart else Text()
        console.print(Text.assemble((change.key, "bold"), restart))
        for sign, style, side in (("-", "red", change.old), ("+", "green", change.new)):
            text = Text(f"{sign} {output.value_text(side.value)}  # {side.origin}", style=style)
            output.hanging(console, "  ", text, 4)
    if not changes:
        console.print("No difference.")
