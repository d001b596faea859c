"""Settings made of values that are given in code, over other settings or over none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from .._layers.layer import in_memory
from .._layers.toml.keys import ABSENT, Values
from .._schema.schema import Schema, plain
from ..errors import MOST_PROBLEMS, PROGRAM, InvalidSettings, Problem
from .load import assemble
from .plain import plain_value


def made_of(schema: Schema, base: Struct | None, values: Mapping[str, Any]) -> Any:
    """Make settings. ``values`` are by the names of fields. A dict for a nested Struct of ``base`` changes only what it names.

    Raises InvalidSettings.
    """
    below: Values = {} if base is None else plain(base)
    keys = {field.name: field.encode_name for field in fields(schema.cls)}
    above: Values = {}
    problems: list[Problem] = []
    for name, value in values.items():
        key = keys.get(name, name)
        made = plain_value(value, (key,), PROGRAM, problems)
        if made is not ABSENT:
            above[key] = _completed(getattr(base, name, None), value, made)
    if not problems:
        return assemble(schema, [in_memory({**below, **above})])
    refused = {problem.key for problem in problems}
    total = len(problems)
    try:  # assemble only to collect the other problems too
        assemble(schema, [in_memory({**below, **above})])
    except InvalidSettings as error:
        others = [problem for problem in error.problems if problem.key not in refused]
        total += error.total - len(error.problems) + len(others)
        problems += others
    raise InvalidSettings(problems[:MOST_PROBLEMS], total)


def _completed(base: Any, value: Any, made: Any) -> Any:
    """Return the plain table that a dict for a Struct means: what it does not name is as in ``base``.

    A Struct is not completed, nor is a dict for a mapping: it is a value as a whole. A table with another tag is another one.
    """
    if not isinstance(base, Struct) or not isinstance(value, dict) or base.__struct_config__.array_like:
        return made
    below = plain(base)
    if (tag := base.__struct_config__.tag_field) is not None and value.get(tag, below[tag]) != below[tag]:
        return made
    inside = {field.encode_name: getattr(base, field.name) for field in fields(base)}
    return {**below, **{key: _completed(inside.get(key), value.get(key), item) for key, item in made.items()}}
