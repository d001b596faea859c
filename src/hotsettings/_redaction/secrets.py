"""Which values are secret, and how each of them can be written in a text."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import NODEFAULT, Struct

from .. import shape
from ..keys import Path
from ..layers import Document
from ..marks import SECRET
from ..merge import ABSENT, Values, follow
from ..schema import NATIVE, Schema, as_values
from .readings import plain

_UNQUOTED = re.compile(r"[A-Za-z0-9_.~-]*")
"""What is written everywhere as it is."""


class SecretText(NamedTuple):
    """A secret as it is written in a text.

    ``key`` is the last name on the way to it. A text that somebody has chosen may consist of ``parts``; what is written of a
    number or a date has none.
    """

    key: str
    text: str
    parts: bool


def secrets_of(schema: Schema, documents: Iterable[Document]) -> Iterator[SecretText]:
    """Yield the secrets in documents, as they are written there and as the settings hold them."""
    documents = list(documents)
    public = [document.values for document in documents if not document.layer.secret]
    leaves = [leaf for leaf in schema.leaves if leaf.secret]
    for document in documents:
        if document.layer.secret:
            yield from _said_here_only(document.values, public, ())
        for leaf in leaves:
            value = follow(document.values, leaf.path)
            if value is not ABSENT:
                yield from _marked(leaf.annotation, value, leaf.path[-1], leaf.marked)


def secrets_in(schema: Schema, settings: Struct) -> Iterator[SecretText]:
    """Yield the secrets that settings hold."""
    for leaf in schema.leaves:
        if leaf.secret:
            yield from _marked(leaf.annotation, as_values(leaf.value_in(settings)), leaf.path[-1], leaf.marked)


def default_secrets(schema: Schema) -> Iterator[SecretText]:
    """Yield the secrets among the defaults of a class."""
    for leaf in schema.leaves:
        for default in leaf.defaults if leaf.secret else ():
            if default is not NODEFAULT:
                yield from _marked(leaf.annotation, as_values(default), leaf.path[-1], leaf.marked)


def _said_here_only(values: Values, public: list[Values], path: Path) -> Iterator[SecretText]:
    """Yield what a secret layer says, apart from what another layer says of the same key too."""
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict):
            yield from _said_here_only(value, public, here)
        elif not any(follow(layer, here) == value for layer in public):
            yield from _texts(value, key)


def _marked(annotation: Any, value: Any, key: str, secret: bool) -> Iterator[SecretText]:
    """Yield what is declared secret in a value, or all of it where the whole is."""
    bare, metadata = shape.unwrap(annotation)
    secret = secret or SECRET in metadata
    for member in shape.alternatives(bare):
        inner, own = shape.unwrap(member)
        hidden = secret or SECRET in own
        if isinstance(value, dict):
            yield from _marked_in_table(inner, value, key, hidden)
        elif isinstance(value, list):
            elements = zip(_elements(inner), value, strict=False)
            yield from (text for element, item in elements for text in _marked(element, item, key, hidden))
        if hidden:
            yield from _texts(value, key)
            if inner is not str:
                yield from _texts(_decoded(member, value), key)


def _marked_in_table(inner: Any, table: Values, key: str, secret: bool) -> Iterator[SecretText]:
    if (struct := shape.struct_of(inner)) is not None:
        types = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
        for name, item in table.items():
            yield from _marked(types.get(name, Any), item, name, secret)
    elif (entry := shape.entries_of(inner)) is not None:
        for name, item in table.items():
            yield from _marked(entry[0], name, key, secret)
            yield from _marked(entry[1], item, name, secret)


def _elements(inner: Any) -> Iterable[Any]:
    """The annotations of what an array holds."""
    if shape.struct_class(inner) is None:
        return shape.items_of(inner)
    return [field.type for field in msgspec.structs.fields(inner)]


def _decoded(annotation: Any, value: Any) -> Any:
    """What the settings hold, which need not look like what is written: bytes, for example."""
    try:
        decoded = msgspec.convert(value, annotation, builtin_types=NATIVE, str_keys=True)
    except Exception:  # its text may hold secrets, and nothing depends on it
        return None
    return None if type(decoded) is type(value) else decoded


def _texts(value: Any, key: str) -> Iterator[SecretText]:
    """Yield every text of a value, names left out. Booleans, None and blank texts tell nothing."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, str(name))
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _texts(item, key)
    elif isinstance(value, Struct):
        yield from _texts(msgspec.structs.asdict(value), key)
    elif isinstance(value, enum.Enum):
        yield from _texts((value.name, value.value), key)
    elif isinstance(value, str):
        if value.strip():
            yield SecretText(key, value, parts=True)
    elif isinstance(value, bytes):
        yield from _texts(value.decode(errors="replace"), key)
        yield from (SecretText(key, text, parts=False) for text in (repr(value)[2:-1], value.hex()) if text)
    elif value is not None and not isinstance(value, bool):
        written = {str(value), repr(value), getattr(value, "isoformat", value.__str__)()}
        if isinstance(value, int):
            written |= {f"{value:_}", f"{value:,}"}
        written |= {text.replace("+00:00", "Z") for text in written}
        yield from (SecretText(key, text, parts=False) for text in sorted(written))


def writings(text: str) -> set[str]:
    """Return what to look for to find a text in others, which are read both as they are and in their plain form."""
    if _UNQUOTED.fullmatch(text):
        return {text}
    meant = plain(text)
    found = {text, text.strip(), meant, meant.strip(), meant.replace(" ", "+")}
    if len(upper := meant.upper()) != len(meant):
        found.add(upper)  # such as that of a sharp s
    return {each for each in found if each.strip()}
