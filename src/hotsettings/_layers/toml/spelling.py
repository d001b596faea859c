"""Misspelt keys: which key somebody probably meant, and whether a text could contain a misspelt key.

The similarity of two texts is twice the length of their longest common subsequence, divided by the sum of their
lengths.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable

# Only at the start of a word: otherwise a very long word would be matched again from each of its characters.
_KEY = re.compile(r"""(?<![\w-])([\w-]++)["']?[\ \t]*+[=:]""")

_LONGEST = 200
"""Only so many characters of a key are compared."""

_SIMILAR = 0.7
"""The least similarity of a misspelt key to the name that was meant."""

_SHORT = 3
"""Letters of a name of which a slip leaves less than that."""

_FEW = 10
"""If there are more names so short, one of them is similar by chance."""

_MANY = 500
"""A text with more keys is not searched: one of them is taken for misspelt."""

_WIDEST = 4096
"""Most bits of a bag."""


class Budget:
    """Limits the cost of all searches together. One step is one name checked, or one character compared."""

    __slots__ = ("left",)

    def __init__(self, steps: int = 1_000_000) -> None:
        self.left = steps  # a million steps take a fifth of a second


class Vocabulary:
    """The names that a misspelt key could mean.

    Args:
        names: The names. A search ignores case, and takes hyphens for underscores.
        budget: What the searches may cost, shared with other vocabularies. Once it is spent, nothing is found.
    """

    def __init__(self, names: Iterable[str], budget: Budget | None = None) -> None:
        self._budget = budget or Budget()
        folded = {_folded(name): name for name in names}
        self._names = sorted(folded.items(), key=lambda pair: len(pair[0]))
        self._lengths = [len(name) for name, _ in self._names]
        self._bags: list[int | None] = [None] * len(self._names)
        self._features: dict[tuple[str, int], int] = {}

    @property
    def exhausted(self) -> bool:
        """Whether the budget was too small to finish a search."""
        return self._budget.left < 0

    def closest(self, key: str, least: float = _SIMILAR) -> str | None:
        """Return the name that ``key`` most likely means. None if no name has at least this similarity.

        Names of three letters differ too much by a single one, so for these that is enough if no other name is as similar.
        """
        sought = _folded(key[:_LONGEST])
        # Names that are much shorter or longer cannot be similar enough.
        first = bisect_left(self._lengths, least * len(sought) / (2 - least))
        last = bisect_right(self._lengths, (2 - least) * len(sought) / least)
        self._budget.left -= last - first
        if not sought or self._budget.left < 0:
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
            self._budget.left -= self._lengths[at]
            if self._budget.left < 0:
                return None
            name, known = self._names[at]
            alike = 2 * _common(places, length, name) / (length + len(name))
            if alike > best or (found is None and alike == best):
                best, found = alike, known
        if found is None and length == _SHORT and least <= _SIMILAR:
            return self._only_short(sought)
        return found

    def _only_short(self, sought: str) -> str | None:
        """Return the only name of three letters that differs from ``sought`` by one other letter or by two swapped ones."""
        first, last = bisect_left(self._lengths, _SHORT), bisect_right(self._lengths, _SHORT)
        if last - first > _FEW:
            return None
        near = [known for name, known in self._names[first:last] if _is_slip(sought, name)]
        return near[0] if len(near) == 1 else None

    def _bag_of(self, at: int) -> int:
        if (bag := self._bags[at]) is None:
            self._budget.left -= self._lengths[at]
            bag = self._bags[at] = self._bag(self._names[at][0])
        return bag

    def _bag(self, text: str) -> int:
        """Return the bag of a text: one bit for each character, and one for each of its repetitions.

        The number of bits that two bags share is an upper bound of their common subsequence, and much faster to
        compute.
        """
        counts: dict[str, int] = {}
        bag = 0
        for char in text:
            counts[char] = number = counts.get(char, 0) + 1
            bit = self._features.setdefault((char, number), len(self._features))
            if bit >= _WIDEST:
                return (1 << _WIDEST) - 1  # there are too many different characters: this bag excludes no name
            bag |= 1 << bit
        return bag


def _folded(name: str) -> str:
    return name.casefold().replace("-", "_")


def _is_slip(one: str, other: str) -> bool:
    """Whether two texts of the same length differ in one letter behind the first, or in two neighbours that are swapped."""
    differing = [at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(differing) == 2:
        first, second = differing
        return second == first + 1 and one[first] == other[second] and one[second] == other[first]
    return len(differing) == 1 and differing != [0]


def _places(text: str) -> dict[str, int]:
    """Return the positions of each character of a text, one bit for each."""
    places: dict[str, int] = {}
    for at, char in enumerate(text):
        places[char] = places.get(char, 0) | 1 << at
    return places


def _common(places: dict[str, int], length: int, other: str) -> int:
    """Return the length of the longest common subsequence, in one step for each character of ``other``."""
    whole = (1 << length) - 1
    row = whole
    for char in other:
        if here := row & places.get(char, 0):
            row = ((row + here) | (row - here)) & whole
    return length - row.bit_count()


def closest(key: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that ``key`` most likely means. None if no candidate is similar."""
    return Vocabulary(candidates).closest(key)


class MisspeltKeys:
    """Searches texts, TOML or not, for keys that could be misspellings of one of the names.

    In doubt the answer is yes: if a text has more than 500 keys, or if the search would take too long.

    Args:
        names: The names that a key could mean.
        known: Keys that are not misspelt, even if they are similar to a name.
    """

    def __init__(self, names: Collection[str], known: Iterable[str] = ()) -> None:
        self._vocabulary = Vocabulary(names)
        self._any = bool(names)
        self._known = {key.casefold() for key in known}
        self._near: dict[str, bool] = {}

    def found_in(self, text: str) -> bool:
        """Whether there is such a key in the text."""
        if not self._any:
            return False
        keys = {key[:_LONGEST].casefold() for key in _KEY.findall(text)} - self._known
        return len(keys) > _MANY or any(map(self._could_be, keys))

    def _could_be(self, key: str) -> bool:
        if key not in self._near:
            self._near[key] = self._vocabulary.closest(key, 0.8) is not None or self._vocabulary.exhausted
        return self._near[key]


def misspells(text: str, names: Collection[str], known: Iterable[str] = ()) -> bool:
    """Whether a key in this text could be a misspelling of one of the names.

    For several texts, use ``MisspeltKeys``.
    """
    return MisspeltKeys(names, known).found_in(text)
