"""Paths into nested tables, and the dotted keys they are written as."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

Path = tuple[str | int, ...]
"""Where a value stands in the merged tables: keys, and indices in arrays."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
# From the start of a word only, or a very long one would be looked at again from each of its characters.
_KEY = re.compile(r"""(?<![\w-])([\w-]++)["']?[\ \t]*+[=:]""")
_LONGEST = 200
_MANY = 500
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


def closest(key: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that ``key`` is most likely a misspelling of, if any comes near."""
    import difflib  # slow to import, and needed only to explain a mistake

    known = {candidate.casefold(): candidate for candidate in candidates}
    near = difflib.get_close_matches(key[:_LONGEST].casefold(), known, n=1, cutoff=0.7)
    return known[near[0]] if near else None


def misspells(text: str, names: Iterable[str], known: Iterable[str] = ()) -> bool:
    """Whether a key in this text, TOML or not, could be meant to be one of the names; ``known`` ones are meant as they are.

    In a text with very many keys it could be any.
    """
    import difflib

    candidates = {name.casefold() for name in names}
    keys = {key[:_LONGEST].casefold() for key in _KEY.findall(text)} - {key.casefold() for key in known}
    if len(keys) > _MANY:
        return bool(candidates)
    return any(difflib.get_close_matches(key, candidates, n=1, cutoff=0.8) for key in keys)


def select(keys: Iterable[str], patterns: Iterable[str]) -> frozenset[str]:
    """Return the keys that any of the patterns covers.

    A pattern is a key (``db.port``), a table that stands for all below it (``db``), or a glob (``KAFKA_*``, ``db.pool.*``).
    Raises ValueError, with a suggestion, for one that covers nothing.
    """
    known = list(keys)
    chosen: set[str] = set()
    for pattern in patterns:
        covered = [
            key for key in known if any(pattern == name or fnmatchcase(name, pattern) for name in _with_tables(key))
        ]
        if not covered:
            near = closest(pattern, dict.fromkeys(name for key in known for name in _with_tables(key)))
            raise ValueError(f"no key matches {pattern!r}" + (f"; did you mean {near!r}?" if near else ""))
        chosen.update(covered)
    return frozenset(chosen)


def _with_tables(key: str) -> Iterator[str]:
    """Yield a dotted key and the tables that it stands in."""
    while key:
        yield key
        key = key.rpartition(".")[0]
