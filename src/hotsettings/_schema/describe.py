"""The types and limits of settings in words, for people who write TOML."""

from __future__ import annotations

from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from msgspec import inspect

from .._layers.toml.keys import dotted
from .._layers.toml.values import toml
from .codecs import name_of, standard
from .stand_ins import original_of

_NAMES: dict[type[inspect.Type], str] = {
    inspect.AnyType: "any",
    inspect.BoolType: "bool",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.StrType: "str",
    inspect.BytesType: "str (base64)",
    inspect.DateTimeType: "datetime",
    inspect.DateType: "date",
    inspect.TimeType: "time",
    inspect.TimeDeltaType: "str (duration)",
    inspect.DecimalType: "str (decimal)",
    inspect.UUIDType: "str (UUID)",
}


def type_name(annotation: Any) -> str:
    """``int``, ``array of str``, ``table of table { host: str }``, ``"a" or "b"``."""
    return _named(info_of(annotation))


def info_of(annotation: Any) -> inspect.Type:
    """Return what msgspec knows of an annotation, with unions that it would refuse."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    return inspect.UnionType(tuple(map(info_of, members))) if members else inspect.type_info(annotation)


def behind(info: inspect.Type) -> inspect.Type:
    """Return the type for which a class stands in, or else the type itself."""
    original = original_of(info.cls) if isinstance(info, inspect.CustomType) else None
    return info if original is None or isinstance(original, type) else info_of(original)


class Limit(NamedTuple):
    """What a value must obey beyond its type: ``at least 1``, ``length at most 9``, ``matches ^a+$``."""

    words: str
    value: Any
    is_pattern: bool

    def __str__(self) -> str:
        return f"{self.words} {self.value}"


def limits(annotation: Any) -> list[Limit]:
    """Return the limits of the values of an annotation."""
    return _limits(info_of(annotation))


def _named(info: inspect.Type, inside: bool = False) -> str:
    """Name a type. Of a table ``inside`` another one nothing is said but that it is one: its keys have names of their own."""
    match behind(info):
        case inspect.Metadata(type=inner):
            return _named(inner, inside)
        case inspect.CustomType(cls=cls):
            return known.words if (known := standard(cls)) is not None else name_of(original_of(cls))
        case inspect.UnionType(types=types):
            named = [_named(each, inside) for each in types if not isinstance(each, inspect.NoneType)]
            return " or ".join(dict.fromkeys(named))
        case inspect.LiteralType(values=values):
            return " or ".join(toml(value) for value in values if value is not None)
        case inspect.EnumType(cls=cls):
            return " or ".join(toml(member.value) for member in cls)
        case inspect.DictType(value_type=value):
            return f"table of {_named(value, inside)}"
        case inspect.VarTupleType(item_type=item) | inspect.FrozenSetType(item_type=item):
            return f"array of {_named(item, inside)}"
        case inspect.TupleType(item_types=items):
            return f"array of {', '.join(_named(item, inside) for item in items)}"
        case inspect.StructType(array_like=array_like) if inside:
            return "array" if array_like else "table"
        case inspect.StructType(fields=fields, array_like=True, tag=tag):
            tagged = [] if tag is None else [toml(tag)]
            return f"array of {', '.join([*tagged, *(_named(field.type, inside=True) for field in fields)])}"
        case inspect.StructType(fields=fields, tag=tag, tag_field=tag_field):
            named = [] if tag_field is None else [f"{dotted((tag_field,))}: {toml(tag)}"]
            named += [f"{dotted((field.encode_name,))}: {_named(field.type, inside=True)}" for field in fields]
            return f"table {{ {', '.join(named)} }}"
        case _:
            return _NAMES.get(type(info), "any")


def _limits(info: inspect.Type) -> list[Limit]:
    match behind(info):
        case inspect.Metadata(type=inner):
            return _limits(inner)
        case inspect.UnionType(types=types):
            return [limit for each in types for limit in _limits(each)]
        case _:
            values = {name: getattr(info, name, None) for name in _LIMITS}
            return [
                Limit(_LIMITS[name], value, name == "pattern") for name, value in values.items() if value is not None
            ]


_LIMITS = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "lt": "less than",
    "multiple_of": "a multiple of",
    "min_length": "length at least",
    "max_length": "length at most",
    "pattern": "matches",
}
