"""What counts as a leak. It shares no code with the library, so that a bug in the library's rules cannot hide itself.

A secret's whole value may stand nowhere: 8 or more characters anywhere, 4 to 7 as a word, fewer only beside their key. Of its
credentials no part of 8 or more characters may stand that delimiters or line ends cut out, and no beginning of 8. Texts are
compared without regard to case, and as repr, JSON, URLs and HTML write them.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, quote_plus

LONG = 8
WORD = 4
_DELIMITERS = re.compile(r"""[\s:/?#@,;=&|"'<>()\[\]{}\\]""")
_AROUND = 60
_TOLD = 5


@dataclass(frozen=True)
class Planted:
    """A secret that was written into a file: its ``text`` under ``key``.

    ``credentials`` are what in it proves who is calling. ``names`` are the rest that a person needs to read an error: hosts,
    databases, option names. They are no secrets.
    """

    key: str
    text: str
    credentials: tuple[str, ...]
    names: tuple[str, ...] = ()
    shape: str = ""
    verbatim: bool = False
    """Whether this is one of several spellings already, so that no other is looked for."""

    @cached_property
    def forbidden(self) -> frozenset[str]:
        """What may stand in no text, whatever is around it; without case."""
        found = set([self.text] if self.verbatim else _spellings(self.text)) if len(self.text) >= LONG else set[str]()
        for credential in self.credentials:
            for part in _parts(credential):
                found.update(_spellings(part))
        return frozenset(each.casefold() for each in found if len(each.strip()) >= LONG)

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Where a short one may not stand."""
        sought = re.escape(self.text)
        if WORD <= len(self.text) < LONG:
            return re.compile(rf"(?<!\w){sought}(?!\w)")
        if 0 < len(self.text) < WORD:
            key = re.escape(self.key.rpartition(".")[2])
            return re.compile(rf"""(?<!\w){key}\W{{0,2}}\s?[=:]\s?["']?{sought}(?!\w)""")
        return None

    def leaks(self, text: str) -> Iterator[str]:
        """Each piece of the secret that the text shows."""
        folded = text.casefold()
        yield from (piece for piece in self.forbidden if piece in folded)
        if self.pattern is not None and self.pattern.search(text):
            yield self.text


@dataclass(frozen=True)
class Leak:
    """What was shown, and where."""

    output: str
    secret: Planted
    piece: str
    around: str


def find(outputs: Iterable[tuple[str, str]], secrets: Iterable[Planted]) -> list[Leak]:
    """Every leak, the first of each secret in each output, with the longest piece that it shows."""
    secrets = list(secrets)
    found: dict[tuple[str, Planted], Leak] = {}
    for output, text in outputs:
        for secret in secrets:
            if (output, secret) in found:
                continue
            pieces = sorted(secret.leaks(text), key=len)
            if pieces:
                at = max(0, text.casefold().find(pieces[-1].casefold()))
                around = text[max(0, at - _AROUND) : at + len(pieces[-1]) + _AROUND]
                found[output, secret] = Leak(output, secret, pieces[-1], around)
    return list(found.values())


def assert_none(outputs: Iterable[tuple[str, str]], secrets: Iterable[Planted]) -> None:
    """Fail where anything leaks. For each secret: the outputs that show it, and the shortest of them."""
    by_secret: dict[Planted, list[Leak]] = {}
    for leak in find(outputs, secrets):
        by_secret.setdefault(leak.secret, []).append(leak)
    told = []
    for secret, leaks in list(by_secret.items())[:_TOLD]:
        shortest = min(leaks, key=lambda leak: len(leak.around))
        where = ", ".join(dict.fromkeys(leak.output for leak in leaks))
        told.append(
            f"{secret.shape} {secret.key} = {secret.text!r}\n  in {where}\n  {shortest.output}: …{shortest.around}…"
        )
    assert not by_secret, f"{len(by_secret)} secrets are shown\n" + "\n".join(told)


def _parts(credential: str) -> Iterator[str]:
    """The parts of a credential that are long enough: its beginning, and all that stands between two delimiters."""
    if len(credential) < LONG:
        return
    yield credential[:LONG]
    if len(credential) > 200:  # of a long one not every pair of delimiters, only neighbours
        yield from filter(lambda part: len(part) >= LONG, _DELIMITERS.split(credential))
        return
    starts = [0, *(found.end() for found in _DELIMITERS.finditer(credential))]
    ends = [*(found.start() for found in _DELIMITERS.finditer(credential)), len(credential)]
    for start in starts:
        yield from (credential[start:end] for end in ends if end - start >= LONG)


def _spellings(text: str) -> Iterator[str]:
    yield text
    if text.isascii() and text.isalnum():
        return
    yield from (written[1:-1] for written in (repr(text), ascii(text), json.dumps(text)))
    yield from (json.dumps(text, ensure_ascii=False)[1:-1], html.escape(text), quote(text, safe=""), quote_plus(text))
    yield repr(text.encode())[2:-1]
