"""Masking the secret fields of settings where they are shown whole."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from msgspec import Struct

from .marks import SECRET
from .shape import metadata_below, struct_class, structs_below

MASK = "********"


class Hidden:
    """Stands in the place of a secret value. It prints as the mask, without the quotes that would make it look like one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


HIDDEN = Hidden()


def is_secret(annotation: Any, beyond: tuple[type[Struct], ...] = ()) -> bool:
    """Whether anything in the annotation is marked Secret, the fields of the Structs ``beyond`` not looked at."""
    return any(mark is SECRET for mark in metadata_below(annotation, seen=beyond))


@functools.cache
def secret_fields(struct: type[Struct]) -> frozenset[str]:
    """Names of the fields whose value must not be shown: those marked, and those that hold something marked.

    A nested Struct does not count: it masks its own fields, unless a parameter of it is what is marked.
    """
    return frozenset(
        field.name
        for field in msgspec.structs.fields(struct)
        if is_secret(field.type, beyond=tuple(filter(_masks_itself, structs_below(field.type))))
    )


def _masks_itself(struct: Any) -> bool:
    return not any(map(is_secret, get_args(struct)))


def mask_nested(annotation: Any) -> None:
    """Teach the Structs inside an annotation that have Secret fields, and no repr of their own, to mask them."""
    for struct in map(struct_class, structs_below(annotation)):
        if struct is not None and secret_fields(struct):
            if struct.__repr__ is Struct.__repr__:
                struct.__repr__ = masked_repr  # type: ignore[method-assign,assignment]  # pyright: ignore[reportAttributeAccessIssue]
            if struct.__rich_repr__ is Struct.__rich_repr__:
                struct.__rich_repr__ = masked_items  # type: ignore[method-assign,assignment]  # pyright: ignore[reportAttributeAccessIssue]


def masked_items(struct: Struct) -> Iterator[tuple[str, Any]]:
    """Yield the fields with their values, secrets masked. An absent secret (None) is shown as such."""
    secrets = secret_fields(type(struct))
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        yield name, HIDDEN if name in secrets and value is not None else value


def masked_repr(struct: Struct) -> str:
    """Like the repr of a Struct, with secrets masked."""
    fields = ", ".join(f"{name}={value!r}" for name, value in masked_items(struct))
    return f"{type(struct).__name__}({fields})"
