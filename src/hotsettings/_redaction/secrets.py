"""Which values are secret, and how each of them can be written in a text."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, repeat
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from .._layers.layer import Document
from .._layers.toml.keys import ABSENT, Values, follow
from .._schema import field_types
from .._schema.frozen import ATOMS
from .._schema.masking import is_secret
from .._schema.schema import Leaf, Schema, as_values
from .._schema.shape import UNTYPED, Shape, parts_of
from .._schema.stand_ins import NATIVE
from .readings import plain

_ARRAYS: Final = (list, tuple, set, frozenset)
_UNQUOTED = re.compile(r"[A-Za-z0-9_.~-]*")
"""Texts that no quoting changes."""


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
    for document in documents:
        if document.layer.secret:
            yield from _only_in_secret_layer(document.values, public)
        yield from _marked(schema.shape, document.values, "")


def secrets_in(schema: Schema, settings: Struct, documents: Iterable[Document] = ()) -> Iterator[SecretText]:
    """Yield the secrets that settings hold, and what is derived of values in the secret layers among these documents.

    Of a derived value, what the class shows of its sources is no secret: their keys, and the values beside the secret ones.
    """
    secret = [document.values for document in documents if document.layer.secret]
    for leaf in schema.derived:
        said = any(follow(values, source.path) is not ABSENT for values in secret for source in leaf.sources)
        if leaf.secret or said:
            shown = set[str]() if is_secret(leaf.annotation) else {*_shown(leaf.sources, settings)}
            derived = _texts(vars(settings).get(leaf.path[-1]), leaf.path[-1])  # None if it cannot be worked out
            yield from (found for found in derived if found.text not in shown)
    for leaf in schema.leaves:
        if leaf.secret:
            yield from _marked(leaf.shape, as_values(leaf.value_in(settings)), leaf.path[-1])


def _shown(leaves: Iterable[Leaf], settings: Struct) -> Iterator[str]:
    """Yield the keys and the texts in leaves that no class hides."""
    for leaf in leaves:
        for part in parts_of(leaf.shape, as_values(leaf.value_in(settings)), leaf.path):
            yield from map(str, part.path)
            if not part.hidden:
                yield from (found.text for found in _texts(part.value, ""))


def default_secrets(schema: Schema) -> Iterator[SecretText]:
    """Yield the secrets among the defaults of a class."""
    for leaf in schema.leaves:
        for default in leaf.defaults if leaf.secret else ():
            if default is not ABSENT:
                yield from _marked(leaf.shape, as_values(default), leaf.path[-1])


def _only_in_secret_layer(values: Values, public: list[Values]) -> Iterator[SecretText]:
    """Yield the values of a secret layer, except those that a public layer repeats under the same key."""
    tables = [(values, public)]  # no recursion: each level of it would cost for every text that comes through it
    while tables:
        table, others = tables.pop()
        for key, value in table.items():
            said = [other[key] for other in others if key in other] if others else others
            if isinstance(value, dict):
                tables.append((value, [other for other in said if isinstance(other, dict)] if said else said))
            elif value not in said:
                yield from _texts(value, key)


def _marked(shape: Shape, value: Any, key: str) -> Iterator[SecretText]:
    """Yield what is declared secret in a value, or all of it where the whole is, or where nobody knows what is where."""
    if not shape.holds_secret:
        return
    members = shape.members_for(value)
    if not any(_is_of_kind(member, value) for member in members):
        yield from _texts(value, key)
        return
    for member in members:
        if isinstance(value, dict) and (member.fields is not None or member.entries is not None):
            yield from _marked_in_table(member, value, key)
        elif isinstance(value, list) and member.elements:
            for element, item in zip(chain(member.elements, repeat(UNTYPED[member.secret])), value, strict=False):
                yield from _marked(element, item, key)
        elif member.secret:
            yield from _texts(value, key)
        if member.secret and _converts(member):
            yield from _texts(_decoded(member.annotation, value), key)


def _is_of_kind(member: Shape, value: Any) -> bool:
    """Whether a value is a table, an array or neither, as a member is."""
    if isinstance(value, dict):
        return member.fields is not None or member.entries is not None
    if isinstance(value, list):
        return bool(member.elements) and not member.lacks_tag(value)
    return member.fields is None and member.entries is None and not member.elements


def _marked_in_table(member: Shape, table: Values, key: str) -> Iterator[SecretText]:
    if member.fields is not None:
        for name, item in table.items():
            yield from _marked(member.fields.get(name, UNTYPED[member.secret]), item, name)
    else:
        assert member.entries is not None
        for name, item in table.items():
            yield from _marked(member.entries[0], name, key)
            yield from _marked(member.entries[1], item, name)


def _converts(shape: Shape) -> bool:
    """Whether the settings may hold something else than is written, apart from what the parts of a value become."""
    if shape.bare in (str, int, bool, Any) or shape.entries is not None:
        return False
    return field_types.struct_class(shape.bare) is not None or not shape.elements


def _decoded(annotation: Any, value: Any) -> Any:
    """Return what the settings hold where it differs from what is written, such as bytes for base64; else None."""
    try:
        decoded = msgspec.convert(value, annotation, builtin_types=NATIVE, str_keys=True)
    except KeyboardInterrupt:
        raise
    except BaseException:  # its text may hold secrets, and nothing depends on it
        return None
    return None if type(decoded) is type(value) else decoded


def _texts(value: Any, key: str) -> Iterator[SecretText]:
    """Yield every text of a value, names left out. Booleans, None and blank texts tell nothing."""
    waiting = [(key, value)]  # no recursion: each level of it would cost for every text that comes through it
    while waiting:
        name, item = waiting.pop()
        if isinstance(item, _ARRAYS):
            for each in item:
                if type(each) in ATOMS:
                    yield from _written(each, name)
                else:
                    waiting.append((name, each))
        elif isinstance(item, Mapping):
            waiting += [(str(key), each) for key, each in item.items()]
        elif isinstance(item, Struct):
            waiting += msgspec.structs.asdict(item).items()
        elif isinstance(item, enum.Enum):
            waiting += [(name, item.name), (name, item.value)]
        else:
            yield from _written(item, name)


def _written(value: Any, key: str) -> Iterator[SecretText]:
    """Yield how a value that has no parts may be written."""
    kind = type(value)
    if kind is str:
        if value.strip():
            yield SecretText(key, value, parts=True)
    elif kind is int:
        for text in sorted({str(value), f"{value:_}", f"{value:,}"}):
            yield SecretText(key, text, parts=False)
    elif isinstance(value, bytes):
        yield from _written(value.decode(errors="replace"), key)
        yield from (SecretText(key, text, parts=False) for text in (repr(value)[2:-1], value.hex()) if text)
    elif value is not None and not isinstance(value, bool):
        written = {str(value), repr(value), getattr(value, "isoformat", value.__str__)()}
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
