"""Files to start from: a config.toml and a secrets.example.toml."""

from __future__ import annotations

import datetime
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

from .._layers.toml.values import toml
from .._schema.describe import limits, type_name
from .._schema.schema import Leaf, Schema, as_values
from .documents import by_section

_DAY = datetime.date(2000, 1, 1)


def config(schema: Schema) -> str:
    """A config.toml in which every key stands as a comment with its meaning and default; a required one stands open."""
    lines = [
        f"# Settings of {schema.cls.__module__}:{schema.cls.__qualname__}.",
        "# A key shows its default, or an example where it has none. To set it, remove the # in front of it.",
    ]
    for section, leaves in by_section(schema):
        lines += ["", f"# ---- {section or 'Settings'} ----"]
        for leaf in leaves:
            shown = [f"# {leaf.key} belongs in the secrets file."] if leaf.secret else [_assignment(leaf)]
            lines += ["", *_comment(leaf), *shown]
    return "\n".join(lines)


def secrets(schema: Schema) -> str:
    """A secrets.example.toml: required secrets with a value that says it must be changed, the others as comments."""
    lines = [
        f"# Secrets of {schema.cls.__module__}:{schema.cls.__qualname__}.",
        "# Copy this file to secrets.toml, change every value, and keep the copy out of version control.",
    ]
    for leaf in schema.leaves:
        if leaf.secret:
            lines += ["", *_comment(leaf), _assignment(leaf)]
    return "\n".join(lines)


def _comment(leaf: Leaf) -> Iterator[str]:
    facts = [type_name(leaf.annotation), *map(str, limits(leaf.annotation))]
    facts += ["required"] * leaf.required + ["a change needs a restart"] * leaf.restart
    for text in (leaf.description, ", ".join(facts)):
        yield from textwrap.wrap(text, 118, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)


def _assignment(leaf: Leaf) -> str:
    """The key with its default, or with something that fits its type. Only prose has a blank after the #."""
    shown = leaf.required or leaf.default is None or leaf.secret
    value = example(leaf.annotation) if shown else as_values(leaf.default)
    return f"{'' if leaf.required else '#'}{leaf.key} = {toml(value)}"


def example(annotation: Any) -> Any:
    """A plain value that the type takes: the first of its ``Meta(examples=[...])``, or one made up.

    One that must match a pattern cannot be made up; it does not match then, and a check says so.
    """
    return _example(inspect.type_info(annotation))


def _example(info: inspect.Type) -> Any:
    match info:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            given = (extra or {}).get("examples")
            return as_values(given[0]) if given else _example(inner)
        case inspect.UnionType(types=types):
            return _example(next(each for each in types if not isinstance(each, inspect.NoneType)))
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.EnumType(cls=cls):
            return next(iter(cls)).value
        case inspect.StrType():
            return _text(info)
        case inspect.BytesType():
            return ""
        case inspect.BoolType():
            return False
        case inspect.IntType() | inspect.FloatType():
            return _number(info)
        case inspect.DateTimeType(tz=zoned):
            return datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC if zoned else None)
        case inspect.DateType():
            return _DAY
        case inspect.TimeType(tz=zoned):
            return datetime.time(tzinfo=datetime.UTC if zoned else None)
        case inspect.TimeDeltaType():
            return "PT0S"
        case inspect.DecimalType():
            return "0"
        case inspect.UUIDType():
            return "00000000-0000-0000-0000-000000000000"
        case inspect.TupleType(item_types=items):
            return [_example(item) for item in items]
        case (
            inspect.VarTupleType(item_type=item, min_length=shortest)
            | inspect.FrozenSetType(item_type=item, min_length=shortest)
        ):
            return [_example(item)] * (shortest or 0)
        case inspect.DictType(value_type=value, min_length=shortest):
            return {f"name{number or ''}": _example(value) for number in range(shortest or 0)}
        case inspect.StructType(fields=fields):
            return {field.encode_name: _example(field.type) for field in fields if field.required}
        case _:
            return ""


def _text(info: inspect.StrType) -> str:
    word = "CHANGE-ME"
    shortest = info.min_length or 0
    text = "-".join([word] * (shortest // (len(word) + 1) + 1)).ljust(shortest, "-")[: info.max_length]
    return "" if info.pattern and not re.search(info.pattern, text) and re.search(info.pattern, "") else text


def _number(info: inspect.IntType | inspect.FloatType) -> int | float:
    low = info.gt if info.ge is None else info.ge
    high = info.lt if info.le is None else info.le
    step = info.multiple_of
    if isinstance(info, inspect.FloatType) and step is None and low is not None and high is not None:
        return (low + high) / 2
    kind, step = int if isinstance(info, inspect.IntType) else float, step or 1
    if low is not None:
        value = -(-low // step) * step
        return kind(value + step if value == info.gt else value)
    value = 0 if high is None else min(0, high // step * step)
    return kind(value - step if value == info.lt else value)
