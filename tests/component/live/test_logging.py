"""What a process logs: nothing until logging is set up, and at INFO what a person needs to follow it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from support import chosen_parser
from support.live import Settings

from hotsettings import Rejected
from hotsettings.testing import Workspace

PROGRAM = """
import logging, sys, anyio
from pathlib import Path
from hotsettings import BaseSettings, Rejected

if len(sys.argv) > 1:
    logging.basicConfig(level=sys.argv[1], format="%(levelname)s %(message)s")

class Settings(BaseSettings):
    A: int = 0

async def main():
    Path("config.toml").write_text("A = 1")
    async with Settings.watch() as live:
        Path("config.toml").write_text("A = 'x'")
        try:
            await live.reload()
        except Rejected:
            pass
        Path("config.toml").write_text("A = 2")
        await live.reload()

anyio.run(main)
"""


def said(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", chosen_parser.use_it() + PROGRAM, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    return done.stderr


def test_only_what_somebody_should_look_at_until_logging_is_set_up(tmp_path: Path) -> None:
    assert said(tmp_path).startswith("reload rejected, generation 1 stays live: ")
    assert "is live" not in said(tmp_path)
    assert said(tmp_path, "WARNING").startswith("WARNING reload rejected, generation 1 stays live: ")


def test_the_whole_story_at_info(tmp_path: Path) -> None:
    lines = [line for line in said(tmp_path, "INFO").splitlines() if not line.startswith(" ")]
    assert lines == [
        "INFO following config.toml, secrets.toml (no such file yet); generation 1 is live",
        "WARNING reload rejected, generation 1 stays live: Invalid settings: 1 problem",
        "INFO generation 2 is live: A",
        "INFO the end of following; generation 2 was the last",
    ]


@pytest.mark.anyio
async def test_rejections_are_marked_as_events(settings_workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    settings_workspace.write({"A": 1})
    with caplog.at_level(logging.INFO, logger="hotsettings"):
        async with Settings.watch(**settings_workspace.paths) as live:
            settings_workspace.write({"A": "x"})
            with pytest.raises(Rejected):
                await live.reload()
    assert [hasattr(record, "as_event") for record in caplog.records] == [False, True, False]
