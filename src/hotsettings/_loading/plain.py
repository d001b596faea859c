"""Values given in code become tables, arrays and scalars, as a layer would hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import fields

from .._layers.toml.keys import ABSENT, Path, Values, dotted
from .._schema.schema import Schema, plain
from ..errors import Origin, Problem

_DEEPEST = 100
"""How deep tables and arrays may be nested. What is deeper is taken for endless."""


def plain_values(schema: Schema, given: Mapping[str, Any], origin: Origin) -> tuple[Values, list[Problem]]:
    """Return values by the names of fields, and a problem for each that is no value of settings."""
    keys = {field.name: field.encode_name for field in fields(schema.cls)}
    problems: list[Problem] = []
    made = {
        keys.get(name, name): plain_value(value, (keys.get(name, name),), origin, problems)
        for name, value in given.items()
    }
    return {key: value for key, value in made.items() if value is not ABSENT}, problems


def plain_value(value: Any, path: Path, origin: Origin, problems: list[Problem], above: tuple[int, ...] = ()) -> Any:
    """Return a value as tables, arrays and scalars.

    If that is impossible, add a problem for each object in it that is of no known type, or that holds itself. Then
    return what is left of a table, or ABSENT.
    """
    try:
        return plain(value)
    except Exception:  # msgspec raises several kinds, and what is in the value may raise any
        before, inside = len(problems), (*above, id(value))
    left: dict[str, Any] = {}
    if id(value) in above or len(above) > _DEEPEST:
        pass
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if (made := plain_value(item, (*path, str(key)), origin, problems, inside)) is not ABSENT:
                left[str(key)] = made
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            plain_value(item, (*path, index), origin, problems, inside)
    if len(problems) == before:
        problems.append(Problem(dotted(path), f"cannot be made of {type(value).__name__}", origin, code="wrong-type"))
        return ABSENT
    return left if isinstance(value, Mapping) else ABSENT
