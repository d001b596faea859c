"""The hook for other repositories, run by pre-commit itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

CONFIG = (ROOT / "deploy" / "ci" / "pre-commit-config.yaml").read_text(encoding="utf-8")
APP = """\
from hotsettings import BaseSettings, Secret


class Settings(BaseSettings):
    TIMEOUT: int = 10
    TOKEN: Secret[str]
"""

pytestmark = pytest.mark.slow


class Repository:
    """A scratch repository, with nothing of this machine's configuration of git."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT", "PRE_COMMIT"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
        identity = {
            f"GIT_{who}_{what}": "test@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        home = {
            "HOME": str(folder.parent),
            "PRE_COMMIT_HOME": str(folder.parent / "cache"),
            "PRE_COMMIT_COLOR": "never",
        }
        self._environ = {**kept, **identity, **home, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        self.run("git", "init", "--quiet")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self._environ, capture_output=True, text=True, check=False, timeout=120
        )

    def commit(self) -> subprocess.CompletedProcess[str]:
        self.run("git", "add", "--all")
        return self.run("git", "commit", "--quiet", "--message", "an edit")


def test_it_lets_good_settings_pass_and_stops_bad_ones(tmp_path: Path) -> None:
    hooks = Repository(tmp_path / "hooks")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks.folder)
    assert hooks.commit().returncode == 0
    rev = hooks.run("git", "rev-parse", "HEAD").stdout.strip()

    config = re.sub("repo: .*", f"repo: {hooks.folder}", CONFIG).replace("v0.1.0", rev)
    project = Repository(tmp_path / "project")
    (project.folder / "app").mkdir()
    for name, text in {
        "app/settings.py": APP,
        "config.toml": "TIMEOUT = 20\n",
        "config.worker.toml": "TIMEOUT = 30\n",
        "secrets.example.toml": "TOKEN = 'for-nobody'\n",
        ".pre-commit-config.yaml": config,
        "notes.txt": "nothing that matters\n",
    }.items():
        (project.folder / name).write_text(text, encoding="utf-8")
    assert project.run("pre-commit", "install").returncode == 0
    good = project.commit()
    assert good.returncode == 0, good.stdout + good.stderr
    assert re.search(r"hotsettings check\.+Passed", good.stderr)
    assert re.search(r"hotsettings check, the worker\.+Passed", good.stderr)

    (project.folder / "config.toml").write_text("TIMEOUT = '5s'\nTIMEOT = 5\n", encoding="utf-8")
    bad = project.commit()
    assert bad.returncode == 1
    assert "config.toml:1:11  TIMEOUT: expected int, got str" in bad.stderr
    assert "config.toml:2:1  TIMEOT: unknown key; did you mean TIMEOUT?" in bad.stderr

    (project.folder / "config.toml").write_text("TIMEOUT = 5\n", encoding="utf-8")
    (project.folder / "app" / "settings.py").write_text(APP.replace("int = 10", "str = '10'"), encoding="utf-8")
    assert project.commit().returncode == 1, "a change of the class is checked too"

    project.run("git", "reset", "--hard", "--quiet")
    (project.folder / "notes.txt").write_text("still nothing that matters\n", encoding="utf-8")
    other = project.commit()
    assert other.returncode == 0
    assert "Skipped" in other.stderr
