"""Merged values become a settings Struct, or a list of everything that is wrong with them.

msgspec stops at the first error and tells its place in prose only. So the happy path is one ``msgspec.convert``, and when
that fails a second walk converts each value by itself. What msgspec's messages look like is known here alone.
"""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct, ValidationError

from . import shape
from .frozen import freeze_fields
from .keys import Path, closest, dotted
from .merge import Values
from .schema import Schema

# TOML has these types itself, so a string is not taken for one of them.
_NATIVE = (datetime.datetime, datetime.date, datetime.time)
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
    settings = msgspec.convert(values, schema.cls, builtin_types=_NATIVE, str_keys=True)
    if schema.freezing:
        freeze_fields(settings, schema.freezing)
    return settings


def findings(schema: Schema, values: Values) -> Iterator[Finding]:
    """Yield everything that keeps ``values`` from being decoded, in the order of the values."""
    return _Examination(schema).struct(schema.cls, values, ())


class _Examination:
    """One walk over the values, with the schema at hand for hints."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._hints_left = _HINTS

    def value(self, annotation: Any, value: Any, path: Path) -> Iterator[Finding]:
        """Look inside a table or array first; only where each part is good, look at the whole."""
        good = True
        for finding in self._inside(annotation, value, path):
            good = False
            yield finding
        if good:
            yield from _converted(annotation, value, path)

    def struct(self, struct: type[Struct], values: Values, path: Path) -> Iterator[Finding]:
        return self.value(struct, values, path)

    def _inside(self, annotation: Any, value: Any, path: Path) -> Iterator[Finding]:
        if isinstance(value, dict):
            if (struct := shape.struct_of(annotation)) is not None:
                yield from self._fields(struct, value, path)
            elif (entry := shape.entries_of(annotation)) is not None:
                for key, item in value.items():
                    yield from self.value(entry, item, (*path, key))
        elif isinstance(value, list) and (element := shape.items_of(annotation)) is not None:
            for index, item in enumerate(value):
                yield from self.value(element, item, (*path, index))

    def _fields(self, struct: type[Struct], values: Values, path: Path) -> Iterator[Finding]:
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        config = struct.__struct_config__
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


def _converted(annotation: Any, value: Any, path: Path) -> Iterator[Finding]:
    try:
        msgspec.convert(value, annotation, builtin_types=_NATIVE, str_keys=True)
    except ValidationError as error:
        if error.__cause__ is None:
            yield _translated(str(error), annotation, value, path)
        else:  # raised by a __post_init__ or an Enum
            yield Finding(path, str(error.__cause__), foreign=True)
    except Exception as error:  # a __post_init__ with a fault of its own must not end the process that reloads
        yield Finding(path, f"{type(error).__name__}: {error}", foreign=True)


def _translated(report: str, annotation: Any, value: Any, path: Path) -> Finding:
    """Say in the terms of TOML what msgspec says in those of Python."""
    what = report.rpartition(" - at `")[0] or report
    if what.startswith("Invalid enum value") and (allowed := _allowed(annotation)):
        near = closest(value, map(str, allowed)) if isinstance(value, str) else None
        hint = f"did you mean {near}?" if near else ""
        return Finding(path, f"expected one of {', '.join(map(str, allowed))}", hint)
    if not what.startswith("Expected "):
        return Finding(path, _lower(what.partition("'")[0].rstrip()))  # from the quote on, it repeats the value
    what = what.replace(" | null`", "`").replace("`object`", "`table`").replace("`", "")
    return Finding(path, _lower(what), _rewrite(what, value))


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
    for kind, written in (("int", r"[+-]?\d+"), ("float", r"[+-]?\d+(\.\d+)?"), ("bool", "true|false")):
        if what == f"Expected {kind}, got str" and re.fullmatch(written, value):
            return "write it without quotes"
    return ""
