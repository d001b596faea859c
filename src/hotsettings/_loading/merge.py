"""Several layers become one set of values; the later layer wins.

| below        | above        | merged                |
|--------------|--------------|-----------------------|
| table        | table        | merged key by key     |
| table        | other tag    | the one above, whole  |
| anything     | scalar       | the one above         |
| anything     | array        | the one above, whole  |
| scalar/array | table        | the one above, whole  |
| absent       | anything     | the one above         |
| anything     | absent       | the one below         |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from .._layers.toml.keys import ABSENT, Path, Values, follow
from .._schema.shape import Shape, merges, tagged

Said = tuple[int, Any, bool]
"""What a layer says: the layer's index, the value, and whether it counts."""


def merge(layers: Iterable[Values], shape: Shape | None = None) -> Values:
    """Merge layers given in rising precedence. No input is changed; the result may share tables with them.

    Args:
        layers: Their values.
        shape: That of the settings class, if it has tagged unions. Without it, tables are merged whatever their tags.
    """
    merged: Values = {}
    for layer in layers:
        merged = overlay(merged, layer) if shape is None else _overlay_by_tag(merged, layer, shape)
    return merged


def overlay(below: Values, above: Values) -> Values:
    """Merge two layers."""
    merged = {**below, **above}
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(beneath := below.get(key), dict):
            merged[key] = overlay(beneath, value)
    return merged


def _overlay_by_tag(below: Values, above: Values, shape: Shape | None) -> Values:
    """Merge two layers in which a table with another tag replaces the one below it."""
    merged = {**below, **above}
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(beneath := below.get(key), dict):
            inner = shape and shape.inside(tagged(shape, [below, above]), key)
            if merges(inner, tagged(inner, [beneath]), value):
                merged[key] = _overlay_by_tag(beneath, value, inner)
    return merged


def trace(layers: Sequence[Values], path: Path, shape: Shape | None = None) -> Iterator[Said]:
    """Yield what layers say about ``path``, the winner first: the layer's index, the value, and whether it counts.

    A table counts if all layers above it say tables too, since tables are merged, and none of them names another tag. Anything
    else counts only if no layer above says anything. The same holds for every table on the way to the value.

    With the layers ``{"db": {"port": 1}}`` and ``{"db": {"port": 2}}``, the path ``("db", "port")`` yields
    ``(1, 2, True)``, then ``(0, 1, False)``.
    """
    said: list[Said] = [(index, layers[index], True) for index in reversed(range(len(layers)))]
    for part in path:
        tables = [value for _, value, counts in reversed(said) if counts and isinstance(value, dict)]
        if shape is not None:
            shape = shape.inside(tagged(shape, tables) if tables else None, part)
        inside = [(index, follow(value, (part,)), counts) for index, value, counts in said]
        said = _counting([each for each in inside if each[1] is not ABSENT], shape)
    yield from said


def _counting(said: Sequence[Said], shape: Shape | None) -> list[Said]:
    """Mark which of these values, the winner first, become the merged one."""
    merged = _how_many_merge([value for _, value, counts in said if counts], shape)
    return [(index, value, counts and place < merged) for place, (index, value, counts) in enumerate(said)]


def _how_many_merge(values: Sequence[Any], shape: Shape | None) -> int:
    """How many of these values, the winner first, become the merged one."""
    merged: list[Any] = []
    for value in reversed(values):
        both = merged and isinstance(value, dict) and isinstance(merged[-1], dict)
        if not both or not merges(shape, tagged(shape, merged), value):
            merged = []
        merged.append(value)
    return len(merged)


class Winner(NamedTuple):
    """The highest layer that says something of a key, by its index (``layer``), and for a table the winners of the keys in it."""

    layer: int
    inside: dict[str, Winner] | None


def winners(layers: Sequence[Values], shape: Shape) -> dict[str, Winner]:
    """Find which of the layers, given in rising precedence, wins each key. It agrees with ``trace``, and takes one walk."""
    return _winners([(index, layers[index]) for index in reversed(range(len(layers)))], shape)


def _winners(said: list[tuple[int, Values]], shape: Shape | None) -> dict[str, Winner]:
    found: dict[str, Winner] = {}
    for key in dict.fromkeys(key for _, table in said for key in table):
        values = [(index, table[key]) for index, table in said if key in table]
        index, value = values[0]
        if not isinstance(value, dict):
            found[key] = Winner(index, None)
            continue
        inner = None if shape is None else shape.inside(tagged(shape, [table for _, table in reversed(said)]), key)
        found[key] = Winner(index, _winners(values[: _how_many_merge([each for _, each in values], inner)], inner))
    return found
