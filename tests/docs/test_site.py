"""The documentation site, as far as it can be seen without building it: `make docs` does that, and checks every link."""

from __future__ import annotations

import importlib.util
import re
import types
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

import hotsettings
import hotsettings.nats
import hotsettings.testing

REFERENCE = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs/reference").glob("*.md")))
PROMISES = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
NAVIGATION = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
HELD_BY = re.compile(r"\[`(test_\w+)`\]\(\.\./([\w./]+)\)")


def script(name: str) -> Any:
    """A module of docs, which is no package."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, ROOT / "docs" / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", hotsettings.__all__)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    assert re.search(rf"^::: hotsettings\.{name}$", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize("name", hotsettings.testing.__all__)
def test_so_is_every_name_for_tests(name: str) -> None:
    assert re.search(rf"^::: hotsettings\.testing\.{name}$", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize("name", hotsettings.nats.__all__)
def test_so_is_every_name_of_the_store(name: str) -> None:
    assert re.search(rf"^::: hotsettings\.nats\.{name}$", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize("name", ["asgi", "fastapi", "logging", "opentelemetry", "page", "prometheus"])
def test_so_is_everything_public_in_an_integration(name: str) -> None:
    module = importlib.import_module(f"hotsettings.integrations.{name}")
    public = {
        thing
        for thing, value in vars(module).items()
        if not thing.startswith("_")
        and isinstance(value, (type, types.FunctionType))
        and value.__module__.startswith(module.__name__)
    }
    assert public, name
    part = REFERENCE[REFERENCE.index(f"::: {module.__name__}") :].partition("\n## ")[0]
    assert public <= set(re.findall(r"\w+", part)), public


def test_no_integration_is_forgotten() -> None:
    folder = Path(hotsettings.__file__).parent / "integrations"
    internal = {"__init__", "extras", "metrics", "pinning", "__pycache__"}
    for path in folder.iterdir():
        if path.stem not in internal:
            assert f"::: hotsettings.integrations.{path.stem}" in REFERENCE


def test_the_twelve_promises_name_tests_that_exist() -> None:
    promises = re.split(r"^### ", PROMISES.partition("## What is not promised")[0], flags=re.MULTILINE)[1:]
    assert [int(promise.partition(".")[0]) for promise in promises] == list(range(1, 13))
    for promise in promises:
        held = HELD_BY.findall(promise)
        assert len(held) >= 2, promise
        for test, file in held:
            text = (ROOT / file).read_text(encoding="utf-8")
            assert re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE), f"{file} has no {test}"


def test_the_promises_leave_out_no_test_of_the_architecture() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")))
    assert named <= {test for test, _ in HELD_BY.findall(PROMISES)}


def test_the_navigation_has_every_page() -> None:
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    # The first two are quoted by pages; the others stand elsewhere in the repository.
    pages -= {"benchmarks/table.md", "benchmarks/fleet.md"}
    pages |= {"architecture.md", "changes.md", "contributing.md", "examples.md", "security.md"}
    listed = re.findall(r"([\w./-]+\.md)$", NAVIGATION, re.MULTILINE)
    assert sorted(listed) == sorted(pages), "name it under nav: in mkdocs.yml"


def test_the_drawings_are_what_the_script_draws() -> None:
    drawing = script("data_flow.py")
    for scheme, colours in drawing.SCHEMES.items():
        file = ROOT / f"docs/images/data-flow-{scheme}.svg"
        assert file.read_text(encoding="utf-8") == drawing.drawn(colours), "python docs/data_flow.py draws them anew"


def test_a_sound_site(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="style.css"><h1 id="a b">x</h1><a href="sub/page.html#there">x</a>'
        '<a href="https://example.org/">x</a><a href="#a%20b">x</a><img src="sub/page.html">'
    )
    (tmp_path / "sub/page.html").write_text('<p id="there"><a href="../index.html">x</a><a href="/sub/page.html">x</a>')
    (tmp_path / "style.css").write_text("p { background: url(data:image/png;base64,xx) }")
    assert script("hooks/check_site.py").problems(tmp_path) == []


@pytest.mark.parametrize(
    ("html", "says"),
    [
        ('<script src="https://cdn.example.org/x.js"></script>', "loads https://cdn.example.org/x.js"),
        ('<script src="//cdn.example.org/x.js"></script>', "loads //cdn"),
        ('<link rel="stylesheet" href="https://fonts.example.org/css">', "loads https://fonts"),
        ('<link rel="preconnect" href="https://fonts.example.org">', "loads https://fonts"),
        ('<img src="http://example.org/x.png">', "loads http://example"),
        ('<p style="background: url(https://example.org/x.png)">', "loads https://example"),
        ("<style>@import 'https://example.org/x.css';</style>", "loads https://example"),
        ('<a href="gone.html">x</a>', "gone.html leads nowhere"),
        ('<img src="gone.png">', "gone.png leads nowhere"),
        ('<a href="#gone">x</a>', "#gone names an anchor"),
        ('<a href="index.html#gone">x</a>', "index.html#gone names an anchor"),
    ],
)
def test_what_is_wrong_with_a_site_is_found(tmp_path: Path, html: str, says: str) -> None:
    (tmp_path / "index.html").write_text(html)
    found = script("hooks/check_site.py").problems(tmp_path)
    assert len(found) == 1
    assert says in found[0]


def test_a_style_sheet_that_loads_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>x")
    (tmp_path / "site.css").write_text('@font-face { src: url("https://fonts.example.org/f.woff2") }')
    assert script("hooks/check_site.py").problems(tmp_path) == [
        "site.css: loads https://fonts.example.org/f.woff2 from another host"
    ]


def test_a_site_without_pages_is_none(tmp_path: Path) -> None:
    assert len(script("hooks/check_site.py").problems(tmp_path)) == 1
