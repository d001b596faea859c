"""Source excerpts: a line of a text, with carets below the part that matters."""

from __future__ import annotations

import unicodedata

_WIDEST = 120
_STAND_INS = {"\t": " "}


def excerpt(text: str, start: int, end: int) -> tuple[str, str]:
    """Return the line of ``text`` at ``start``, and a line of carets from there to ``end`` or the end of the line.

    Of a very long line, only the part around the carets is shown. Control characters are replaced.
    """
    first, last = line_around(text, start)
    last = max(start, first + len(text[first:last].rstrip("\r")))
    end = max(start + 1, min(end, last))
    cut = first
    if last - first > _WIDEST:
        cut = max(first, min(start - _WIDEST // 3, last - _WIDEST))
        last = min(last, cut + _WIDEST)
        end = max(start + 1, min(end, last))
    before = ("…" if cut > first else "") + _printable(text[cut:start].rstrip("\r"))
    line = before + _printable(text[start:last])
    number = text.count("\n", 0, start) + 1
    carets = "^" * max(1, _width(_printable(text[start:end])))
    return f"{number:>6} | {line}", f"{'':6} | {' ' * _width(before)}{carets}"


def line_around(text: str, offset: int) -> tuple[int, int]:
    """Return where the line at ``offset`` begins and ends, without its line break."""
    end = text.find("\n", offset)
    return text.rfind("\n", 0, offset) + 1, len(text) if end < 0 else end


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else _STAND_INS.get(char, "\N{REPLACEMENT CHARACTER}") for char in text)


def _width(text: str) -> int:
    """Columns on a terminal. East Asian wide characters take two, combining characters none."""
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
