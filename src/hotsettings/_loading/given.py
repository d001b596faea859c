"""Settings made of values that are given in code, over other settings or over none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from .._layers.layer import in_memory
from .._schema.schema import Schema
from ..errors import MOST_PROBLEMS, PROGRAM, InvalidSettings
from .load import assemble, documents_or_error, log_warnings
from .plain import plain_values


def made_of(schema: Schema, base: Struct | None, values: Mapping[str, Any]) -> Any:
    """Make settings of values by the names of fields. A dict for a Struct of ``base`` changes only what it names.

    Raises InvalidSettings.
    """
    above, problems = plain_values(schema, values, PROGRAM)
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
