"""The picture of a terminal in the README shows what the command line prints today."""

from __future__ import annotations

import html
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is POSIX")

SCHEMES = ["light", "dark"]


def script() -> Any:
    spec = importlib.util.spec_from_file_location("terminal", ROOT / "docs/terminal.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(scheme: str) -> str:
    return (ROOT / f"docs/images/terminal-{scheme}.svg").read_text(encoding="utf-8")


def words(svg: str) -> str:
    """All text of a picture but the times of day."""
    parts = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
    text = html.unescape("".join(parts)).replace("\xa0", " ")
    return re.sub(r"\d\d:\d\d:\d\d", "TIME", text)


def test_the_pictures_show_what_is_printed_today(tmp_path: Path) -> None:
    terminal = script()
    text = terminal.session(tmp_path)
    for scheme in SCHEMES:
        fresh = terminal.drawn(text, terminal.THEMES[scheme])
        assert words(picture(scheme)) == words(fresh), "python docs/terminal.py draws them anew"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_pictures_load_nothing_and_show_no_secret(scheme: str) -> None:
    svg = picture(scheme)
    assert set(re.findall(r"https?://[^\"\s<>]+", svg)) <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
    assert "too short" not in words(svg)
    assert "only this example" not in words(svg)
