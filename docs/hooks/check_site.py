"""Look through the built site: python docs/hooks/check_site.py [FOLDER].

No page may load anything from another host, and every link within the site has to lead to a file and an anchor that exist.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    "script": "src",
    "img": "src",
    "source": "srcset",
    "iframe": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
}
LOADING_LINKS = {"stylesheet", "icon", "shortcut icon", "preload", "preconnect", "modulepreload", "manifest"}
ELSEWHERE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_A_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """What a page loads, where it leads, and which anchors it has."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.anchors: set[str] = set()
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        self.anchors |= {has[name] for name in ("id", "name") if has.get(name)}
        self._style = tag == "style"
        self.loads += in_style(has.get("style", ""))
        if has.get(LOADED.get(tag, "")):
            self.loads.append(has[LOADED[tag]])
        elif tag == "link" and has.get("rel", "").lower() in LOADING_LINKS:
            self.loads.append(has.get("href", ""))
        elif tag in ("a", "area", "link") and has.get("href"):
            self.leads.append(has["href"])

    def handle_data(self, data: str) -> None:
        if self._style:
            self.loads += in_style(data)


def in_style(text: str) -> list[str]:
    """What a style sheet loads."""
    return [one or other for one, other in IN_A_STYLE.findall(text)]


def problems(site: Path) -> list[str]:
    """Everything that is wrong, a line for each."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found: list[str] = []
    if not pages:
        found.append(f"{site}: there are no pages")
    for path, page in pages.items():
        name = path.relative_to(site)
        found += [f"{name}: loads {url} from another host" for url in page.loads if ELSEWHERE.match(url)]
        for url in {*page.leads, *page.loads}:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            there = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if parts.path.startswith("/"):  # only the page for what is not found has such links
                there = site.resolve() / parts.path.lstrip("/")
            if there.is_dir():
                there /= "index.html"
            if not there.is_file():
                found.append(f"{name}: {url} leads nowhere")
            elif parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].anchors:
                found.append(f"{name}: {url} names an anchor that is not there")
    for path in sorted(site.rglob("*.css")):
        loads = in_style(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(site)}: loads {url} from another host" for url in loads if ELSEWHERE.match(url)]
    return found


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1] if len(sys.argv) > 1 else "site").resolve())
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(bool(wrong))
