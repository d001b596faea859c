"""What msgspec's error messages say, in the terms of TOML. No other module reads them.

msgspec writes for people who know Python, and repeats values and keys, which may be secret:
``Invalid enum value 'hunter2' - at `$.LEVEL` ``.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from .._layers.toml.mistakes import number_slip
from .._layers.toml.parser import ParserError, loads
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

_SENTENCES: Final = {
    "Only units 'D', 'H', 'M', and 'S' are supported": "expected a duration in days, hours, minutes and seconds",
}
"""Messages that say no value although they have quotes, by their beginning, in words that fit settings."""

_HINTS: Final = {
    "Expected array, got table": "",
    "Expected array, got ": "put it in square brackets",
    "Expected table, got array": "write [table] as its header, or { key = value }",
    "Expected table, got ": "write { key = value }, or a [table]",
    "Expected bool, got ": "write true or false",
    "Expected int, got float": "write a whole number",
    "Expected datetime with a timezone": "end it with Z, or with an offset such as +02:00",
    "Expected datetime with no timezone": "leave out Z and the offset",
    "Expected duration, got ": 'write it like "PT30S"',
    "Invalid ISO8601 duration": 'write it like "PT30S"',
    "Only units 'D', 'H', 'M', and 'S' are supported": 'write it like "P7D" or "PT1H30M"',
    "Invalid decimal string": 'write it like "1.50"',
    "Invalid UUID": 'write it like "123e4567-e89b-12d3-a456-426614174000"',
    "Invalid base64 encoded string": "write the bytes in base64",
}
"""Hints by the beginning of a message. The first that fits counts."""

_EXPECTED: Final = re.compile(r"Expected (\w+(?: \| \w+)*), got (\w+)")
_LIKE: Final = {"datetime": "2026-01-31T12:00:00Z", "date": "2026-01-31", "time": "12:00:00"}
_SCALARS: Final = ("bool", "int", "float", "datetime", "date", "time")
_LONGEST: Final = 100
"""Characters of a string that could be a number or a date."""


class Translation(NamedTuple):
    """A message of msgspec without values and keys, its code, and how to write the value if that is plain to see.

    ``rewrite`` is a better hint that quotes the value. It may be shown only together with the line.
    """

    message: str
    code: Code
    hint: str
    rewrite: str = ""


def translate(report: str, value: Any) -> Translation:
    """Translate the message with which msgspec refuses a value."""
    what = report.rpartition(_PLACE)[0] or report
    message = next((said for beginning, said in _SENTENCES.items() if what.startswith(beginning)), "")
    if what.startswith("Expected "):
        what = _TYPE.sub(lambda match: match[1].replace("object", "table").removesuffix(" | null"), what)
        message = what
    message = message or _FROM_VALUE.sub("", what)
    hint, rewrite = _hint(what, value)
    return Translation(message[:1].lower() + message[1:], _code(what), hint, rewrite)


def is_assignment(error: BaseException) -> bool:
    """Whether an exception is that of an assignment to an attribute of a frozen Struct."""
    return type(error) is AttributeError and _IMMUTABLE.fullmatch(str(error)) is not None


def _code(what: str) -> Code:
    for pattern, code in _CODES:
        if pattern.match(what):
            return code
    return "invalid-value"


def _hint(what: str, value: Any) -> tuple[str, str]:
    """Return a hint that quotes nothing, and a better one that quotes the value."""
    if (expected := _EXPECTED.fullmatch(what)) is not None:
        kinds, got = set(expected[1].split(" | ")), expected[2]
        if "str" in kinds and got in _SCALARS:
            return "put it in quotes", ""
        if isinstance(value, str) and (found := _in_quotes(value.strip(), kinds)) is not None:
            return found
        if "int" in kinds and isinstance(value, float) and value.is_integer():
            return "write a whole number", f"write {int(value)}"
        if like := [_LIKE[kind] for kind in _LIKE if kind in kinds]:
            return f"write it like {like[0]}" + (", without quotes" if got == "str" else ""), ""
    return next((hint for beginning, hint in _HINTS.items() if what.startswith(beginning)), ""), ""


def _in_quotes(value: str, kinds: set[str]) -> tuple[str, str] | None:
    """Return hints for a string in place of something that TOML writes without quotes."""
    kind, read = _read(value)
    if kind in kinds or (kind == "int" and "float" in kinds):
        return "write it without quotes", ""
    if not kinds & {"int", "float"} or len(value) > _LONGEST:
        return None
    if isinstance(read, float) and read.is_integer():
        return "write a whole number, without quotes", f"write {int(read)}, without quotes"
    if (slip := number_slip(value)) is None:
        return None
    return f"{slip.hint}, without quotes", f"{slip.rewrite}, without quotes" if slip.rewrite else ""


def _read(text: str) -> tuple[str, Any]:
    """Return the type and the value that TOML reads from a text; no type if it is no single value."""
    if len(text) > _LONGEST or not text.isprintable() or "#" in text:
        return "", None
    try:
        read = loads(f"x={text}").get("x")
    except ParserError:
        return "", None
    return type(read).__name__, read
