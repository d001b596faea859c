"""Which parts of a secret text are credentials: what is left of it without its names.

A secret is seldom one word. A URL names a host and a database, a key comes in lines between its armour, a document of JSON
has members. What is quoted of it is often a part, so each part that is long enough is looked for by itself. Its names are
not: a log without hosts and databases helps nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from .matching import LONG

COMMON = frozenset(
    {"password", "passphrase", "username", "database", "hostname", "localhost", "required", "security", "protocol"}
    | {"keystore", "truststore", "plaintext", "sasl_ssl", "sasl_plaintext", "scram-sha-256", "scram-sha-512"}
)
"""Words that many connection strings contain, and the messages about them."""

_DEEPEST = 4
"""How deep texts may be nested, such as a list of URLs in a member of JSON."""

_FEW = 32
"""Delimiters up to which a credential is looked for from each of them on, and not only between two."""

_BETWEEN = " \t\r\n,;&"
_PATH = re.compile("[/?#;]")

_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:){1,3}//")
_URL_WITHIN = re.compile(rf"""(?:\A|(?<=[\s,;"'(\[<])){_URL.pattern}""")
_LOGIN = re.compile(r"[^\s:/@=]+:(?P<password>.+)@[^@]+", re.DOTALL)
_NAME = re.compile(
    r"""(?:\A|(?<=[\s;,&?{(\[<"'#]))-{0,2}(?P<name>(?<=;)[A-Z][A-Za-z]*+(?: [A-Z][A-Za-z]*+){1,3}|[A-Za-z_][\w.-]*+)["']?[ \t]*+(?:=(?=[ \t]*[^\s=;,&])|:(?=[\s"'{\[]|\Z))[ \t]*+"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\{[^{}]*\}|(?<=[ \t])[^\r\n;,&]*+|[^\s;,&]*+)""",
    re.DOTALL,
)
"""A name, its sign, and where its value begins: it goes on to the end of the line where a space stands behind the sign."""

_QUOTES = {'"': '"', "'": "'", "{": "}"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "r": "\r", "t": "\t"}
_CREDENTIAL = re.compile(
    r"(?i)(?!.*(?:name|source|mechanism|method|type|file|path|location)$).*?(?:pass|pwd|secret|token|key|auth|sig|cred|private)"
)
_TOKEN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2,4}")
_GENERATED = re.compile(
    r"(?<![A-Za-z0-9+])(?=[A-Za-z+]*[0-9]+[A-Za-z+]+[0-9])[A-Za-z0-9+]{16,}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
)
"""Text that a machine has generated: sixteen letters and digits with digits at several places, or a UUID."""
_DELIMITERS = re.compile(r"[^\w.-]+")


def credentials_in(text: str, key: str = "") -> Iterator[str]:
    """Yield the credentials in a secret text, and the pieces that delimiters cut out of them, each of 8 or more characters.

    The text itself is among them, unless something in it is a name. ``key`` is the name that it has itself.
    """
    for whole in _credentials(text, key, 0):
        for part in (whole, whole.strip(), *_pieces(whole)):
            if len(part) >= LONG and part.lower() not in COMMON:
                yield part


def _pieces(text: str) -> list[str]:
    """What a parser that knows some of the delimiters could cut out: each beginning and end is looked for too."""
    pieces = [*_DELIMITERS.split(text), *text.splitlines()]
    delimiters = list(_DELIMITERS.finditer(text))
    if len(delimiters) <= _FEW:
        pieces += [text[delimiter.end() :] for delimiter in delimiters]
    return [*pieces, *text.split(".")] if _TOKEN.fullmatch(text) else pieces


def _credentials(text: str, key: str, depth: int) -> Iterator[str]:
    bare = text.strip()
    if depth > _DEEPEST or len(text) < LONG:
        yield text
    elif _ARMOUR.search(text):
        for body in _ARMOUR.split(text):
            yield from _decoded(body.strip())
    elif (document := _document(text)) is not None:
        for name, value in _scalars(document, key):
            yield from _credentials(value, name, depth + 1)
    elif _URL.match(bare):
        starts = [match.start() for match in _URL_WITHIN.finditer(bare)]
        for start, end in pairwise([*starts, len(bare)]):
            yield from _in_url(bare[start:end].rstrip(_BETWEEN), depth)
    elif named := list(_named(text, depth)):
        yield from named
    elif (login := _LOGIN.fullmatch(text)) is not None and not _CREDENTIAL.match(key):
        yield from _decoded(login["password"])
    else:
        yield text


def _document(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    import json  # slow to import, like the next, and needed only to explain a mistake

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _scalars(document: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every text and number in a document, with the name of the member that holds it."""
    waiting = [(key, document)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((name, item) for item in value)
        elif value is not None and not isinstance(value, bool):
            yield name, str(value)


def _in_url(url: str, depth: int) -> Iterator[str]:
    """What proves who is calling; where nothing does, everything that could be secret: the path and the query."""
    rest = _URL.sub("", url, count=1)
    # Up to the last @, since passwords are written with characters in them that a URL has no place for.
    user, at, address = rest.rpartition("@")
    name, _, password = user.partition(":")
    if at:
        yield from _decoded(password)
        if len(password) < LONG or _GENERATED.search(name):
            yield from _decoded(name)  # some services take a token for the user, and no password or any
    proving = list(_named(address, depth))
    yield from proving
    if not (proving or password or len(name) >= LONG):
        pairs = list(_pairs(address))
        path = address[: pairs[0].start] if pairs else address
        for piece in (*_PATH.split(path)[1:], *(pair.value for pair in pairs)):
            yield from _decoded(piece)


class _Pair(NamedTuple):
    start: int
    name: str
    value: str


def _pairs(text: str) -> Iterator[_Pair]:
    """The names in a text, each with what stands between it and the next one."""
    names = list(_NAME.finditer(text))
    ends = [*(name.start() for name in names[1:]), len(text)]
    for name, end in zip(names, ends, strict=False):  # where there is no name, there is an end nevertheless
        value = text[name.start("value") : end].strip(_BETWEEN)
        quoted = len(value) > 1 and _QUOTES.get(value[0]) == value[-1]
        yield _Pair(name.start(), name["name"], value[1:-1] if quoted else value)


def _named(text: str, depth: int) -> Iterator[str]:
    """The values that a text gives to names such as ``password``, and those that are credentials whatever their names."""
    for _, name, value in _pairs(text):
        is_credential = _CREDENTIAL.match(name) is not None
        if not value or (len(value) < LONG and not is_credential):
            continue
        url = _URL_WITHIN.search(value)
        if is_credential and not (url and url.start() == 0):
            yield from _decoded(value)
            continue
        if url is not None and depth < _DEEPEST:
            yield from _credentials(value[url.start() :], name, depth + 1)
            value = value[: url.start()]
        if named := list(_named(value, depth + 1)) if depth < _DEEPEST else []:
            yield from named
        elif (login := _LOGIN.fullmatch(value)) is not None:
            yield from _decoded(login["password"])
        elif _GENERATED.search(value):
            yield from _decoded(value)


def _decoded(text: str) -> Iterator[str]:
    """A text as it is written, and as a URL or a quoted value means it."""
    from urllib.parse import unquote

    yield text
    if "%" in text:
        yield unquote(text)
    if "\\" in text:
        yield _ESCAPED.sub(r"\1", text)
        yield _ESCAPED.sub(lambda escape: _MEANT.get(escape[1], escape[1]), text)
