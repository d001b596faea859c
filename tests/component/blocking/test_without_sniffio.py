"""A blocking watch where sniffio is not installed, which anyio brought along until 4.12."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from hotsettings.testing import Workspace


@pytest.mark.skipif(tuple(map(int, version("anyio").split(".")[:2])) < (4, 12), reason="this anyio needs sniffio")
def test_without_sniffio(settings_workspace: Workspace) -> None:
    paths = {name: str(path) for name, path in settings_workspace.paths.items()}
    code = f"""
import sys
sys.modules["sniffio"] = None
from hotsettings import BaseSettings

class Settings(BaseSettings):
    A: int = 0

with Settings.watch(**{paths!r}) as live:
    live.reload()
    print(live.current)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("Settings(A=0)\n", "")
