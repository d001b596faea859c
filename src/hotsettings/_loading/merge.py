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
from typing import Any

from .._layers.toml.keys import ABSENT, Path, Values, follow


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
