"""Draw how data flows, for light and for dark: python docs/data_flow.py [FOLDER] writes the two files in docs/images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

FOLDER = Path(__file__).parent / "images"
WIDTH, HEIGHT = 790, 448
MONOSPACE = "ui-monospace, Menlo, Consolas, monospace"


class Colours(NamedTuple):
    """What a scheme needs."""

    ink: str
    muted: str
    card: str
    line: str
    accent: str
    accent_card: str
    bad: str
    bad_card: str


SCHEMES = {
    "light": Colours("#1c2330", "#5a6373", "#ffffff", "#b9c0cc", "#c2410c", "#fff2ea", "#c92a2a", "#fff0f0"),
    "dark": Colours("#e8eaf0", "#a7afbd", "#232935", "#566072", "#ff9a62", "#3b281d", "#ff8f8f", "#3a2224"),
}


class Drawing:
    """Boxes and arrows in the colours of a scheme."""

    def __init__(self, colours: Colours) -> None:
        self._c = colours
        self._parts: list[str] = []

    def box(self, x: int, y: int, title: str, *below: str, width: int = 116, height: int = 72, kind: str = "") -> None:
        """A box with a title and up to two smaller lines."""
        c = self._c
        fill, line, ink = {
            "": (c.card, c.line, c.ink),
            "accent": (c.accent_card, c.accent, c.accent),
            "bad": (c.bad_card, c.bad, c.bad),
        }[kind]
        dashes = ' stroke-dasharray="5 4"' if kind == "bad" else ""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="9" fill="{fill}" stroke="{line}" '
            f'stroke-width="1.5"{dashes}/>'
        )
        middle, top = x + width / 2, y + height / 2 + 5 - 8 * len(below)
        code = title.endswith("()")
        self.text(middle, top, title, ink, 14 if code else 15, weight=600, family=MONOSPACE if code else "")
        for number, line_below in enumerate(below, 1):
            self.text(middle, top + 4 + 15 * number, line_below, c.muted, 12)

    def file(self, x: int, y: int, name: str, layer: str) -> None:
        """A file, with a corner turned down, and the layer that it is."""
        c, width, height, corner = self._c, 150, 46, 12
        self._parts.append(
            f'<path d="M{x + 6} {y}H{x + width - corner}l{corner} {corner}V{y + height - 6}q0 6 -6 6H{x + 6}q-6 0 -6 -6V{y + 6}'
            f'q0 -6 6 -6z" fill="{c.card}" stroke="{c.line}" stroke-width="1.5"/>'
            f'<path d="M{x + width - corner} {y}v{corner}h{corner}" fill="none" stroke="{c.line}" stroke-width="1.5"/>'
        )
        self.text(x + 12, y + 20, name, c.ink, 13, anchor="start", family=MONOSPACE)
        self.text(x + 12, y + 37, layer, c.muted, 12, anchor="start")

    def arrow(self, path: str, kind: str = "line", dashed: bool = False) -> None:
        """An arrow along a path."""
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        colour = self._c.bad if kind == "bad" else self._c.accent if kind == "accent" else self._c.muted
        self._parts.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8" marker-end="url(#{kind})"{dashes}/>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        colour: str,
        size: int,
        *,
        anchor: str = "middle",
        weight: int = 400,
        family: str = "",
    ) -> None:
        """A line of text."""
        more = f' font-family="{family}"' if family else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" fill="{colour}" font-size="{size}" font-weight="{weight}" '
            f'text-anchor="{anchor}"{more}>{escape(words)}</text>'
        )

    def note(self, x: float, y: float, words: str, anchor: str = "middle") -> None:
        """A remark beside an arrow."""
        self.text(x, y, words, self._c.muted, 12, anchor=anchor)

    def svg(self) -> str:
        """The whole file."""
        c = self._c
        heads = "".join(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse"><path d="M0 0.8L9 5L0 9.2z" fill="{colour}"/></marker>'
            for name, colour in (("line", c.muted), ("accent", c.accent), ("bad", c.bad))
        )
        drawn = "\n".join(self._parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'font-family="system-ui, -apple-system, \'Segoe UI\', Roboto, Helvetica, Arial, sans-serif" role="img">\n'
            f"<title>How data flows: files are read together, merged and decoded; valid settings go live at once</title>\n"
            f"<defs>{heads}</defs>\n{drawn}\n</svg>\n"
        )


def drawn(colours: Colours) -> str:
    """Files at the left, who lives by them at the right; loading above, following below."""
    d = Drawing(colours)
    d.file(14, 20, "config.toml", "base")
    d.file(14, 74, "secrets.toml", "secrets")
    d.file(14, 128, "worker.toml", "override")
    d.box(216, 61, "read", "all as they", "stand together")
    d.box(368, 61, "merge", "the later", "layer wins")
    d.box(520, 61, "decode", "every problem", "with its line")
    d.box(672, 61, "Settings()", "loaded once", width=104, kind="accent")
    d.arrow("M164 97H210")
    d.arrow("M332 97H362")
    d.arrow("M484 97H514")
    d.arrow("M636 97H666", "accent")

    d.box(14, 258, "wake-ups", "events are hints:", "look again", width=150)
    d.box(216, 258, "settle", "until the files", "are whole")
    d.box(368, 258, "rejected", "the old snapshot", "serves on", kind="bad")
    d.box(520, 258, "transaction", "hooks, builds,", "or nothing")
    d.box(672, 258, "live", ".current", "swapped", width=104, kind="accent")
    d.arrow("M89 174V252", dashed=True)
    d.arrow("M164 294H210")
    d.arrow("M274 258V139")
    d.arrow("M578 133V252")
    d.arrow("M636 294H666", "accent")
    d.arrow("M520 122L440 252", "bad", dashed=True)
    d.arrow("M520 294H490", "bad", dashed=True)
    d.note(98, 218, "any writer", "start")
    d.note(283, 200, "again", "start")
    d.note(587, 196, "is anything", "start")
    d.note(587, 212, "different?", "start")

    for x, name in ((294, "changes()"), (418, "on_change()"), (542, "resource()"), (666, "events()")):
        d.box(x, 390, name, width=116, height=40)
    d.arrow("M724 330V384", "accent")
    d.arrow("M724 356H608Q600 356 600 364V384", "accent")
    d.arrow("M724 356H484Q476 356 476 364V384", "accent")
    d.arrow("M724 356H360Q352 356 352 364V384", "accent")
    return d.svg()


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, colours in SCHEMES.items():
        (folder / f"data-flow-{name}.svg").write_text(drawn(colours), encoding="utf-8")
