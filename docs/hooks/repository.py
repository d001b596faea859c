"""What the site makes of a repository's ways: mkdocs calls the functions named ``on_...`` while it builds.

- Pages that stand elsewhere in the repository, such as CONTRIBUTING.md, become pages of the site.
- Any other file that a page links becomes a page with its source; a link that is the name of a function leads to its line.
- A ``<picture>`` for light and dark, which GitHub understands, becomes the pair that follows the palette of the site.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

log = get_plugin_logger("repository")
ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "examples/README.md": "examples.md",
}
CONFIGURATION = "reference/configuration.md"
EXCERPT = "docs/benchmarks/table.md"
"""A part of a page of the site, whose links are those of that page."""
LANGUAGES = {
    ".md": "markdown",
    ".py": "python",
    ".toml": "toml",
    ".sh": "sh",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
}
CODE_OR_LINK = re.compile(
    r"(?P<code>^(?P<indent> *)(?P<fence>```+).*?^(?P=indent)(?P=fence)$|``[^\n]+?``|(?<!\[)`[^`\n]+`)"
    r"|(?P<text>\[(?:[^\]\[\n]|\[[^\]\n]*\])+\])\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)",
    re.MULTILINE | re.DOTALL,
)
PICTURE = re.compile(r'<picture><source [^>]*srcset="([^"]+)"[^>]*><img src="([^"]+)" alt="(.*?)"></picture>')
CELL = re.compile("<td>.*?</td>", re.DOTALL)
SOURCE_LINK = re.compile(r'href="(?P<to>[^"#]*source/(?P<path>[^"#]+)\.html)"><code>(?P<name>\w+)</code>')


def in_the_repository(page: str, target: str) -> str:
    """Where a link leads, from the root of the repository: ``page`` is where the Markdown of the page stands."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def place_on_site(path: str) -> str | None:
    """Which page of the site shows a file of the repository; None for what is no file of it."""
    if path in OUTSIDE:
        return OUTSIDE[path]
    if path.startswith("docs/") and path != EXCERPT and not path.endswith(".py"):
        return path.removeprefix("docs/")
    if not path.startswith("..") and (ROOT / path).is_file():
        return f"source/{path}.md"
    return None


def links(text: str, page: str) -> Iterator[str]:
    """All files of the repository that a page links, from the root of the repository."""
    for match in CODE_OR_LINK.finditer(text):
        if match["target"] and ":" not in match["target"]:
            yield in_the_repository(page, match["target"])


def rewritten(text: str, page: str, uri: str) -> str:
    """The text of a page as the site has it, at ``uri``."""

    def link(match: re.Match[str]) -> str:
        if not match["target"] or ":" in match["target"]:
            return match[0]
        there = place_on_site(in_the_repository(page, match["target"]))
        if there is None:
            return match[0]
        return f"{match['text']}({posixpath.relpath(there, posixpath.dirname(uri) or '.')}{match['anchor'] or ''})"

    # A picture's paths start at the page, as links do: in Markdown they are rewritten with these.
    text = PICTURE.sub(r"![\3](\2#only-light)\n![\3](\1#only-dark)", text)
    return CODE_OR_LINK.sub(link, text)


def source_page(path: str) -> str:
    """A page that shows a file."""
    code = (ROOT / path).read_text(encoding="utf-8").rstrip("\n")
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall("`+", code)), 3)
    language = LANGUAGES.get(Path(path).suffix, "text")
    front = f"---\ntitle: {path}\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n\n"
    return f'{front}# `{path}`\n\n{fence} {{ .{language} linenums="1" }}\n{code}\n{fence}\n'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand elsewhere, and the sources that any page links."""
    pages = {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    for name, uri in OUTSIDE.items():
        if name != "README.md":
            pages[name] = (ROOT / name).read_text(encoding="utf-8")
            files.append(File.generated(config, uri, content=rewritten(pages[name], name, uri)))
    linked = {path for page, text in pages.items() for path in links(text, page)}
    for path in sorted(linked):
        shown = place_on_site(path)
        if shown is not None and shown.startswith("source/"):
            files.append(File.generated(config, shown, content=source_page(path), inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page in docs lead to the pages of the site."""
    if page.file.generated_by is not None:
        return markdown
    if page.file.src_uri == CONFIGURATION:
        page.meta["hide"] = ["toc"]  # its tables need the room
    return rewritten(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let a link that is the name of a function lead to its line, and mend what differs in tables."""

    def with_line(match: re.Match[str]) -> str:
        lines = (ROOT / match["path"]).read_text(encoding="utf-8").splitlines()
        defined = re.compile(rf" *(?:async )?(?:def|class) {match['name']}\b")
        number = next((number for number, line in enumerate(lines, 1) if defined.match(line)), None)
        if number is None and match["name"].startswith("test_"):
            log.warning("%s: there is no %s in %s", page.file.src_uri, match["name"], match["path"])
        anchor = "" if number is None else f"#__codelineno-0-{number}"
        return f'href="{match["to"]}{anchor}"><code>{match["name"]}</code>'

    # In a table GitHub takes the backslash before a bar away, also in code; Markdown for Python leaves it there.
    html = CELL.sub(lambda cell: cell[0].replace("\\|", "|"), SOURCE_LINK.sub(with_line, html))
    return f'<div class="configuration">{html}</div>' if page.file.src_uri == CONFIGURATION else html
