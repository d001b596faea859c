"""Reading a text through its quoting: what ``repr``, JSON, URLs, HTML and terminals have made of it, undone.

Texts quote texts that quote texts, and each library quotes other characters. So nobody lists here how a secret may be
written: a secret and a text are both read down to the same plain form, and are compared there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_DEEPEST = 4
"""Times that a text may be quoted, such as the ``repr`` of a message that holds JSON."""


_HEX = "[0-9A-Fa-f]"


def _in_utf8(sign: str) -> str:
    """A pattern for the bytes of one character, each in hexadecimal after this sign."""
    more = f"(?:{sign}[89ABab]{_HEX})"
    return f"(?:{sign}[CDcd]{_HEX}{more}|{sign}[Ee]{_HEX}{more}{{2}}|{sign}[Ff][0-7]{more}{{3}}|{sign}{_HEX}{{2}})"


_QUOTED = re.compile(
    rf"(?P<bytes>{_in_utf8('%')}|{_in_utf8(chr(92) * 2 + 'x')})"
    rf"|(?P<units>\\u[Dd][89ABab]{_HEX}{{2}}\\u[Dd][C-Fc-f]{_HEX}{{2}}|\\u{_HEX}{{4}})"
    rf"|(?P<point>\\U{_HEX}{{8}})"
    r"""|(?P<escaped>\\[abfnrtv0\\'"/])"""
    rf"|(?P<entity>&(?:\#[0-9]{{1,7}}|\#[Xx]{_HEX}{{1,6}}|quot|apos|amp|lt|gt|nbsp);)"
    r"|(?P<invisible>\x1b\[[0-9;]*[A-Za-z]|[\xad\u200b-\u200f\u2060\ufeff])"
)
_ESCAPED = str.maketrans("abfnrtv0", "\a\b\f\n\r\t\v\0")


class Reading(NamedTuple):
    """A text in its plain form. ``starts`` and ``ends`` tell for each character where the original writes it."""

    text: str
    starts: list[int]
    ends: list[int]


def plain(text: str) -> str:
    """Return a text without its quoting."""
    for _ in range(_DEEPEST):
        text, before = _QUOTED.sub(_meant, text), text
        if text == before:
            break
    return text


def reading(text: str) -> Reading | None:
    """Return what ``plain`` does, with the places; None for a text without quoting."""
    found: Reading | None = None
    for _ in range(_DEEPEST):
        once = _unquoted(text)
        if once is None:
            break
        if found is not None:
            starts, ends = found.starts, found.ends
            once = Reading(once.text, [starts[at] for at in once.starts], [ends[at - 1] for at in once.ends])
        found, text = once, once.text
    return found


def _unquoted(text: str) -> Reading | None:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for match in _QUOTED.finditer(text):
        start, end = match.span()
        meant = _meant(match)
        pieces += [text[at:start], meant]
        starts += [*range(at, start), *[start] * len(meant)]
        ends += [*range(at + 1, start + 1), *[end] * len(meant)]
        at = end
    if not at:
        return None
    pieces.append(text[at:])
    return Reading("".join(pieces), [*starts, *range(at, len(text))], [*ends, *range(at + 1, len(text) + 1)])


def _meant(match: re.Match[str]) -> str:
    return _MEANT[match.lastgroup or ""](match[0])


def _from_bytes(quoted: str) -> str:
    data = bytes.fromhex(quoted.replace("%", "").replace("\\x", ""))
    try:
        return data.decode()
    except UnicodeDecodeError:  # ``repr`` of a str writes a character so
        return data.decode("latin-1")


def _from_units(quoted: str) -> str:
    return bytes.fromhex(quoted.replace("\\u", "")).decode("utf-16-be", "surrogatepass")


def _from_point(quoted: str) -> str:
    point = int(quoted.removeprefix("\\U"), base=16)
    return chr(point) if point < 0x110000 else quoted


def _from_entity(quoted: str) -> str:
    import html  # slow to import

    return html.unescape(quoted)


_MEANT: dict[str, Callable[[str], str]] = {
    "bytes": _from_bytes,
    "units": _from_units,
    "point": _from_point,
    "escaped": lambda quoted: quoted[1].translate(_ESCAPED),
    "entity": _from_entity,
    "invisible": lambda quoted: "",
}
