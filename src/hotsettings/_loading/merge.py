"""Several layers become one set of values; the later layer wins.

| below        | above        | merged                |
|--------------|--------------|-----------------------|
| table        | table        | merged key by key     |
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
from .._schema.shape import Shape, merges


def merge(layers: Iterable[Values]) -> Values:
    """Merge layers given in rising precedence. No input is changed; the result may share tables with them."""
    merged: Values = {}
    for layer in layers:
        merged = overlay(merged, layer)
    return merged


def overlay(below: Values, above: Values) -> Values:
    """Merge two layers."""
    merged = {**below, **above}
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(beneath := below.get(key), dict):
            merged[key] = overlay(beneath, value)
    return merged


def trace(layers: Sequence[Values], path: Path) -> Iterator[tuple[int, Any, bool]]:
    """Yield what layers say about ``path``, the winner first: the layer's index, the value, and whether it counts.

    A table counts if all layers above it say tables too, since tables are merged. Anything else counts only if no layer above
    says anything. The same holds for every table on the way to the value.

    With the layers ``{"db": {"port": 1}}`` and ``{"db": {"port": 2}}``, the path ``("db", "port")`` yields
    ``(1, 2, True)``, then ``(0, 1, False)``.
    """
    said: list[tuple[int, Any, bool]] = [(index, layers[index], True) for index in reversed(range(len(layers)))]
    for part in path:
        inside = [(index, follow(value, (part,)), counts) for index, value, counts in said]
        said = list(_counting([each for each in inside if each[1] is not ABSENT]))
    yield from said


def _counting(said: Sequence[tuple[int, Any, bool]]) -> Iterator[tuple[int, Any, bool]]:
    merges = True
    for place, (index, value, counts) in enumerate(said):
        table = isinstance(value, dict)
        yield index, value, counts and merges and (table or place == 0)
        merges = merges and table


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
        inner = None if shape is None else shape.inside(_tagged(said, shape), key)
        tables = values[:1]
        for each in values[1:]:
            if not isinstance(each[1], dict) or not merges(inner, each[1], _tagged(tables, inner)):
                break
            tables.append(each)
        found[key] = Winner(index, _winners(tables, inner))
    return found


def _tagged(said: list[tuple[int, Values]], shape: Shape | None) -> Values:
    """The highest of these tables that names the tag of a union, if one does, or else the highest."""
    field = None if shape is None else shape.tag_field
    return next((table for _, table in said if field in table), said[0][1])
