"""`hotsettings watch`, as a process whose output is read along while the files are edited."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import chosen_parser
from support.watch_command import CLASS, watching, write

APP = """
from collections.abc import Mapping
from typing import Annotated
from msgspec import Meta
from hotsettings import BaseSettings, RestartRequired, Secret

class Followed(BaseSettings):
    BATCH: Annotated[int, Meta(ge=1)] = 100
    WORKERS: RestartRequired[int] = 4
    PASSWORD: Secret[str] = ""
    LABELS: Mapping[str, str] = {}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "followed.py").write_text(chosen_parser.use_it() + APP, encoding="utf-8")
    write(tmp_path / "config.toml", "BATCH = 500\n")
    write(tmp_path / "secrets.toml", 'PASSWORD = "canary-one"\n')
    return tmp_path


def test_in_a_pipe_each_event_is_a_line(folder: Path) -> None:
    with watching(folder) as seen:
        assert seen.line() == "watching config.toml, secrets.toml"
        write(folder / "config.toml", "BATCH = 250\n")
        assert seen.line().endswith(" generation 2: BATCH = 250 (was 500, config.toml:1:9)")
        write(folder / "config.toml", 'BATCH = "many"\n')
        problem = "config.toml:1:9  BATCH: expected int, got str"
        assert seen.line().endswith(f" rejected, generation 2 stays live: {problem}")
        write(folder / "config.toml", "BATCH = 250\n")
        assert seen.line().endswith(" generation 2: no value has changed")
        write(folder / "config.toml", "BATCH = 250\nWORKERS = 8\n")
        assert seen.line().endswith(" generation 2: WORKERS waits for a restart: 8, until then 4")
        write(folder / "secrets.toml", 'PASSWORD = "canary-two"\n')
        assert seen.line().endswith(" generation 3: PASSWORD = ******** (was ********, secrets.toml:1:12)")
        write(folder / "config.toml", 'BATCH = 250\nLABELS = { a = "x", b = "y" }\n')
        assert seen.line().endswith(
            ' generation 4: LABELS.a = "x" (was not set, config.toml:2:16); '
            'LABELS.b = "y" (was not set, config.toml:2:25)'
        )
        write(folder / "config.toml", 'BATCH = 250\nLABELS = { b = "y" }\n')
        assert seen.line().endswith(' generation 5: LABELS.a = not set (was "x")')


def test_json_has_an_object_for_each_event(folder: Path) -> None:
    with watching(folder, "--json", "--watcher", "watchfiles") as seen:
        assert json.loads(seen.line()) == {"event": "watching", "files": ["config.toml", "secrets.toml"]}
        write(folder / "config.toml", "BATCH = 250\nWORKERS = 8\n")
        applied = json.loads(seen.line())
        place = {"layer": "base", "file": "config.toml", "line": 1, "column": 9, "kind": "layer"}
        assert applied["event"] == "applied"
        assert applied["changes"] == {"BATCH": {"old": 500, "new": 250, **place}}
        assert applied["waiting"] == {"WORKERS": 8}
        write(folder / "secrets.toml", 'PASSWORD = "canary-two\n')
        line = seen.line()
        assert "canary" not in line
        rejected = json.loads(line)
        assert (rejected["event"], rejected["generation"], rejected["by"]) == ("rejected", 2, "layers")
        [problem] = rejected["problems"]
        assert (problem["file"], problem["code"]) == ("secrets.toml", "invalid-toml")


def test_files_that_cannot_be_loaded_end_it_at_the_start(folder: Path) -> None:
    write(folder / "config.toml", "BATCH = 0\n")
    ended = subprocess.run(
        [sys.executable, "-m", "hotsettings.cli", "watch", CLASS],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "config.toml:1:9  BATCH: expected int >= 1" in ended.stderr
