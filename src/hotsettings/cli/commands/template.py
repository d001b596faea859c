"""`template`: a config.toml and a secrets.example.toml to start from."""

from __future__ import annotations

import datetime
import re
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from msgspec import inspect

from ..._layers.toml.values import toml
from ..._schema.codecs import standard
from ..._schema.describe import behind, info_of, limits, type_name
from ..._schema.schema import Leaf, Schema, as_values
from .. import output
from ..options import SettingsClass
from ..settings_class import schema_or_exit
from .reference import by_section

_DAY = datetime.date(2000, 1, 1)


def template(
    settings_class: SettingsClass,
    secrets: Annotated[bool, typer.Option("--secrets", help="Print a secrets.example.toml instead.")] = False,
) -> None:
    """Print a commented config.toml to start from."""
    schema = schema_or_exit(settings_class)
    output.line(secrets_example(schema) if secrets else config(schema))


def config(schema: Schema) -> str:
    """Return a config.toml: each key with its meaning and default, commented out unless it is required."""
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


def secrets_example(schema: Schema) -> str:
    """Return a secrets.example.toml: each secret with a value to change, commented out unless it is required."""
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
    """Return the key with its default, or with a value of its type. A # without a blank marks a key, not prose."""
    shown = leaf.required or leaf.default is None or leaf.secret
    value = example(leaf.annotation) if shown else as_values(leaf.default)
    return f"{'' if leaf.required else '#'}{leaf.key} = {toml(value)}"


def example(annotation: Any) -> Any:
    """Return a plain value of the type: the first of its ``Meta(examples=[...])``, or a made-up one.

    A made-up text need not match the pattern of its type. A check reports it then.
    """
    return _example(info_of(annotation))


def _example(info: inspect.Type) -> Any:
    info = behind(info)
    match info:
        case inspect.CustomType(cls=cls):
            return known.example if (known := standard(cls)) is not None else "CHANGE-ME"
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
