"""The shape of a type annotation: what it nests, and whether its values can change.

Only this module looks into annotations. It knows msgspec's data model and refuses what cannot be immutable.
"""

from __future__ import annotations

import collections.abc
import typing
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from types import NoneType, UnionType
from typing import Annotated, Any

import msgspec
from msgspec import Struct, inspect

from .codecs import Decoder, decoder_for, is_mutable, name_of
from .stand_ins import is_mixed, original_of

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
_OTHER_LIBRARIES = frozenset(
    {
        *("annotated_types", "attr", "attrs", "beartype", "cattrs", "cerberus", "dataclasses", "marshmallow"),
        *("pydantic", "pydantic_core", "pydantic_settings", "schematics", "traitlets", "typeguard", "voluptuous"),
    }
)
_NO_DECODERS: Mapping[Any, Decoder] = {}
# Immutable by themselves; what is inside of them is checked too.
_TRANSPARENT = (object, typing.Union, UnionType, typing.Literal, tuple, frozenset, collections.abc.Mapping)


def unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the type without ``Annotated``, aliases and ``| None``, and the metadata around it, the innermost first."""
    metadata: tuple[Any, ...] = ()
    while True:
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            metadata = annotation.__metadata__ + metadata
            annotation = annotation.__origin__
        elif (original := original_of(annotation)) is not annotation:
            annotation = original
        elif isinstance(annotation, _TypeAlias):
            annotation = annotation.__value__
        elif isinstance(origin, _TypeAlias):
            annotation = _substituted(origin, annotation.__args__)
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif isinstance(annotation, typing.TypeVar):  # of a generic Struct that nobody parametrized
            annotation = annotation.__bound__ or Any
        elif len(members := _members_but_none(annotation)) == 1:
            annotation = members[0]
        else:
            return annotation, metadata


def _substituted(alias: Any, arguments: tuple[Any, ...]) -> Any:
    """Return the type that a generic alias stands for with these arguments: ``type Pair[T] = tuple[T, T]``."""
    given = dict(zip(alias.__type_params__, arguments, strict=False))
    value = alias.__value__
    wanted = tuple(given.get(parameter, Any) for parameter in getattr(value, "__parameters__", ()))
    return value[wanted] if wanted else given.get(value, value)


def _members_but_none(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) not in (typing.Union, UnionType):
        return []
    return [member for member in typing.get_args(annotation) if member is not NoneType]


def alternatives(annotation: Any) -> list[Any]:
    """Return the members of a union, None left out, or else the annotation alone."""
    bare, _ = unwrap(annotation)
    return _members_but_none(bare) or [bare]


def struct_class(bare: Any) -> type[Struct] | None:
    """Return the class of ``S`` or of a generic ``S[T]`` where that is a Struct."""
    kind = typing.get_origin(bare) or bare
    return kind if isinstance(kind, type) and issubclass(kind, Struct) else None


def class_of(struct: Any) -> type[Struct]:
    """Return the class of a Struct, ``S`` or a generic ``S[T]``."""
    kind: type[Struct] = typing.get_origin(struct) or struct
    return kind


def struct_of(annotation: Any) -> type[Struct] | None:
    """Return the Struct that the annotation nests as a table (``S``, ``S[T]``, ``S | None``), if it does."""
    bare, _ = unwrap(annotation)
    kind = struct_class(bare)
    return None if kind is None or kind.__struct_config__.array_like else bare


def is_tagged(struct: Any) -> bool:
    """Whether a key tells which Struct of a union a table is."""
    kind = struct_class(struct)
    return kind is not None and kind.__struct_config__.tag is not None


def items_of(annotation: Any) -> Iterable[Any]:
    """Return the annotations of the elements of an array, one after the other; none for anything else.

    An array that becomes a Struct has its tag, if it has one, in front.
    """
    bare, _ = unwrap(annotation)
    if (struct := struct_class(bare)) is not None:
        config = struct.__struct_config__
        tag = () if config.tag is None else (typing.Literal[config.tag],)
        return (*tag, *(field.type for field in msgspec.structs.fields(bare))) if config.array_like else ()
    arguments = typing.get_args(bare)
    if typing.get_origin(bare) is frozenset or (typing.get_origin(bare) is tuple and arguments[-1:] == (...,)):
        return repeat(arguments[0])
    return arguments if typing.get_origin(bare) is tuple else ()


def entries_of(annotation: Any) -> tuple[Any, Any] | None:
    """Return the annotations of each key and each value of a ``Mapping[K, V]``, else None."""
    bare, _ = unwrap(annotation)
    return typing.get_args(bare) if typing.get_origin(bare) is collections.abc.Mapping else None


def _inner(bare: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a type is made of: each field of a Struct with its name, each argument of a generic with ""."""
    if struct_class(bare) is not None:
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


def types_below(annotation: Any, seen: tuple[Any, ...] = ()) -> Iterator[Any]:
    """Yield every type in an annotation, without its metadata: unions, generics, Structs, and what these are made of."""
    bare, _ = unwrap(annotation)
    if bare not in seen:
        yield bare
        for _, inner in _inner(bare):
            yield from types_below(inner, (*seen, bare))


def structs_below(annotation: Any, seen: tuple[Any, ...] = ()) -> Iterator[type[Struct]]:
    """Yield every Struct, ``S`` or a generic ``S[T]``, that values of the annotation may hold."""
    return (bare for bare in types_below(annotation, seen) if struct_class(bare) is not None)


def asks_decoders(annotation: Any, decoders: Mapping[Any, Decoder]) -> bool:
    """Whether msgspec cannot decode all of an annotation by itself."""
    return any(
        decoder_for(bare, decoders) is not None or (len(alternatives(bare)) > 1 and is_mixed(bare))
        for bare in types_below(annotation)
    )


def needs_freezing(annotation: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether msgspec decodes values of this type to something that can still change: a dict, or a list below Any."""
    bare, _ = unwrap(annotation)
    if bare in (Any, object, tuple) or collections.abc.Mapping in (bare, typing.get_origin(bare)):
        return True
    return bare not in seen and any(needs_freezing(inner, (*seen, bare)) for _, inner in _inner(bare))


def refuse_unusable(
    annotation: Any, label: str, decoders: Mapping[Any, Decoder] = _NO_DECODERS, seen: tuple[Any, ...] = ()
) -> None:
    """Raise TypeError, naming ``label`` and the way out, for what settings cannot hold.

    That is a type whose values could change, one that no TOML value can be decoded to, and metadata that only another
    library would read.
    """
    bare, metadata = unwrap(annotation)
    refuse_foreign(metadata, label)
    origin = typing.get_origin(bare) or bare
    if decoder_for(bare, decoders) is not None:
        if typing.get_args(bare)[:1] == (bytes,):
            raise TypeError(f"{label}: TOML has no bytes; use re.Pattern[str]")
        return
    if origin in _INSTEAD:
        raise TypeError(f"{label}: {_name(origin)} is mutable; use {_INSTEAD[origin]}")
    if (struct := struct_class(bare)) is not None:
        if not struct.__struct_config__.frozen:
            raise TypeError(f"{label}: {_name(struct)} is mutable; declare it with frozen=True")
    elif origin not in _TRANSPARENT:
        _refuse_undecodable(bare, label)
    if (entry := entries_of(bare)) is not None and asks_decoders(entry[0], decoders):
        raise TypeError(f"{label}: keys of a mapping cannot be decoded to {_name(unwrap(entry[0])[0])}; use str")
    if bare not in seen:
        for name, inner in _inner(bare):
            refuse_unusable(inner, label + name, decoders, (*seen, bare))


def refuse_foreign(metadata: Iterable[Any], label: str) -> None:
    """Raise TypeError, naming ``label``, for constraints of other libraries: nobody would apply them."""
    for mark in metadata:
        kind = mark if isinstance(mark, type) else type(mark)
        library = kind.__module__.partition(".")[0]
        if library in _OTHER_LIBRARIES:
            raise TypeError(
                f"{label}: {library} is not asked about settings, so its {kind.__name__} would be ignored; "
                "use msgspec.Meta for limits, msgspec.field for defaults, and a __post_init__ for other rules"
            )


def _refuse_undecodable(bare: Any, label: str) -> None:
    known = inspect.type_info(bare)
    if isinstance(known, inspect.TypedDictType):
        raise TypeError(f"{label}: {_name(bare)} is mutable; use a msgspec.Struct with frozen=True")
    kind = typing.get_origin(bare) or bare
    decoder = f", or name a function that makes one in the class line: decoders={{{name_of(kind)}: ...}}"
    if isinstance(known, inspect.DataclassType | inspect.NamedTupleType):
        raise TypeError(f"{label}: {_name(bare)} is not supported; use a msgspec.Struct with frozen=True{decoder}")
    if isinstance(known, inspect.CustomType) and is_mutable(kind):
        raise TypeError(f"{label}: {_name(bare)} is mutable; use tuple[...], Mapping[...] or frozenset[...]")
    if isinstance(known, inspect.CustomType | inspect.RawType | inspect.ExtType):
        raise TypeError(
            f"{label}: TOML values cannot be decoded to {_name(bare)}; use str or another type of msgspec{decoder}"
        )


def _name(kind: Any) -> str:
    return getattr(kind, "__qualname__", str(kind))
