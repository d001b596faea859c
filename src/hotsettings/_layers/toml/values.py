"""Writing plain values as TOML, on one line."""

from __future__ import annotations

import datetime
from typing import Any

from .keys import quoted, written


class Written:
    """A value that is already TOML."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def toml(value: Any) -> str:
    """Write a value as TOML would. What TOML cannot express is ``not set`` (None), or its repr (a masked secret).

    In a table a key without a value (None) is left out.
    """
    match value:
        case None:
            return "not set"
        case dict():
            inside = ", ".join([f"{written(key)} = {toml(item)}" for key, item in value.items() if item is not None])
            return f"{{ {inside} }}" if inside else "{}"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case _:  # numbers, too: TOML writes them as Python does, inf and nan included
            return repr(value)


def expressible(value: Any) -> bool:
    """Whether TOML can express a plain value: no None, which it has no word for, is in an array."""
    if isinstance(value, dict):
        return all(item is None or expressible(item) for item in value.values())
    return all(map(expressible, value)) if isinstance(value, list | tuple) else value is not None
