"""HTML in which everything is escaped that is not made here."""

from __future__ import annotations

import html

from ..._layers.toml.keys import quoted

LONGEST = 300
"""Characters of a value that are shown."""


class Html(str):
    """Markup, to be put into other markup as it is."""

    __slots__ = ()


def visible(text: str) -> Html:
    """Return text that is nothing but text: markup is escaped, and what could not be seen is written as in TOML."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else quoted(char)[1:-1] for char in text)
    return Html(html.escape(text, quote=True))


def tag(name: str, *children: str, **attributes: str | bool) -> Html:
    """Return an element. Children are escaped unless they are markup; ``class_`` and ``data_part`` name attributes."""
    written = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str) -> Html:
    """Return what stands side by side."""
    return Html("".join(child if isinstance(child, Html) else visible(child) for child in children))


def _attribute(name: str, value: str | bool) -> str:
    if isinstance(value, bool):
        return f" {name}" if value else ""
    return f' {name}="{visible(value)}"'


def cut(text: str, longest: int = LONGEST) -> str:
    """Return the beginning of a text that is too long to be shown, and how long it is."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"
