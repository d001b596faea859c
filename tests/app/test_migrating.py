"""The pages for those who come from another library: what they show before and after is run with both libraries."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from docs.test_docs import WITH_PEERS, Page, working_folder
from support import ROOT


def test_there_are_such_pages() -> None:
    assert len(WITH_PEERS) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="the sessions are those of a POSIX shell")
@pytest.mark.parametrize("page", WITH_PEERS)
def test_both_libraries_do_what_the_page_says(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    text = (ROOT / page).read_text(encoding="utf-8")
    with working_folder(tmp_path):
        assert Page(page, tmp_path).rerun(text) == text


@pytest.mark.parametrize("page", WITH_PEERS)
def test_both_libraries_find_the_same_values(page: str, tmp_path: Path) -> None:
    """The part that no reader can see for himself: that nothing was lost on the way."""
    with working_folder(tmp_path):
        run = Page(page, tmp_path)
        run.rerun((ROOT / page).read_text(encoding="utf-8"))
        import after  # type: ignore[import-not-found]
        import before  # type: ignore[import-not-found]

        new = after.Settings()
        old = before.Settings() if hasattr(before, "Settings") else before.settings
        names = {name.lower(): name for name in new.__struct_fields__}
        for lower, name in names.items():
            if lower != "database":
                known = getattr(old, name)
                assert (tuple(known) if isinstance(known, list) else known) == getattr(new, name), name
        there = getattr(old, names["database"])
        here = getattr(new, names["database"])
        password = there.password if isinstance(there.password, str) else there.password.get_secret_value()
        assert (there.host, there.port, password) == (here.host, here.port, here.password)
