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

from .keys import Path

Values = dict[str, Any]
ABSENT: Any = object()


def merge(layers: Iterable[Values]) -> Values:
    """Merge layers given in rising precedence. No input is changed; the result may share tables with them."""
    merged: Values = {}
    for layer in layers:
        merged = overlay(merged, layer)
    return merged


def overlay(below: Values, above: Values) -> Values:
    """Merge two layers."""
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = overlay(below[key], above[key])
    return merged


def trace(layers: Sequence[Values], path: Path) -> Iterator[tuple[int, Any, bool]]:
    """Yield, the winner first, which layers say something about ``path``: index, value, and whether it still counts.

    A table takes part in the result as long as only tables stand above it. Anything else ends what counts, and so does a
    scalar or array that a higher layer put in the place of a table that ``path`` leads through.
    """
    counts = True
    for index in reversed(range(len(layers))):
        value, at = follow(layers[index], path)
        if value is not ABSENT:
            yield index, value, counts
        if not isinstance(at, dict):
            counts = False


def follow(value: Any, path: Path) -> tuple[Any, Any]:
    """Return the value at ``path``, or ABSENT, and the last value met on the way."""
    for part in path:
        inside = value if isinstance(value, dict | list) else {}
        try:
            value = inside[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):  # TypeError: a key into an array
            return ABSENT, value
    return value, value
