"""Which parts of a secret text are credentials, and which are only names.

A secret is seldom one word. A URL names a host and a database, a key comes in lines between its armour, a JSON document
has members. Messages often quote just a part of it, so the redactor looks for each part that is long enough. It does
not look for
names: a log without hosts and databases helps nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .matching import LONG

COMMON = frozenset(
    [
        "password",
        "passphrase",
        "username",
        "database",
        "hostname",
        "localhost",
        "required",
        "security",
        "protocol",
        "keystore",
        "truststore",
        "plaintext",
        "sasl_ssl",
        "sasl_plaintext",
        "scram-sha-256",
        "scram-sha-512",
    ]
)
"""Words that many connection strings contain, and the messages about them."""

_DEEPEST = 4
"""How deep texts are taken apart, such as a list of URLs in a member of JSON."""

_FEW = 32
"""Up to so many delimiters, also what follows each of them, up to the end, is a piece; not only what is between two."""

_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SEVERAL_URLS = re.compile(r"[\s,;]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_LOGIN = re.compile(r"[^\s:/@=]+:(?P<password>.+)@[^@]+", re.DOTALL)
_PAIR = re.compile(
    r"""(?<![\w.-])(?P<name>[A-Za-z_][\w.-]*+)\s*+(?:=(?!=)|:(?=\s))\s*+(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|\{(?P<braced>[^{}]*)\}|(?P<bare>[^\s;,&"']+))""",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CREDENTIAL = re.compile(r"(?i)pass|pwd|secret|token|key|auth|sig|cred|private")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2,4}")
_MADE_UP = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z]).{16,}", re.DOTALL)
_DELIMITERS = re.compile(r"""[\s,;:=&?#/@|%"'`\\<>(){}\[\]]+""")


def credentials_in(text: str) -> Iterator[str]:
    """Yield the credentials in a secret text, and the pieces between their delimiters, each of 8 or more characters.

    The text itself is a credential, unless a part of it is a name.
    """
    for whole in _credentials(text, 0):
        for part in (whole, whole.strip(), *_pieces(whole)):
            if len(part) >= LONG and part.lower() not in COMMON:
                yield part


def _pieces(text: str) -> list[str]:
    """Return what a parser could cut out that knows only some of the delimiters."""
    pieces = [*_DELIMITERS.split(text), *text.splitlines()]
    delimiters = list(_DELIMITERS.finditer(text))
    if len(delimiters) <= _FEW:
        pieces += [text[delimiter.end() :] for delimiter in delimiters]
    return [*pieces, *text.split(".")] if _TOKEN.fullmatch(text) else pieces


def _credentials(text: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST or len(text) < LONG:
        yield text
    elif _ARMOUR.search(text):
        yield from (body.strip() for body in _ARMOUR.split(text))
    elif (document := _document(text)) is not None:
        for value in _scalars(document):
            yield from _credentials(value, depth + 1)
    elif len(urls := _SEVERAL_URLS.split(text.strip())) > 1:
        for url in urls:
            yield from _credentials(url, depth + 1)
    elif _URL.match(text.strip()):
        yield from _in_url(text.strip())
    elif (login := _LOGIN.fullmatch(text)) is not None:
        yield from _decoded(login["password"])
    else:
        yield from _in_pairs(text)


def _document(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    import json  # slow to import, and needed only to explain a mistake

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _scalars(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif value is not None and not isinstance(value, bool):
            yield str(value)


def _in_url(url: str) -> Iterator[str]:
    """Yield the credentials in a URL. If it has none, yield the parts of its path and query: any could be secret."""
    rest = url.partition("://")[2]
    # Up to the last @: people write passwords with an unescaped @ or / in them.
    user, at, address = rest.rpartition("@")
    name, _, password = user.partition(":")
    path, _, query = address.partition("?")
    options = [(pair["name"], _value(pair)) for pair in _PAIR.finditer(query)]
    proving = [value for option, value in options if _CREDENTIAL.search(option)]
    yield from (each for value in proving for each in _decoded(value))
    if at:
        yield from _decoded(password)
        if len(password) < LONG or _MADE_UP.fullmatch(name):
            yield from _decoded(name)  # some services take a token as the user, with no password or any
    elif not proving:
        for piece in (*path.split("/")[1:], *(value for _, value in options)):
            yield from _decoded(piece)


def _in_pairs(text: str) -> Iterator[str]:
    """Yield the values of pairs such as ``password=...``; the whole text if there are none."""
    pairs = list(_PAIR.finditer(text))
    before = text[: pairs[0].start()] if pairs else ""
    if before and not before[-1].isspace():
        pairs = []  # a token that happens to contain a = or :
    proving = [_value(pair) for pair in pairs if _CREDENTIAL.search(pair["name"])]
    if proving:
        yield from (each for value in proving for each in _decoded(value))
    else:
        yield text


def _value(pair: re.Match[str]) -> str:
    return next(value for value in pair.group("double", "single", "braced", "bare") if value is not None)


def _decoded(text: str) -> Iterator[str]:
    """Yield a text as it is written, and with the escapes of URLs and of quoted values resolved."""
    from urllib.parse import unquote

    yield text
    if "%" in text:
        yield unquote(text)
    if "\\" in text:
        yield _ESCAPED.sub(r"\1", text)
