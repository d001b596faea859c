"""What msgspec's error messages say, in the terms of TOML. No other module reads them.

msgspec writes for people who know Python, and repeats values and keys, which may be secret:
``Invalid enum value 'hunter2' - at `$.LEVEL` ``.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from ..errors import Code

_PLACE: Final = " - at `"
_FROM_VALUE: Final = re.compile(r" (['`]|[+-]?\d).*", re.DOTALL)
"""The rest of a message, from where it repeats a value or a key."""

_TYPE: Final = re.compile("`([^`]*)`")

_CODES: Final[tuple[tuple[re.Pattern[str], Code], ...]] = (
    (re.compile("Invalid enum value"), "not-an-option"),
    (re.compile("Expected .* matching regex", re.DOTALL), "no-match"),
    (re.compile("Expected .* of (at least |at most )?length"), "wrong-length"),
    (re.compile("Expected .* ([<>]=?|multiple of) |Integer value out of range"), "out-of-range"),
    (re.compile("Expected .*, got "), "wrong-type"),
)
"""The first pattern that matches a message tells its code."""

_IMMUTABLE: Final = re.compile(r"immutable type: '\w+'")

_UNQUOTED: Final = {
    "int": r"[+-]?\d+",
    "float": r"[+-]?\d+(\.\d+)?",
    "bool": "true|false",
    "datetime": r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*",
    "date": r"\d{4}-\d\d-\d\d",
    "time": r"\d\d:\d\d(:\d\d)?(\.\d+)?",
}
"""How TOML writes a value of each type that it has."""

_HINTS: Final = {
    "Expected array, got ": "put it in square brackets",
    "Expected bool, got ": "write true or false",
    "Expected datetime with a timezone": "end it with Z, or with an offset such as +02:00",
    "Expected duration, got ": 'write it like "PT30S"',
    "Invalid ISO8601 duration": 'write it like "PT30S"',
}
"""Hints by the beginning of a message."""


class Translation(NamedTuple):
    """A message of msgspec without values and keys, its code, and how to write the value if that is plain to see."""

    message: str
    code: Code
    hint: str


def translate(report: str, value: Any) -> Translation:
    """Translate the message with which msgspec refuses a value."""
    what = report.rpartition(_PLACE)[0] or report
    if what.startswith("Expected "):
        what = _TYPE.sub(lambda match: match[1].replace("object", "table").removesuffix(" | null"), what)
        message = what
    else:
        message = _FROM_VALUE.sub("", what)
    return Translation(message[:1].lower() + message[1:], _code(what), _hint(what, value))


def is_assignment(error: BaseException) -> bool:
    """Whether an exception is that of an assignment to an attribute of a frozen Struct."""
    return type(error) is AttributeError and _IMMUTABLE.fullmatch(str(error)) is not None


def _code(what: str) -> Code:
    for pattern, code in _CODES:
        if pattern.match(what):
            return code
    return "invalid-value"


def _hint(what: str, value: Any) -> str:
    if what.startswith("Expected str, got ") and isinstance(value, int | float):
        return "put it in quotes"
    for kind, written in _UNQUOTED.items():
        if what == f"Expected {kind}, got str" and isinstance(value, str) and re.fullmatch(written, value):
            return "write it without quotes"
    if what == "Expected int, got float" and isinstance(value, float) and value.is_integer():
        return "write it without a decimal point"
    if isinstance(value, dict):
        return ""
    return next((hint for beginning, hint in _HINTS.items() if what.startswith(beginning)), "")
