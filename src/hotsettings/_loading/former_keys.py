"""The former keys of renamed fields: what layers say under them is read as if they said it under the present ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from .._layers.layer import Document, Unreadable
from .._layers.toml.keys import Path, Values
from .._schema.schema import Schema
from .._schema.shape import Shape, tagged
from .merge import merge


def with_present_keys(schema: Schema, parts: Iterable[Document | Unreadable]) -> Iterator[Document | Unreadable]:
    """Yield layers, given in rising precedence, with present keys only.

    A former key stays where the layer has the present one too; diagnosis then reports the conflict.
    """
    below: Values = {}
    for part in parts:
        if isinstance(part, Document):
            former: dict[Path, str] = {}
            values = _renamed(schema.shape, part.values, below, (), former)
            below = merge([below, values], schema.merging)
            yield replace(part, values=values, former=former) if former else part
        else:
            yield part


def _renamed(shape: Shape, value: Any, below: Any, path: Path, former: dict[Path, str]) -> Any:
    """Return a value with present keys, and note in ``former`` the old key of each by its path.

    ``below`` is what lower layers say. A table that names no tag has the tag of the one below it.
    """
    if not shape.is_renamed:
        return value
    if isinstance(value, list):
        arrays = shape.arrays_for(value)
        inside = zip(arrays[0].elements, value, strict=False) if len(arrays) == 1 else ()
        items = [_renamed(inner, item, None, (*path, at), former) for at, (inner, item) in enumerate(inside)]
        return items + value[len(items) :]
    if not isinstance(value, dict):
        return value
    below = below if isinstance(below, dict) else {}
    tables = [each for each in shape.members_for(tagged(shape, [below, value])) if each.struct or each.entries]
    if len(tables) != 1:
        return value  # without a tag nobody knows what it is
    [chosen] = tables
    if chosen.entries is not None:
        inner = chosen.entries[1]
        return {key: _renamed(inner, item, below.get(key), (*path, key), former) for key, item in value.items()}
    present: Values = {}
    for key, item in value.items():
        new: str = dict.get(chosen.renamed, key) or key
        if new != key and (new in value or new in present):
            new = key
        elif new != key:
            former[*path, new] = key
        field = (chosen.fields or {}).get(new)
        present[new] = item if field is None else _renamed(field, item, below.get(new), (*path, new), former)
    return present
