"""`template`: a config.toml and a secrets.example.toml to start from."""

from __future__ import annotations

import datetime
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from msgspec import NODEFAULT, Struct, inspect

from ..._layers.toml.keys import ABSENT, Path, dotted
from ..._layers.toml.values import expressible, toml
from ..._schema.codecs import standard
from ..._schema.describe import behind, info_of, limits, type_name
from ..._schema.field_types import struct_of
from ..._schema.schema import Leaf, Schema, as_values
from ..._schema.shape import in_order, own_default, parts_of
from .. import output
from ..options import SettingsClass
from ..patterns import matching
from ..settings_class import schema_or_exit
from .reference import by_section, fields_inside, is_secret_leaf, remarks

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
    needed = _needed(schema)
    for section, leaves in by_section(schema):
        lines += ["", f"# ---- {section or 'Settings'} ----"]
        for leaf in leaves:
            lines += ["", *_comment(schema, leaf)]
            for part in _parts(leaf, leaf.path in needed):
                lines.append(f"# {dotted(part.path)} belongs in the secrets file." if part.secret else part.line)
    return "\n".join(lines)


def secrets_example(schema: Schema) -> str:
    """Return a secrets.example.toml: each secret with a value to change, commented out unless it is required."""
    lines = [
        f"# Secrets of {schema.cls.__module__}:{schema.cls.__qualname__}.",
        "# Copy this file to secrets.toml, change every value, and keep the copy out of version control.",
    ]
    needed = _needed(schema)
    for leaf in schema.leaves:
        if leaf.secret:
            secret = [part.line for part in _parts(leaf, leaf.path in needed) if part.secret]
            lines += ["", *_comment(schema, leaf), *secret]
    return "\n".join(lines)


def _needed(schema: Schema) -> set[Path]:
    """Return the leaves that a template has to set: the required ones, and one of each required table that requires none."""
    needed: set[Path] = {leaf.path for leaf in schema.leaves if leaf.required}
    tables: list[tuple[type[Struct], Path]] = [(schema.cls, ())]
    while tables:
        table, above = tables.pop()
        for field in msgspec.structs.fields(table):
            path = (*above, field.encode_name)
            inner = schema.leaves_below(path)
            if field.required and (struct := struct_of(field.type)) is not None and len(inner[0].path) > len(path):
                tables.append((struct, path))
                if not any(leaf.required for leaf in inner):
                    needed.add(min(inner, key=lambda leaf: leaf.secret).path)
    return needed


def _comment(schema: Schema, leaf: Leaf) -> Iterator[str]:
    facts = _facts(leaf.annotation)
    facts += ["required"] * leaf.required + ["a change needs a restart"] * leaf.restart
    facts += remarks(schema, leaf.path, str)
    for text in (leaf.description, ", ".join(facts), *_inside(leaf)):
        yield from textwrap.wrap(text, 118, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)


def _facts(annotation: Any) -> list[str]:
    return [type_name(annotation), *map(str, limits(annotation))]


def _inside(leaf: Leaf) -> Iterator[str]:
    """Yield a line for each key of the tables inside a mapping, an array or a union, named as in the reference."""
    for path, shape, field in fields_inside(leaf.shape, leaf.key, ()):
        facts, default = [*_facts(shape.annotation), *["secret"] * is_secret_leaf(shape)], own_default(field)
        if default is ABSENT:
            facts.append("required")
        elif default is not None and not shape.holds_secret:
            facts.append(f"default {toml(in_order(shape, as_values(default)))}")
        yield f"{path}: {', '.join(facts)}{'; ' * bool(shape.description)}{shape.description}"


class _Line(NamedTuple):
    """An assignment, and whether it belongs in the secrets file."""

    path: Path
    value: Any
    secret: bool
    required: bool

    @property
    def line(self) -> str:
        """A # without a blank marks a key, not prose."""
        return f"{'' if self.required else '#'}{dotted(self.path)} = {toml(self.value)}"


def _parts(leaf: Leaf, needed: bool) -> list[_Line]:
    """Return the key with its default, or with a value of its type; of tables with a secret inside, each key.

    No default is shown that has a secret inside. Where it is empty, a value of the type shows what can be inside.
    """
    default = None if leaf.required else in_order(leaf.shape, as_values(leaf.default))
    if expressible(default) and not (leaf.secret and default in ({}, [])):
        lines = _lines(leaf, default, needed)
        if not any(line.secret for line in lines):
            return lines
    return _lines(leaf, example(leaf.annotation), needed)


def _lines(leaf: Leaf, value: Any, needed: bool) -> list[_Line]:
    """Return the assignments that make up a value of a key.

    The files do not merge arrays, so an array with a secret inside belongs in the secrets file as a whole.
    """
    parts = list(parts_of(leaf.shape, value, leaf.path))
    if not leaf.secret or any(isinstance(key, int) for part in parts for key in part.path):
        return [_Line(leaf.path, value, any(part.hidden for part in parts), needed)]
    return [_Line(part.path, part.value, part.hidden, needed) for part in parts]


def example(annotation: Any) -> Any:
    """Return a plain value of the type: the first of its ``Meta(examples=[...])``, or a made-up one.

    For some patterns no text is found. A check reports that then.
    """
    return _example(info_of(annotation))


def _example(info: inspect.Type) -> Any:
    info = behind(info)
    match info:
        case inspect.CustomType(cls=cls):
            return known.example if (known := standard(cls)) is not None else "CHANGE-ME"
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            given = [*filter(expressible, map(as_values, (extra or {}).get("examples", ())))]
            return given[0] if given else _example(inner)
        case inspect.UnionType(types=types):
            return _example(next(each for each in types if not isinstance(each, inspect.NoneType)))
        case inspect.LiteralType(values=values):
            return next(value for value in values if value is not None)
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
        case inspect.DictType(key_type=key, value_type=value, min_length=shortest, max_length=longest):
            # One table shows what belongs in each of them.
            count = max(shortest or 0, int(_is_table(value) and longest != 0))
            return {key: _example(value) for key in _keys(key, count)}
        case inspect.StructType(fields=fields, array_like=True, tag=tag):
            return [*([] if tag is None else [tag]), *(_example(field.type) for field in fields if field.required)]
        case inspect.StructType(fields=fields, tag=tag, tag_field=tag_field):
            table: dict[str, Any] = {} if tag_field is None else {tag_field: tag}
            required = {field.encode_name: _example(field.type) for field in fields if field.required}
            return table | (required or _defaults(fields))
        case _:
            return ""


def _is_table(info: inspect.Type) -> bool:
    info = behind(info)
    match info:
        case inspect.Metadata(type=inner):
            return _is_table(inner)
        case inspect.UnionType(types=types):
            return any(map(_is_table, types))
        case _:
            return isinstance(info, inspect.StructType) and not info.array_like


def _defaults(fields: Sequence[inspect.Field]) -> dict[str, Any]:
    """Return the fields of a table that requires none, so that it shows what can be set."""
    set_to = {field.encode_name: as_values(field.default) for field in fields if field.default is not NODEFAULT}
    return {name: default for name, default in set_to.items() if expressible(default)}


def _keys(info: inspect.Type, count: int) -> Iterator[str]:
    """Yield names of entries of a mapping. A layer writes all of them as strings."""
    match info:
        case inspect.Metadata(type=inner):
            yield from _keys(inner, count)
        case inspect.LiteralType(values=values):
            yield from [str(value) for value in values if value is not None][:count]
        case inspect.EnumType(cls=cls):
            yield from [str(member.value) for member in cls][:count]
        case inspect.IntType() | inspect.FloatType():
            first = _number(info)
            below = info.ge is None and info.gt is None and (info.le is not None or info.lt is not None)
            step = (info.multiple_of or 1) * (-1 if below else 1)
            yield from (str(first + number * step) for number in range(count))
        case inspect.StrType(pattern=None, max_length=None, min_length=shortest):
            yield from (f"name{number or ''}".ljust(shortest or 0, "-") for number in range(count))
        case _:
            yield from [str(_example(info))][:count]


def _text(info: inspect.StrType) -> str:
    word = "CHANGE-ME"
    shortest = info.min_length or 0
    text = "-".join([word] * (shortest // (len(word) + 1) + 1)).ljust(shortest, "-")[: info.max_length]
    if info.pattern and not re.search(info.pattern, text):
        return matching(info.pattern, shortest, info.max_length) or ""
    return text


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
