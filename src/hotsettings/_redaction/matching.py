"""Finding many secrets in one text, in one pass over it.

Secrets are looked up by their first and by their last eight characters. So the work grows with the length of the text, and
hardly with the number of the secrets.
"""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator

from .._schema.masking import MASK
from .readings import reading

LONG = 8
"""Characters from which on a secret is looked for everywhere, and from which on a part of it counts as one."""

SHORT = 4
"""Characters from which on a secret is looked for as a word of its own; a shorter one only beside its key."""

_BESIDE = 8
"""Characters at most between a key and the short secret beside it, such as `` = "``."""

_WORD = re.compile(r"[\w-]+")

Span = tuple[int, int]


class Matcher:
    """Finds the secrets that it was given.

    Args:
        names: Words that are no secrets, though a secret may begin or end with one of them.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        lower = {_lower(name) for name in names}
        self._starts = _Starts(lower)
        self._ends = _Starts({name[::-1] for name in lower})
        self._words: dict[int, set[str]] = {}
        self._beside: dict[str, set[str]] = {}

    def add_whole(self, secret: str, key: str) -> None:
        """Look for a whole value; ``key`` is the name of the field or table entry that holds it."""
        if len(secret) >= LONG:
            self._starts.add(_lower(secret), whole=True)
        elif len(secret) >= SHORT:
            self._words.setdefault(len(secret), set()).add(secret)
        else:
            self._beside.setdefault(key.casefold(), set()).add(secret)

    def add_part(self, part: str) -> None:
        """Look for a credential of 8 or more characters, and for its beginnings and ends. A shorter one is left out."""
        if len(part) >= LONG:
            self._starts.add(_lower(part), whole=False)
            self._ends.add(_lower(part)[::-1], whole=False)

    def spans(self, text: str) -> Iterator[Span]:
        """Yield the places of secrets that are written without quoting, in no order; they may overlap."""
        lower, size = _lower(text), len(text)
        yield from self._starts.spans(lower)
        for start, end in self._ends.spans(lower[::-1]):
            yield size - end, size - start
        for length, words in self._words.items():
            for start in range(size - length + 1):
                end = start + length
                if text[start:end] in words and _is_word(text, start, end):
                    yield start, end
        if self._beside:
            yield from self._short(text)

    def _short(self, text: str) -> Iterator[Span]:
        for key in _WORD.finditer(text):
            secrets = self._beside.get(key[0].casefold(), ())
            start = key.end()
            while start < min(len(text), key.end() + _BESIDE) and secrets:
                ends = [start + len(each) for each in secrets if text.startswith(each, start)]
                found = [end for end in ends if _is_word(text, start, end)]
                if found:
                    yield start, max(found)
                if found or _in_word(text[start]):
                    break
                start += 1


def redact(text: str, matchers: Iterable[Matcher]) -> str:
    """Return ``text`` with a mask in place of every secret in it."""
    shown, at = [], 0
    for start, end in _joined(spans(text, matchers)):
        shown += [text[at:start], MASK]
        at = end
    return "".join([*shown, text[at:]]) if at else text


def spans(text: str, matchers: Iterable[Matcher]) -> Iterator[Span]:
    """Yield the places of secrets, quoted or not, in no order; they may overlap."""
    quoted = reading(text)
    for matcher in matchers:
        yield from matcher.spans(text)
        if quoted is not None:
            for start, end in matcher.spans(quoted.text):
                yield quoted.starts[start], quoted.ends[end - 1]


class _Starts:
    """Finds texts by their first eight characters. One of the ``names`` is never taken for a part of a secret."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._whole: dict[str, list[str]] = {}
        self._parts: dict[str, list[str]] = {}
        self._longest = 0

    def add(self, text: str, *, whole: bool) -> None:
        known = (self._whole if whole else self._parts).setdefault(text[:LONG], [])
        at = bisect_right(known, text)
        if not at or known[at - 1] != text:
            insort(known, text)
            self._longest = max(self._longest, len(text))

    def spans(self, text: str) -> Iterator[Span]:
        whole, parts, covered = self._whole, self._parts, 0
        if not (whole or parts):
            return
        for start in range(len(text) - LONG + 1):
            first = text[start : start + LONG]
            if first not in whole and first not in parts:
                continue
            rest = text[start : start + self._longest]
            part = _common_start(parts.get(first, []), rest)
            length = max(_whole_at_start(whole.get(first, []), rest), 0 if rest[:part] in self._names else part)
            if start + length > covered and length:
                covered = start + length
                yield start, covered


def _whole_at_start(known: list[str], text: str) -> int:
    """The length of the longest of these sorted texts that ``text`` starts with, or 0."""
    at = bisect_right(known, text)
    while at:
        before = known[at - 1]
        if text.startswith(before):
            return len(before)
        # A text that ``text`` starts with is sorted no later than their common start.
        at = bisect_right(known, text[: _common(before, text)], 0, at - 1)
    return 0


def _common_start(known: list[str], text: str) -> int:
    """How many characters ``text`` has at its start in common with one of these sorted texts, or 0."""
    at = bisect_right(known, text)
    return max((_common(each, text) for each in known[max(0, at - 1) : at + 1]), default=0)


def _common(one: str, other: str) -> int:
    """The length of the common start of two texts."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans in order, those that touch or overlap as one."""
    joined: list[list[int]] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return ((start, end) for start, end in joined)


def _is_word(text: str, start: int, end: int) -> bool:
    """Whether no letter or digit goes on at either end of a span."""
    before = start > 0 and _in_word(text[start]) and _in_word(text[start - 1])
    after = end < len(text) and _in_word(text[end - 1]) and _in_word(text[end])
    return not (before or after)


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _lower(text: str) -> str:
    """Lower case in which every character has the place that it had, and the same one wherever it stands."""
    return text.replace("\u0130", "i").lower().replace("\u03c2", "\u03c3")
