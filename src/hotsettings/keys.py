"""Paths into nested tables, and the dotted keys they are written as."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from fnmatch import translate

Path = tuple[str | int, ...]
"""Where a value stands in the merged tables: keys, and indices in arrays."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
# From the start of a word only, or a very long one would be looked at again from each of its characters.
_KEY = re.compile(r"""(?<![\w-])([\w-]++)["']?[\ \t]*+[=:]""")
_LONGEST = 200
_MANY = 500
_WIDEST = 4096
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def dotted(path: Path) -> str:
    """Write a path as TOML would: ``db.port``, ``hosts[2]``, ``"a.b".c``. A very long part is cut."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + written(part if len(part) <= _LONGEST else f"{part[:_LONGEST]}…")
    return text


def written(key: str) -> str:
    """Write one key as TOML would: bare where that is possible, else in quotes."""
    return key if _BARE.fullmatch(key) else quoted(key)


def quoted(text: str) -> str:
    """Write a text as a TOML string on one line, with nothing in it that a terminal would obey."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _escaped(c) for c in text) + '"'


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    return f"\\u{ord(char):04X}" if ord(char) < 0x10000 else f"\\U{ord(char):08X}"


class Effort:
    """What searches for likely meanings may still cost, in steps: one name looked at, or one character compared."""

    __slots__ = ("left",)

    def __init__(self, steps: int = 1_000_000) -> None:
        self.left = steps  # a million take a fifth of a second


class Names:
    """Names among which the likely meaning of a misspelt key is looked for.

    Two texts are as alike as the longest common subsequence makes them: twice its length, divided by both lengths. No more
    effort is made than is left, however many and long the keys and the names are; from then on nothing is found.
    """

    def __init__(self, names: Iterable[str], effort: Effort | None = None) -> None:
        self._effort = effort or Effort()
        folded = {name.casefold(): name for name in names}
        self._names = sorted(folded.items(), key=lambda pair: len(pair[0]))
        self._lengths = [len(name) for name, _ in self._names]
        self._bags: list[int | None] = [None] * len(self._names)
        self._features: dict[tuple[str, int], int] = {}

    @property
    def exhausted(self) -> bool:
        """Whether no effort was left to finish a search."""
        return self._effort.left < 0

    def closest(self, key: str, least: float = 0.7) -> str | None:
        """Return the name that ``key`` is most likely a misspelling of, if any is at least so much alike."""
        sought = key[:_LONGEST].casefold()
        # No text of another length can be alike enough.
        first = bisect_left(self._lengths, least * len(sought) / (2 - least))
        last = bisect_right(self._lengths, (2 - least) * len(sought) / least)
        self._effort.left -= last - first
        if not sought or self._effort.left < 0:
            return None
        bag, length = self._bag(sought), len(sought)
        bounds = (
            (2 * (bag & self._bag_of(at)).bit_count() / (length + self._lengths[at]), at) for at in range(first, last)
        )
        places = _places(sought)
        best, found = least, None
        for bound, at in sorted((pair for pair in bounds if pair[0] >= least), reverse=True):
            if bound < best or (found is not None and bound == best):
                break
            self._effort.left -= self._lengths[at]
            if self._effort.left < 0:
                return None
            name, known = self._names[at]
            alike = 2 * _common(places, length, name) / (length + len(name))
            if alike > best or (found is None and alike == best):
                best, found = alike, known
        return found

    def _bag_of(self, at: int) -> int:
        if (bag := self._bags[at]) is None:
            self._effort.left -= self._lengths[at]
            bag = self._bags[at] = self._bag(self._names[at][0])
        return bag

    def _bag(self, text: str) -> int:
        """A bit for each character, and for each time that it comes again: two texts share what is in both bags."""
        counts: dict[str, int] = {}
        bag = 0
        for char in text:
            counts[char] = number = counts.get(char, 0) + 1
            bit = self._features.setdefault((char, number), len(self._features))
            if bit >= _WIDEST:
                return (1 << _WIDEST) - 1  # of so many alphabets nothing is ruled out
            bag |= 1 << bit
        return bag


def _places(text: str) -> dict[str, int]:
    """For each character a bit for each place where it stands."""
    places: dict[str, int] = {}
    for at, char in enumerate(text):
        places[char] = places.get(char, 0) | 1 << at
    return places


def _common(places: dict[str, int], length: int, other: str) -> int:
    """The length of the longest common subsequence of two texts, with one step for each character of the other."""
    whole = (1 << length) - 1
    row = whole
    for char in other:
        if here := row & places.get(char, 0):
            row = ((row + here) | (row - here)) & whole
    return length - row.bit_count()


def closest(key: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that ``key`` is most likely a misspelling of, if any comes near."""
    return Names(candidates).closest(key)


class Misspelt:
    """Looks in texts, TOML or not, for keys that could be meant to be one of the names; ``known`` ones are meant as they are.

    In a text with very many keys it could be any, and where the search would take too long.
    """

    def __init__(self, names: Collection[str], known: Iterable[str] = ()) -> None:
        self._names = Names(names)
        self._any = bool(names)
        self._known = {key.casefold() for key in known}
        self._near: dict[str, bool] = {}

    def stands_in(self, text: str) -> bool:
        """Whether there is such a key in the text."""
        if not self._any:
            return False
        keys = {key[:_LONGEST].casefold() for key in _KEY.findall(text)} - self._known
        return len(keys) > _MANY or any(map(self._could_be, keys))

    def _could_be(self, key: str) -> bool:
        if key not in self._near:
            self._near[key] = self._names.closest(key, 0.8) is not None or self._names.exhausted
        return self._near[key]


def misspells(text: str, names: Collection[str], known: Iterable[str] = ()) -> bool:
    """Whether a key in this text could be meant to be one of the names: see Misspelt, for more than one text."""
    return Misspelt(names, known).stands_in(text)


def select(keys: Iterable[str], patterns: Iterable[str]) -> frozenset[str]:
    """Return the keys that any of the patterns covers.

    A pattern is a key (``db.port``), a table that stands for all below it (``db``), or a glob (``KAFKA_*``, ``db.pool.*``).
    Raises ValueError, with a suggestion, for one that covers nothing.
    """
    below: dict[str, list[str]] = {}
    for key in keys:
        for name in _with_tables(key):
            below.setdefault(name, []).append(key)
    chosen: set[str] = set()
    for pattern in patterns:
        matches = re.compile(translate(pattern)).match
        covered = {key for name, inside in below.items() if name == pattern or matches(name) for key in inside}
        if not covered:
            near = closest(pattern, below)
            raise ValueError(f"no key matches {pattern!r}" + (f"; did you mean {near!r}?" if near else ""))
        chosen |= covered
    return frozenset(chosen)


def _with_tables(key: str) -> Iterator[str]:
    """Yield a dotted key and the tables that it stands in."""
    while key:
        yield key
        key = key.rpartition(".")[0]
