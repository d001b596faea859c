"""ARCHITECTURE.md names modules and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from support import ROOT

import hotsettings

PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_the_tests_that_guard_the_promises_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 20
    defined: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= defined, named - defined


def test_every_module_of_the_core_has_its_place() -> None:
    """A module that the page does not name is one that a newcomer has to guess at."""
    known = set(re.findall(r"\w+", PAGE))
    core = Path(hotsettings.__file__).parent
    modules = {path.stem for room in core.glob("_*") for path in room.rglob("*.py")} - {"__init__"}
    assert modules <= known, modules - known
