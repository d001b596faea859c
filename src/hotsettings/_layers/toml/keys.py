"""Paths into nested tables, and how they are written as dotted keys."""

from __future__ import annotations

import re
from typing import Any

Path = tuple[str | int, ...]
"""Where a value is in the merged tables: keys and, in arrays, indices."""
Values = dict[str, Any]
"""The values of one layer, or of several that were merged."""
ABSENT: Any = object()
"""Stands for a value that nobody has set. It is never None, which is a value of its own."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 200
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def follow(value: Any, path: Path) -> Any:
    """Return the value at ``path``, through tables and arrays, or ABSENT."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part, ABSENT)
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part] if part < len(value) else ABSENT
        else:
            return ABSENT
    return value


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
    """Write one key as TOML would: bare if possible, otherwise in quotes."""
    return key if _BARE.fullmatch(key) else quoted(key)


def quoted(text: str) -> str:
    """Write a text as a TOML string on one line. Control characters are escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:  # as nearly all are
        return f'"{text}"'
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _escaped(c) for c in text) + '"'


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    return f"\\u{ord(char):04X}" if ord(char) < 0x10000 else f"\\U{ord(char):08X}"
