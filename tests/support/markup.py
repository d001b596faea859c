"""Texts that would like to be markup, and what a browser sees of a page."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import strategies as st

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</code></td><iframe>",
    "<!--",
    "]]>",
    "&lt;script&gt;",
    "&#60;b&#62;",
    "${x} $style",
    "\u2028\u2029\u202e\u2066\ufeff\u200b\x00\x1b[31m",
    "\udc80",
]


hostile = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=20), st.text("<>&\"'/=` ", max_size=8))).map(
    "".join
)


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.other = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.other += 1

    def handle_decl(self, decl: str) -> None:
        self.other += decl.lower() != "doctype html"

    def handle_pi(self, data: str) -> None:
        self.other += 1

    def unknown_decl(self, data: str) -> None:
        self.other += 1


def seen(markup: str) -> Seen:
    parser = Seen()
    parser.feed(markup)
    parser.close()
    return parser
