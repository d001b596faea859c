"""Keeping secret values out of everything that is shown."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Struct

from .marks import SECRET
from .shape import alternatives, metadata_below, struct_class, struct_of, structs_below, unwrap

MASK = "********"

_SHORT = 4
"""Characters from which on a secret is looked for inside of words too."""

_LONG = 8
"""Characters from which on a part of a secret counts as one."""

_MOST = 40_000
_MUCH = 4 * 1024 * 1024
"""Texts, and characters in them, up to which secrets are looked for: a tenth of a second."""

_ASSIGNED = re.compile(r"(?i)(?:pass|passwd|password|pwd|secret|token|key)=([^\s;&]+)")


class Hidden:
    """Stands in the place of a secret value. It prints as the mask, without the quotes that would make it look like one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


HIDDEN = Hidden()


def is_secret(annotation: Any, beyond: tuple[type[Struct], ...] = ()) -> bool:
    """Whether anything in the annotation is marked Secret, the fields of the Structs ``beyond`` not looked at."""
    return any(mark is SECRET for mark in metadata_below(annotation, seen=beyond))


_by_parameter: WeakKeyDictionary[type[Struct], frozenset[str]] = WeakKeyDictionary()
"""Fields of generic Structs that some settings class has made secret. An instance does not know its parameters, so these
fields are masked in all instances of the class."""


@functools.cache
def secret_fields(struct: type[Struct]) -> frozenset[str]:
    """Names of the fields whose value must not be shown: those marked, and those that hold something marked.

    A nested Struct does not count: it masks its own fields, unless a parameter of it is what is marked.
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
    """Teach the Structs inside an annotation that have Secret fields, and no repr of their own, to mask them."""
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
                names.add(field.encode_name)
            collect(field.type, within)

    collect(annotation, within=False)
    return frozenset(names)


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
    """Write a Struct by its class, or by the parametrised class that is ``known_as`` where it stands."""
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
    elif isinstance(value, enum.Enum):
        yield from texts_of((value.name, value.value))
    elif isinstance(value, bytes):
        yield from (repr(value)[2:-1], value.hex())
        yield from texts_of(value.decode(errors="replace"))
    elif isinstance(value, str):
        for part in {value, *value.splitlines(), *_credentials(value)}:
            yield from _spellings(part)
    elif value is not None and not isinstance(value, bool):
        yield from (str(value), repr(value), getattr(value, "isoformat", value.__str__)())


def _credentials(text: str) -> Iterator[str]:
    """Yield what an address or a connection string says to prove who is calling."""
    import base64  # slow to import, like the next, and needed only to explain a mistake
    from urllib.parse import unquote, urlsplit

    found = _ASSIGNED.findall(text)
    if "://" in text:
        try:
            login = urlsplit(text).netloc.rpartition("@")[0]
        except ValueError:
            login = text.partition("://")[2].rpartition("@")[0]
        found += [login, login.partition(":")[2]]
        yield base64.b64encode(unquote(login).encode()).decode()  # as HTTP's Basic authentication has it
    for part in found:
        yield from (part, unquote(part))


def _spellings(text: str) -> Iterator[str]:
    yield text
    if text.isascii() and text.isalnum():
        return
    import html
    import json
    from urllib.parse import quote, quote_plus

    data = text.encode(errors="replace")
    yield text.strip()
    yield from (
        written[1:-1] for written in (repr(text), ascii(text), json.dumps(text), json.dumps(text, ensure_ascii=False))
    )
    yield repr(data)[2:-1]
    yield from (quote(data), quote(data, safe=""), quote_plus(data), html.escape(text))


class Scrubber:
    """Masks secrets in texts, in a time that hardly grows with their number.

    ``secrets`` come from ``texts_of``. If they are too many to be looked for, nothing of any text is left.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._by_start: dict[str, set[str]] = {}
        self._too_many = False
        size = 0
        for number, secret in enumerate(secrets):
            size += len(secret)
            if number == _MOST or size > _MUCH:
                self._too_many = True
                break
            for start in _starts(secret) if secret.strip() else ():
                self._by_start.setdefault(start, set()).add(secret)
        self._sizes = frozenset(map(len, self._by_start))

    def clear(self, text: str) -> str:
        """Return ``text`` with every secret in it replaced by the mask.

        One of up to three characters is replaced only where it stands as a word of its own, or the rest of the text could
        not be read any more. Of a long one, no long beginning or end is left either, since long values are often quoted in
        part; an address is an exception, because addresses begin and end alike.
        """
        if self._too_many:
            return f"{MASK} (there are too many secrets to look for)"
        candidates = sorted(self._candidates(text), key=len, reverse=True)
        for secret in candidates:
            text = re.sub(_as_a_word(secret), MASK, text) if len(secret) < _SHORT else text.replace(secret, MASK)
        for secret in candidates:  # only now, or of a secret that begins like another one the rest would be left
            if not _whole(secret):
                text = _without_start(text, secret)
                text = _without_start(text[::-1], secret[::-1])[::-1]
        return text

    def finds(self, text: str) -> bool:
        """Whether there could be anything to mask."""
        return self._too_many or any(
            re.search(_as_a_word(secret), text) is not None
            if len(secret) < _SHORT
            else not _whole(secret) or secret in text
            for secret in self._candidates(text)
        )

    def _candidates(self, text: str) -> set[str]:
        """The secrets of which the text has the start or the end."""
        found: set[str] = set()
        written = {text, text.lower(), _lower(text), _lower(text[::-1])[::-1]}
        for size in self._sizes:
            starts = {each[at : at + size] for each in written for at in range(len(each) - size + 1)}
            found.update(*(self._by_start[start] for start in starts & self._by_start.keys()))
        return found


def _starts(secret: str) -> tuple[str, ...]:
    """What is sure to be in a text that has to be cleared of the secret."""
    if _whole(secret):
        return (secret[:_SHORT],)
    return _lower(secret)[:_LONG], _lower(secret[::-1])[:_LONG][::-1]


def _whole(secret: str) -> bool:
    return len(secret) < _LONG or "://" in secret


def _as_a_word(secret: str) -> str:
    return rf"(?<!\w){re.escape(secret)}(?!\w)"


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with every secret in it replaced by the mask: see Scrubber."""
    return Scrubber(secrets).clear(text)


def _without_start(text: str, secret: str) -> str:
    """Mask wherever ``text`` has at least ``_LONG`` characters from the start of the secret on, in any case."""
    sought = _lower(secret)
    start = _lower(text).find(sought[:_LONG])
    while start >= 0:
        end = start + _LONG
        for char, its in zip(_lower(text)[end:], sought[_LONG:], strict=False):
            if char != its:
                break
            end += 1
        text = text[:start] + MASK + text[end:]
        start = _lower(text).find(sought[:_LONG], start + len(MASK))
    return text


def _lower(text: str) -> str:
    lower = text.lower()
    return lower if len(lower) == len(text) else text  # else places in one are not places in the other
