"""The keys of a class that patterns select."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate


def select(keys: Iterable[str], patterns: Iterable[str]) -> frozenset[str]:
    """Return the keys that match any of the patterns.

    A pattern is a key (``db.port``), a table, which means all keys in it (``db``), or a glob (``KAFKA_*``,
    ``db.pool.*``).

    Raises:
        ValueError: A pattern matches no key. The error suggests one.
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
            from .._layers.toml.spelling import closest  # only mistakes need it

            near = closest(pattern, below)
            raise ValueError(f"no key matches {pattern!r}" + (f"; did you mean {near!r}?" if near else ""))
        chosen |= covered
    return frozenset(chosen)


def _with_tables(key: str) -> Iterator[str]:
    """Yield a dotted key and the tables that it is in."""
    while key:
        yield key
        key = key.rpartition(".")[0]
