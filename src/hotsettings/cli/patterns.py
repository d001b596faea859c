"""Makes up texts that match a regular expression, for templates."""

from __future__ import annotations

import importlib
import random
import re
import string
from collections.abc import Iterator
from typing import Any

_TRIES = 500
_NICE = string.ascii_lowercase + string.digits + string.ascii_uppercase + "-_./:@ " + string.punctuation + "é\t\n"
"""Characters to choose from, those that a person would take first."""


def matching(pattern: str, shortest: int = 0, longest: int | None = None) -> str | None:
    """Return a text of these lengths in which the pattern is found, or None if none was found after a bounded search.

    The parser of the standard library is private. Without it, no text is found.
    """
    try:
        parsed: Any = importlib.import_module("re._parser").parse(pattern)
    except ImportError:
        return None
    for number in range(_TRIES):
        rng = random.Random(number)  # the same text in each run
        # The first texts are as short as possible, the next ones long enough.
        text = _Sample(rng, 0 if number == 0 else max(number % 8, shortest if number % 2 else 0)).of(parsed)
        for long_enough in (text, *(text.ljust(shortest, char) for char in "a-"), text.rjust(shortest, "a")):
            if shortest <= len(long_enough) <= (longest or len(long_enough)) and re.search(pattern, long_enough):
                return long_enough
    return None


class _Sample:
    """One text, put together from what the parser of ``re`` has made of a pattern.

    Look-aheads are written out in front of what follows, so that ``(?=.*[A-Z]).{8,}`` gets its capital.
    """

    def __init__(self, rng: random.Random, more: int) -> None:
        self._rng = rng
        self._more = more
        self._groups: dict[int, str] = {}

    def of(self, items: Any) -> str:
        return "".join(self._one(str(kind), detail) for kind, detail in items)

    def _one(self, kind: str, detail: Any) -> str:
        match kind:
            case "LITERAL":
                return chr(detail)
            case "ANY" | "NOT_LITERAL" | "IN":
                return self._char(kind, detail)
            case "BRANCH":
                return self.of(self._rng.choice(detail[1]) if self._more else detail[1][0])
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, inner = detail
                times = least + (self._rng.randint(0, self._more) if self._more else 0)
                return "".join(self.of(inner) for _ in range(min(times, int(most))))
            case "SUBPATTERN":
                group, _, _, inner = detail
                text = self.of(inner)
                self._groups[group] = text
                return text
            case "ATOMIC_GROUP":
                return self.of(detail)
            case "ASSERT":
                direction, inner = detail
                return self.of(inner) if direction > 0 and self._more else ""
            case "GROUPREF":
                return self._groups.get(detail, "")
            case _:  # anchors are empty, and what else there is may be
                return ""

    def _char(self, kind: str, detail: Any) -> str:
        fits = [char for char in _NICE if _takes(kind, detail, char)]
        if not fits:
            fits = list(_bounds(detail)) if kind == "IN" else []
        return (self._rng.choice(fits) if self._more else fits[0]) if fits else ""


def _takes(kind: str, detail: Any, char: str) -> bool:
    match kind:
        case "ANY":
            return char != "\n"
        case "LITERAL":
            return bool(detail == ord(char))
        case "NOT_LITERAL":
            return bool(detail != ord(char))
        case "RANGE":
            return bool(detail[0] <= ord(char) <= detail[1])
        case "CATEGORY":
            return re.fullmatch(_CATEGORIES.get(str(detail), "(?!)"), char) is not None
        case "IN":
            negated = str(detail[0][0]) == "NEGATE"
            return negated != any(_takes(str(inner), about, char) for inner, about in detail[negated:])
        case _:
            return False


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


def _bounds(members: Any) -> Iterator[str]:
    """Yield what a class of unusual characters names itself."""
    for kind, detail in members:
        if str(kind) == "LITERAL":
            yield chr(detail)
        elif str(kind) == "RANGE":
            yield chr(detail[0])
