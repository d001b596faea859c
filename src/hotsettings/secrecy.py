"""Keeping secret values out of everything that is shown."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from .marks import SECRET
from .shape import metadata_below, structs_below

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

    A nested Struct does not count: it masks its own fields.
    """
    return frozenset(
        field.name
        for field in msgspec.structs.fields(struct)
        if is_secret(field.type, beyond=tuple(structs_below(field.type)))
    )


def mask_nested(annotation: Any) -> None:
    """Teach the Structs inside an annotation that have Secret fields, and no repr of their own, to mask them."""
    for struct in structs_below(annotation):
        if secret_fields(struct) and struct.__repr__ is Struct.__repr__:
            struct.__repr__ = masked_repr  # type: ignore[method-assign,assignment]
            struct.__rich_repr__ = masked_items  # type: ignore[method-assign,assignment]


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


def texts_of(value: Any) -> Iterator[str]:
    """Yield every way a secret value, or a part of it, could stand in a text. Booleans and None say nothing."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts_of(key)
            yield from texts_of(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, Struct):
        yield from texts_of(msgspec.structs.asdict(value))
    elif value is not None and not isinstance(value, bool):
        yield from _spellings(str(value))


def _spellings(text: str) -> Iterator[str]:
    from urllib.parse import quote, unquote, urlsplit  # slow to import, and needed only to explain a mistake

    yield text
    yield text.strip()
    yield repr(text)[1:-1]
    yield msgspec.json.encode(text).decode()[1:-1]
    yield quote(text, safe="")
    yield from text.splitlines()
    if "://" in text:
        try:
            credentials = urlsplit(text).netloc.rpartition("@")[0]
        except ValueError:
            credentials = text.partition("://")[2].rpartition("@")[0]
        password = credentials.partition(":")[2]
        yield from (credentials, unquote(credentials), password, unquote(password))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with every secret in it replaced by the mask.

    ``secrets`` come from ``texts_of``. One of up to three characters is replaced only where it stands as a word of its
    own, or the rest of the text could not be read any more.
    """
    for secret in sorted({secret for secret in secrets if secret.strip()}, key=len, reverse=True):
        if secret in text:
            pattern = re.escape(secret) if len(secret) > 3 else rf"(?<!\w){re.escape(secret)}(?!\w)"
            text = re.sub(pattern, MASK, text)
    return text
