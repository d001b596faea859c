"""Masks secret fields in the reprs of settings."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Struct

from .field_types import alternatives, metadata_below, struct_class, struct_of, structs_below, unwrap
from .marks import SECRET, Renamed

MASK = "********"


class Hidden:
    """Stands in the place of a secret value. It prints as the mask, without the quotes that would make it look like one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


HIDDEN = Hidden()


def is_secret(annotation: Any, beyond: tuple[type[Struct], ...] = ()) -> bool:
    """Whether anything in the annotation is marked Secret. The fields of the Structs ``beyond`` do not count."""
    return any(mark is SECRET for mark in metadata_below(annotation, seen=beyond))


_by_parameter: WeakKeyDictionary[type[Struct], frozenset[str]] = WeakKeyDictionary()
"""Fields of generic Structs that a type parameter of some settings class makes secret. An instance does not know its
type parameters, so these fields are masked in all instances."""


@functools.cache
def secret_fields(struct: type[Struct]) -> frozenset[str]:
    """Names of the fields whose value must not be shown: those marked, and those that hold something marked.

    A nested Struct does not count, since it masks its own fields; unless one of its type parameters is marked.
    """
    return _secret_fields(struct)


def _secret_fields(struct: type[Struct]) -> frozenset[str]:
    return frozenset(
        field.name
        for field in msgspec.structs.fields(struct)
        if is_secret(field.type, beyond=tuple(filter(_masks_itself, structs_below(field.type))))
    )


def _masks_itself(struct: Any) -> bool:
    return not any(map(is_secret, get_args(struct)))


def mask_nested(annotation: Any) -> None:
    """Give each Struct inside an annotation a repr that masks its Secret fields, unless it has a repr of its own."""
    for parametrised in structs_below(annotation):
        struct = struct_class(parametrised)
        if struct is not None and (names := _secret_fields(parametrised)):
            _by_parameter[struct] = _by_parameter.get(struct, frozenset()) | names
            if struct.__repr__ is Struct.__repr__:
                struct.__repr__ = masked_repr  # type: ignore[method-assign,assignment]  # pyright: ignore[reportAttributeAccessIssue]
            if struct.__rich_repr__ is Struct.__rich_repr__:
                struct.__rich_repr__ = masked_items  # type: ignore[method-assign,assignment]  # pyright: ignore[reportAttributeAccessIssue]


def names_of_secrets(annotation: Any) -> frozenset[str]:
    """The names, as layers have them, of all Secret fields of the Structs inside an annotation, at any depth.

    Everything inside a secret Struct is secret too.
    """
    names: set[str] = set()
    seen: list[tuple[Any, bool]] = []  # no set: metadata need not be hashable

    def collect(annotation: Any, within: bool) -> None:
        bare, metadata = unwrap(annotation)
        within = within or SECRET in metadata
        if (bare, within) in seen:
            return
        seen.append((bare, within))
        if struct_class(bare) is None:
            for argument in () if get_origin(bare) is Literal else get_args(bare):
                collect(argument, within)
            return
        secret = _secret_fields(bare)
        for field in msgspec.structs.fields(bare):
            if (within or field.name in secret) and struct_of(
                field.type
            ) is None:  # a table's fields have names of their own
                names.update((field.encode_name, *former_names_of(field.type)))
            collect(field.type, within)

    collect(annotation, within=False)
    return frozenset(names)


def former_names(annotation: Any) -> frozenset[str]:
    """The former keys of all fields inside an annotation, at any depth."""
    return frozenset(name for mark in metadata_below(annotation) if isinstance(mark, Renamed) for name in mark.old)


def former_names_of(annotation: Any) -> Iterator[str]:
    """The former keys of a field with this annotation."""
    _, metadata = unwrap(annotation)
    return (name for mark in metadata if isinstance(mark, Renamed) for name in mark.old)


def masked_items(struct: Struct) -> Iterator[tuple[str, Any]]:
    """Yield the fields with their values, secrets masked. An absent secret (None) is shown as such."""
    return _items(struct, _to_mask(type(struct)))


def masked_repr(struct: Struct) -> str:
    """Like the repr of a Struct, with secrets masked."""
    return _repr(struct, type(struct))


def _to_mask(cls: type[Struct]) -> frozenset[str]:
    return secret_fields(cls).union(*(_by_parameter.get(base, ()) for base in cls.__mro__))


def _items(struct: Struct, secrets: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        yield name, HIDDEN if name in secrets and value is not None else value


def _repr(struct: Struct, known_as: Any) -> str:
    """Return the masked repr of a Struct whose annotation is ``known_as``: its class, or that with type parameters."""
    secrets = _to_mask(type(struct)) if known_as is type(struct) else _secret_fields(known_as)
    types = {field.name: field.type for field in msgspec.structs.fields(known_as)}
    fields = ", ".join(f"{name}={_value_repr(value, types[name])}" for name, value in _items(struct, secrets))
    return f"{type(struct).__name__}({fields})"


def _value_repr(value: Any, annotation: Any) -> str:
    cls: Any = type(value)
    if cls in _by_parameter and cls.__repr__ is masked_repr:
        for member in alternatives(annotation):
            if get_origin(member) is cls and not member.__parameters__:
                return _repr(value, member)
    return repr(value)
