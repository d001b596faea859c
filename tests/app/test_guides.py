"""The guides to the example application: their code runs, against the mock cluster where it needs one, and their words hold."""

from __future__ import annotations

import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from docs.test_docs import FENCE, GUIDES, Page, follow_links, working_folder
from support import ROOT

from hotsettings._schema.schema import schema_of
from integr8scode.settings import Settings

RESTART = {leaf.key: leaf.restart for leaf in schema_of(Settings).leaves}
ROW = re.compile(r"^\| (`[A-Z].*?) \| (.+?) \|$", re.MULTILINE)
NAME = re.compile(r"`((?:KAFKA|SSE|DLQ|TRACING|OTEL|JAEGER|ENABLE)_[A-Z0-9_*]+)(?: = [^`]+)?`")
NOT_OURS = {"OTEL_*", "OTEL_SDK_DISABLED=true"}
"""What the guide to tracing says of the environment."""


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="the sessions are those of a POSIX shell")
@pytest.mark.parametrize("page", GUIDES)
def test_a_guide_does_what_it_says(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with working_folder(tmp_path):
        assert Page(page, tmp_path).rerun(text_of(page)) == text_of(page)


@pytest.mark.parametrize("page", GUIDES)
def test_its_links_lead_somewhere(page: str) -> None:
    follow_links(page)


@pytest.mark.parametrize("page", GUIDES)
def test_it_names_settings_that_are_there(page: str) -> None:
    named = set(NAME.findall(FENCE.sub("", text_of(page)))) - NOT_OURS
    assert named
    for name in named:
        assert any(fnmatchcase(key, name) for key in RESTART), name


@pytest.mark.parametrize("page", GUIDES)
def test_it_says_rightly_what_needs_a_restart(page: str) -> None:
    rows = ROW.findall(text_of(page))
    assert rows
    for names, happens in rows:
        waits = "restart" in happens
        keys = [key for name in NAME.findall(names) for key in RESTART if fnmatchcase(key, name)]
        assert keys
        assert {key: RESTART[key] for key in keys} == dict.fromkeys(keys, waits)
