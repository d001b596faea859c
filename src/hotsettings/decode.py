"""Merged values become a settings Struct, or a list of everything that is wrong with them.

msgspec stops at the first error and tells its place in prose only. So the happy path is one ``msgspec.convert``, and when
that fails a second walk converts each value by itself. What msgspec's messages look like is known here alone.
"""

from __future__ import annotations

import collections.abc
import enum
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct, ValidationError

from . import shape
from .frozen import freeze_fields
from .keys import Path, closest, dotted
from .merge import Values
from .schema import NATIVE, Schema

T = TypeVar("T")

# From here on msgspec repeats the value or a key.
_FROM_QUOTE = re.compile(r" (['`]|[+-]?\d).*", re.DOTALL)
_QUOTED_TYPE = re.compile("`([^`]*)`")
_UNQUOTED = {
    "int": r"[+-]?\d+",
    "float": r"[+-]?\d+(\.\d+)?",
    "bool": "true|false",
    "datetime": r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*",
    "date": r"\d{4}-\d\d-\d\d",
    "time": r"\d\d:\d\d(:\d\d)?(\.\d+)?",
}
"""How a value looks that TOML has a type for."""
_HOW = {
    "Expected array, got ": "put it in square brackets",
    "Expected bool, got ": "write true or false",
    "Expected datetime with a timezone": "end it with Z, or with an offset such as +02:00",
    "Expected duration, got ": 'write it like "PT30S"',
    "Invalid ISO8601 duration": 'write it like "PT30S"',
}
_SLICE = 500
_HINTS = 100
"""Unknown keys for which a likely meaning is searched: half a millisecond each."""


class Finding(Struct, frozen=True):
    """Something wrong with the value at ``path``.

    ``at`` tells what to point at: the key as written, the value, or nothing because it is missing. A ``foreign`` message
    was written by a rule of the user's and may quote values; any other never does.
    """

    path: Path
    message: str
    hint: str = ""
    at: Literal["key", "value", "missing"] = "value"
    foreign: bool = False


def decode(schema: Schema, values: Values) -> Struct:
    """Decode merged values. Raises msgspec.ValidationError, or what a ``__post_init__`` raised, with values in its text."""
    settings = msgspec.convert(values, schema.cls, builtin_types=NATIVE, str_keys=True)
    if schema.freezing:
        freeze_fields(settings, schema.freezing)
    return settings


def findings(schema: Schema, values: Values) -> Iterator[Finding]:
    """Yield everything that keeps ``values`` from being decoded, in the order of the values."""
    return _Examination(schema).value(schema.cls, values, ())


class _Examination:
    """One walk over the values, with the schema at hand for hints."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._hints_left = _HINTS

    def value(self, annotation: Any, value: Any, path: Path) -> Iterator[Finding]:
        """Where a table or array is not good, blame what is in it; the whole only where each part is good."""
        whole = _converted(annotation, value, path)
        if whole is None:
            return
        members = shape.alternatives(annotation)
        if isinstance(value, dict):
            chosen = _by_tag(members, value, path)
            if isinstance(chosen, Finding):
                yield chosen
                return
            members = chosen
        good = True
        for member in members:
            for finding in self._inside(member, value, path):
                good = False
                yield finding
        if good:
            yield whole

    def _inside(self, annotation: Any, value: Any, path: Path) -> Iterator[Finding]:
        if isinstance(value, list):
            elements = shape.items_of(annotation)
            if isinstance(elements, repeat):
                yield from self._elements(next(elements), value, path)
            else:
                for index, (element, item) in enumerate(zip(elements, value, strict=False)):
                    yield from self.value(element, item, (*path, index))
        elif isinstance(value, dict):
            if (struct := shape.struct_of(annotation)) is not None:
                yield from self._fields(struct, value, path)
            elif (entry := shape.entries_of(annotation)) is not None:
                yield from self._entries(*entry, value, path)

    def _elements(self, element: Any, values: list[Any], path: Path) -> Iterator[Finding]:
        for index, item in _doubtful(values, lambda items: _fits(list[element], items)):
            yield from self.value(element, item, (*path, index))

    def _entries(self, key_type: Any, item_type: Any, values: Values, path: Path) -> Iterator[Finding]:
        mapping = collections.abc.Mapping[key_type, item_type]
        for _, (key, item) in _doubtful(list(values.items()), lambda items: _fits(mapping, dict(items))):
            if (finding := _converted(collections.abc.Mapping[key_type, Any], {key: None}, (*path, key))) is not None:
                yield Finding(finding.path, f"wrong key: {finding.message}", at="key", foreign=finding.foreign)
            yield from self.value(item_type, item, (*path, key))

    def _fields(self, struct: type[Struct], values: Values, path: Path) -> Iterator[Finding]:
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        kind = shape.struct_class(struct)
        assert kind is not None  # a generic S[T] does not tell its configuration itself
        config = kind.__struct_config__
        for key, value in values.items():
            if key in fields:
                yield from self.value(fields[key].type, value, (*path, key))
            elif config.forbid_unknown_fields and key != config.tag_field:
                yield Finding((*path, key), "unknown key", self._meant(key, fields, path), at="key")
        for key, field in fields.items():
            if field.required and key not in values:
                yield Finding((*path, key), "required", at="missing")

    def _meant(self, key: str, siblings: Iterable[str], path: Path) -> str:
        self._hints_left -= 1
        if self._hints_left < 0:
            return ""
        if (near := closest(key, siblings)) is not None:
            return f"did you mean {dotted((*path, near))}?"
        for leaf in self._schema.leaves:
            if leaf.path == (key,):
                return f"did you mean {key}? Move it above the first [table]: keys below a header belong to that table"
            if leaf.path[-1] == key:
                return f"did you mean {leaf.key}?"
        return ""


def _by_tag(members: list[Any], table: Values, path: Path) -> list[Any] | Finding:
    """Of the Structs that a table could be, choose the one that its tag names."""
    tagged: dict[Any, Any] = {}
    field: str | None = None
    for member in members:
        config = getattr(shape.struct_class(shape.struct_of(member)), "__struct_config__", None)
        if config is not None and config.tag is not None:
            tagged[config.tag], field = member, config.tag_field
    if field is None:
        return members
    if field not in table:
        return members if len(tagged) == 1 else Finding((*path, field), "required", at="missing")
    tag = table[field]
    fitting = [member for known, member in tagged.items() if type(known) is type(tag) and known == tag]
    return fitting or Finding((*path, field), _one_of(tagged), _near(tag, tagged))


def _doubtful(items: list[T], fit: Callable[[list[T]], bool]) -> Iterator[tuple[int, T]]:
    """Yield items with their indices. Of many, only those of slices that do not fit: one by one is a hundred times slower."""
    for start in range(0, len(items), _SLICE):
        some = items[start : start + _SLICE]
        if len(items) <= _SLICE or not fit(some):
            yield from enumerate(some, start)


def _fits(annotation: Any, value: Any) -> bool:
    try:
        msgspec.convert(value, annotation, builtin_types=NATIVE, str_keys=True)
    except Exception:
        return False
    return True


def _converted(annotation: Any, value: Any, path: Path) -> Finding | None:
    try:
        msgspec.convert(value, annotation, builtin_types=NATIVE, str_keys=True)
    except ValidationError as error:
        if error.__cause__ is None:
            return _translated(str(error), annotation, value, path)
        return Finding(path, _said(error.__cause__), foreign=True)  # raised by a __post_init__ or an Enum
    except Exception as error:  # a __post_init__ with a fault of its own must not end the process that reloads
        return Finding(path, f"{type(error).__name__}: {_said(error)}", foreign=True)
    return None


def _said(error: BaseException) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def _translated(report: str, annotation: Any, value: Any, path: Path) -> Finding:
    """Say in the terms of TOML what msgspec says in those of Python."""
    what = report.rpartition(" - at `")[0] or report
    if what.startswith("Invalid enum value"):
        allowed = _allowed(annotation)
        return Finding(path, _one_of(allowed) if allowed else "not one of the allowed values", _near(value, allowed))
    if not what.startswith("Expected "):
        return Finding(path, _lower(_FROM_QUOTE.sub("", what)), _rewrite(what, value))
    what = _QUOTED_TYPE.sub(lambda match: match[1].replace("object", "table").removesuffix(" | null"), what)
    return Finding(path, _lower(what), _rewrite(what, value))


def _one_of(allowed: Iterable[Any]) -> str:
    return f"expected one of {', '.join(map(str, allowed))}"


def _near(value: Any, allowed: Iterable[Any]) -> str:
    near = closest(value, map(str, allowed)) if isinstance(value, str) else None
    return f"did you mean {near}?" if near else ""


def _allowed(annotation: Any) -> tuple[Any, ...]:
    bare, _ = shape.unwrap(annotation)
    if get_origin(bare) is Literal:
        return get_args(bare)
    return tuple(member.value for member in bare) if isinstance(bare, type) and issubclass(bare, enum.Enum) else ()


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _rewrite(what: str, value: Any) -> str:
    """How the value would have to be written, where that is plain to see."""
    if what.startswith("Expected str, got ") and isinstance(value, int | float):
        return "put it in quotes"
    for kind, written in _UNQUOTED.items():
        if what == f"Expected {kind}, got str" and isinstance(value, str) and re.fullmatch(written, value):
            return "write it without quotes"
    if what == "Expected int, got float" and isinstance(value, float) and value.is_integer():
        return "write it without a decimal point"
    if isinstance(value, dict):
        return ""
    return next((hint for beginning, hint in _HOW.items() if what.startswith(beginning)), "")
