"""Types that msgspec would not hand to a decoder: it refuses them, or knows better.

msgspec refuses ``date | Literal["never"]``, because both are strings in JSON; in TOML they are not. And it decodes every
dataclass from a table, whatever a settings class names as its decoder. In the annotations of the Structs that settings are made
of, a class of its own stands in for such a type. msgspec does not know it, so it asks for a decoder.
"""

from __future__ import annotations

import datetime
import enum
import gc
import operator
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Struct, StructMeta

NATIVE: Final = (datetime.datetime, datetime.date, datetime.time)
"""TOML has these types itself, so a string is not taken for one of them. A datetime is a date too, so it comes first."""


_UNIONS: Final = (typing.Union, types.UnionType)


class StandIn(type):
    """The class of classes that stand in for another type, their ``original``."""

    original: Any

    def __instancecheck__(cls, instance: object) -> bool:
        # What a union may hold has been checked by its decoder.
        return not isinstance(cls.original, type) or isinstance(instance, cls.original)


def stand_in(original: Any) -> StandIn:
    """Return a class that stands in for a type."""
    members = typing.get_args(original) or (original,)
    name = " | ".join(getattr(member, "__name__", str(member)) for member in members)
    return StandIn(name, (), {"original": original, "__module__": "builtins"})  # so it is shown as the original


def original_of(kind: Any) -> Any:
    """Return the type that a class stands in for, or else the type itself."""
    return kind.original if isinstance(kind, StandIn) else kind


def is_record(kind: Any) -> bool:
    """Whether msgspec decodes a class from a table or an array by itself, although it is none of its own."""
    fields = ("__dataclass_fields__", "__attrs_attrs__", "_fields", "__total__")
    return isinstance(kind, type) and not isinstance(kind, StructMeta) and any(hasattr(kind, name) for name in fields)


def put_stand_ins(structs: Iterable[type[Struct]], decoded: Callable[[Any], bool]) -> None:
    """Put stand-ins into the annotations of these Structs, where they are needed.

    This has to happen before msgspec uses a Struct for the first time. Raises TypeError where that is too late.

    Args:
        structs: The classes. Type parameters do not matter.
        decoded: Says whether there is a decoder for a class that msgspec decodes by itself.
    """
    for struct in dict.fromkeys(typing.get_origin(struct) or struct for struct in structs):
        for field in msgspec.structs.fields(struct):
            if (replaced := _replaced(field.type, decoded)) is not field.type:
                if _is_fixed(struct):
                    raise TypeError(
                        f"{struct.__name__}.{field.name}: msgspec has used {struct.__name__} already, without the decoder; "
                        "define the settings class before that"
                    )
                owner = next(base for base in struct.__mro__ if field.name in getattr(base, "__annotations__", ()))
                type.__setattr__(owner, "__annotations__", {**owner.__annotations__, field.name: replaced})


def _is_fixed(struct: type[Struct]) -> bool:
    """Whether msgspec has worked out how to decode a Struct. It keeps that with the class, and never looks at it again."""
    return any(type(kept).__name__ == "StructInfo" for kept in gc.get_referents(struct))


def _replaced(annotation: Any, decoded: Callable[[Any], bool]) -> Any:
    """Return the annotation with stand-ins in it, or the same object if it needs none."""
    origin: Any = typing.get_origin(annotation)
    if is_record(annotation):
        return stand_in(annotation) if decoded(annotation) else annotation
    if origin is Annotated:
        inner = _replaced(annotation.__origin__, decoded)
        return annotation if inner is annotation.__origin__ else Annotated[(inner, *annotation.__metadata__)]
    if hasattr(annotation, "__value__"):  # type Name = ...
        value = _replaced(annotation.__value__, decoded)
        return annotation if value is annotation.__value__ else value
    if origin in _UNIONS and is_mixed(annotation):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        union = stand_in(_union(members))
        return union if len(members) == len(typing.get_args(annotation)) else _union([union, None])
    if origin is None or origin is typing.Literal:
        return annotation
    arguments = typing.get_args(annotation)
    replaced = tuple(_replaced(argument, decoded) for argument in arguments)
    if all(map(operator.is_, arguments, replaced)):
        return annotation
    if origin in _UNIONS:
        return _union(replaced)
    return annotation.copy_with(replaced) if hasattr(annotation, "copy_with") else annotation.__origin__[replaced]


def is_mixed(annotation: Any) -> bool:
    """Whether a union has dates or times beside other types that only JSON cannot tell apart."""
    native, others = parts(annotation)
    if not native or any(_bare(member) is str for member in others):
        return False
    mixed = len(native) > 1 or any(typing.get_origin(member) is typing.Literal or _is_enum(member) for member in others)
    return mixed and not _decodable([*native.values(), *others]) and (not others or _decodable(others))


def parts(annotation: Any) -> tuple[dict[type, Any], list[Any]]:
    """Return the members of a union that TOML has types for, by type, and the others, without None."""
    native: dict[type, Any] = {}
    others = []
    for member in typing.get_args(annotation):
        if (bare := _bare(member)) in NATIVE:
            native[bare] = member
        elif member is not types.NoneType:
            others.append(member)
    return native, others


def decode_union(union: Any, value: Any, hook: Callable[[Any, Any], Any]) -> Any:
    """Decode a value of a union that `is_mixed`.

    Raises:
        msgspec.ValidationError: The value is none of the member that its type tells.
        LookupError: It is none of any.
    """
    native, others = parts(union)
    kind = next((kind for kind in NATIVE if isinstance(value, kind)), None)
    if kind in native:
        return msgspec.convert(value, native[kind], builtin_types=NATIVE, dec_hook=hook)
    try:
        if others:
            return msgspec.convert(value, _union(others), builtin_types=NATIVE, str_keys=True, dec_hook=hook)
    except msgspec.ValidationError:
        pass
    raise LookupError


def _union(members: Iterable[Any]) -> Any:
    return typing.Union[tuple(members)]  # noqa: UP007 - the members are known at run time only


def _bare(member: Any) -> Any:
    while typing.get_origin(member) is Annotated:
        member = member.__origin__
    return member


def options(union: Any) -> list[str]:
    """Return the strings among the values that a union lists."""
    listed: list[Any] = []
    for member in map(_bare, typing.get_args(union)):
        if typing.get_origin(member) is typing.Literal:
            listed += typing.get_args(member)
        elif _is_enum(member):
            listed += [option.value for option in member]
    return [option for option in listed if isinstance(option, str)]


def _is_enum(member: Any) -> bool:
    return isinstance(_bare(member), enum.EnumType)


def _decodable(members: Iterable[Any]) -> bool:
    try:
        msgspec.json.Decoder(_union(members))
    except TypeError:
        return False
    return True
