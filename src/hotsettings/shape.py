"""The shape of a type annotation: what it nests, and whether its values can change.

Only this module looks into annotations. It knows msgspec's data model and refuses what cannot be immutable.
"""

from __future__ import annotations

import collections.abc
import enum
import typing
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any

import msgspec
from msgspec import Struct, inspect

_TypeAlias = getattr(typing, "TypeAliasType", ())  # Python 3.12: `type Port = ...`

_INSTEAD = {
    list: "tuple[...]",
    collections.abc.Sequence: "tuple[...]",
    collections.abc.MutableSequence: "tuple[...]",
    collections.abc.Collection: "tuple[...]",
    dict: "Mapping[...]",
    collections.abc.MutableMapping: "Mapping[...]",
    set: "frozenset[...]",
    collections.abc.Set: "frozenset[...]",
    collections.abc.MutableSet: "frozenset[...]",
    bytearray: "bytes",
    memoryview: "bytes",
}


def unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the type without ``Annotated``, aliases and ``| None``, and the metadata that stood around it."""
    metadata: tuple[Any, ...] = ()
    while True:
        if typing.get_origin(annotation) is Annotated:
            metadata += annotation.__metadata__
            annotation = annotation.__origin__
        elif isinstance(annotation, _TypeAlias):
            annotation = annotation.__value__
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif len(members := _members_but_none(annotation)) == 1:
            annotation = members[0]
        else:
            return annotation, metadata


def _members_but_none(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) not in (typing.Union, UnionType):
        return []
    return [member for member in typing.get_args(annotation) if member is not NoneType]


def struct_of(annotation: Any) -> type[Struct] | None:
    """Return the Struct class that the annotation nests as a table (``S``, ``S | None``), if it does."""
    bare, _ = unwrap(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, Struct) else None


def items_of(annotation: Any) -> Any | None:
    """Return the annotation of each element of a ``tuple[T, ...]`` or ``frozenset[T]``, else None."""
    bare, _ = unwrap(annotation)
    arguments = typing.get_args(bare)
    if typing.get_origin(bare) is frozenset or (typing.get_origin(bare) is tuple and arguments[-1:] == (...,)):
        return arguments[0]
    return None


def entries_of(annotation: Any) -> Any | None:
    """Return the annotation of each value of a ``Mapping[K, V]``, else None."""
    bare, _ = unwrap(annotation)
    return typing.get_args(bare)[1] if typing.get_origin(bare) is collections.abc.Mapping else None


def _inner(bare: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a type is made of: each field of a Struct with its name, each argument of a generic with ""."""
    if isinstance(bare, type) and issubclass(bare, Struct):
        yield from ((f".{field.name}", field.type) for field in msgspec.structs.fields(bare))
    elif typing.get_origin(bare) is not typing.Literal:
        yield from (("", argument) for argument in typing.get_args(bare) if argument is not ...)


def metadata_below(annotation: Any, seen: tuple[Any, ...] = ()) -> Iterator[Any]:
    """Yield all metadata around and inside an annotation, that of the fields of nested Structs included."""
    bare, metadata = unwrap(annotation)
    yield from metadata
    if bare not in seen:
        for _, inner in _inner(bare):
            yield from metadata_below(inner, (*seen, bare))


def structs_below(annotation: Any, seen: tuple[Any, ...] = ()) -> Iterator[type[Struct]]:
    """Yield every Struct class that values of the annotation may hold."""
    bare, _ = unwrap(annotation)
    if bare not in seen:
        if isinstance(bare, type) and issubclass(bare, Struct):
            yield bare
        for _, inner in _inner(bare):
            yield from structs_below(inner, (*seen, bare))


def needs_freezing(annotation: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether msgspec decodes values of this type to something that can still change: a dict, or a list below Any."""
    bare, _ = unwrap(annotation)
    if bare in (Any, object, tuple) or collections.abc.Mapping in (bare, typing.get_origin(bare)):
        return True
    return bare not in seen and any(needs_freezing(inner, (*seen, bare)) for _, inner in _inner(bare))


def refuse_mutable(annotation: Any, label: str, seen: tuple[Any, ...] = ()) -> None:
    """Raise TypeError, naming ``label`` and the type to use, if a value of the annotation could change."""
    bare, _ = unwrap(annotation)
    origin = typing.get_origin(bare) or bare
    if origin in _INSTEAD:
        raise TypeError(f"{label}: {_name(origin)} is mutable; use {_INSTEAD[origin]}")
    if isinstance(origin, type) and issubclass(origin, Struct) and not origin.__struct_config__.frozen:
        raise TypeError(f"{label}: {_name(origin)} is mutable; declare it with frozen=True")
    if origin is bare and bare not in (Any, object, NoneType, tuple, frozenset, collections.abc.Mapping):
        _refuse_unsupported(bare, label)
    if bare not in seen:
        for name, inner in _inner(bare):
            refuse_mutable(inner, label + name, (*seen, bare))


def _refuse_unsupported(bare: Any, label: str) -> None:
    if isinstance(bare, type) and issubclass(bare, Struct | enum.Enum):
        return
    known = inspect.type_info(bare)
    if isinstance(known, inspect.DataclassType | inspect.TypedDictType | inspect.NamedTupleType):
        raise TypeError(f"{label}: {_name(bare)} is not supported; use a msgspec.Struct with frozen=True")
    if isinstance(known, inspect.CustomType | inspect.RawType):
        raise TypeError(f"{label}: TOML values cannot be decoded to {_name(bare)}; use str or another type of msgspec")


def _name(kind: Any) -> str:
    return getattr(kind, "__qualname__", str(kind))
