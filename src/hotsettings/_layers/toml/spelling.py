"""What a misspelt key probably means, and whether a text could hold a misspelt key.

Two texts are as alike as their longest common subsequence makes them: twice its length, divided by the sum of both lengths.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable

# From the start of a word only, or a very long one would be looked at again from each of its characters.
_KEY = re.compile(r"""(?<![\w-])([\w-]++)["']?[\ \t]*+[=:]""")

_LONGEST = 200
"""Characters of a key that are compared."""

_MANY = 500
"""Keys in a text from which on one of them is taken for misspelt, unseen."""

_WIDEST = 4096
"""Bits of a bag."""


class Budget:
    """Limits what all searches together may cost. One step is one name looked at, or one character compared."""

    __slots__ = ("left",)

    def __init__(self, steps: int = 1_000_000) -> None:
        self.left = steps  # a million take a fifth of a second


class Vocabulary:
    """The names that a misspelt key could mean.

    Args:
        names: The names. Case does not count.
        budget: What the searches may cost, shared with other vocabularies. Once it is spent, nothing is found.
    """

    def __init__(self, names: Iterable[str], budget: Budget | None = None) -> None:
        self._budget = budget or Budget()
        folded = {name.casefold(): name for name in names}
        self._names = sorted(folded.items(), key=lambda pair: len(pair[0]))
        self._lengths = [len(name) for name, _ in self._names]
        self._bags: list[int | None] = [None] * len(self._names)
        self._features: dict[tuple[str, int], int] = {}

    @property
    def exhausted(self) -> bool:
        """Whether the budget was too small to finish a search."""
        return self._budget.left < 0

    def closest(self, key: str, least: float = 0.7) -> str | None:
        """Return the name that ``key`` is most likely a misspelling of, if any is at least so much alike."""
        sought = key[:_LONGEST].casefold()
        # No text of another length can be alike enough.
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
        return found

    def _bag_of(self, at: int) -> int:
        if (bag := self._bags[at]) is None:
            self._budget.left -= self._lengths[at]
            bag = self._bags[at] = self._bag(self._names[at][0])
        return bag

    def _bag(self, text: str) -> int:
        """Return a bit for each character, and one for each time that it is repeated.

        The bits that two texts share are an upper bound of their common subsequence, and are counted much faster.
        """
        counts: dict[str, int] = {}
        bag = 0
        for char in text:
            counts[char] = number = counts.get(char, 0) + 1
            bit = self._features.setdefault((char, number), len(self._features))
            if bit >= _WIDEST:
                return (1 << _WIDEST) - 1  # too many different characters: this bag rules out no name
            bag |= 1 << bit
        return bag


def _places(text: str) -> dict[str, int]:
    """Return for each character of a text a bit for each of its positions."""
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
    """Return the candidate that ``key`` is most likely a misspelling of, if any comes near."""
    return Vocabulary(candidates).closest(key)


class MisspeltKeys:
    """Looks for keys in texts, TOML or not, that could be meant to be one of the names.

    When in doubt, it says yes: where a text has more than 500 keys, and where the search would take too long.

    Args:
        names: What a key could be meant to be.
        known: Keys that are spelt right, whichever name they are like.
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
    """Whether a key in this text could be meant to be one of the names. For several texts, use ``MisspeltKeys``."""
    return MisspeltKeys(names, known).found_in(text)
