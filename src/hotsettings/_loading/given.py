"""Settings made of values that are given in code, over other settings or over none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from .._layers.layer import in_memory
from .._layers.toml.keys import ABSENT, Values
from .._schema.schema import Schema
from ..errors import MOST_PROBLEMS, PROGRAM, InvalidSettings, Problem
from .load import assemble, documents_or_error, log_warnings
from .plain import plain_value


def made_of(schema: Schema, base: Struct | None, values: Mapping[str, Any]) -> Any:
    """Make settings. ``values`` are by the names of fields. A dict for a nested Struct of ``base`` changes only what it names.

    Raises InvalidSettings.
    """
    keys = {field.name: field.encode_name for field in fields(schema.cls)}
    above: Values = {}
    problems: list[Problem] = []
    for name, value in values.items():
        key = keys.get(name, name)
        made = plain_value(value, (key,), PROGRAM, problems)
        if made is not ABSENT:
            above[key] = made
    documents = documents_or_error(schema, [in_memory(above)])
    if not problems:
        loaded = assemble(schema, documents, base=base)
        log_warnings(loaded.warnings)
        return loaded.settings
    refused = {problem.key for problem in problems}
    total = len(problems)
    try:  # assemble only to collect the other problems too
        assemble(schema, documents, base=base)
    except InvalidSettings as error:
        others = [problem for problem in error.problems if problem.key not in refused]
        total += error.total - len(error.problems) + len(others)
        problems += others
    raise InvalidSettings(problems[:MOST_PROBLEMS], total)
