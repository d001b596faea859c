"""Paths into nested tables, and the dotted keys they are written as."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

Path = tuple[str | int, ...]
"""Where a value stands in the merged tables: keys, and indices in arrays."""

_BARE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_LONGEST = 200


def dotted(path: Path) -> str:
    """Write a path as TOML would: ``db.port``, ``hosts[2]``, ``"a.b".c``. A very long part is cut."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else _quoted(part))
    return text


def _quoted(part: str) -> str:
    shown = "".join(c if c.isprintable() and c not in '"\\' else ascii(c)[1:-1] for c in part[:_LONGEST])
    return f'"{shown}…"' if len(part) > _LONGEST else f'"{shown}"'


def closest(key: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that ``key`` is most likely a misspelling of, if any comes near."""
    import difflib  # slow to import, and needed only to explain a mistake

    known = {candidate.casefold(): candidate for candidate in candidates}
    near = difflib.get_close_matches(key[:_LONGEST].casefold(), known, n=1, cutoff=0.7)
    return known[near[0]] if near else None


def select(keys: Iterable[str], patterns: Iterable[str]) -> frozenset[str]:
    """Return the keys that any of the patterns covers.

    A pattern is a key (``db.port``), a table that stands for all below it (``db``), or a glob (``KAFKA_*``, ``db.pool.*``).
    Raises ValueError, with a suggestion, for one that covers nothing.
    """
    known = list(keys)
    chosen: set[str] = set()
    for pattern in patterns:
        covered = [key for key in known if any(fnmatchcase(name, pattern) for name in _with_tables(key))]
        if not covered:
            near = closest(pattern, known)
            raise ValueError(f"no key matches {pattern!r}" + (f"; did you mean {near!r}?" if near else ""))
        chosen.update(covered)
    return frozenset(chosen)


def _with_tables(key: str) -> Iterator[str]:
    """Yield a dotted key and the tables that it stands in."""
    while key:
        yield key
        key = key.rpartition(".")[0]
