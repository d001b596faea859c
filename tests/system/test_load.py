"""The system calls of one load, counted in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.three_files import Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


COUNTING = """
import json, os, sys
from hotsettings import BaseSettings
from collections import Counter

class Sample(BaseSettings):
    port: int
    token: str
    name: str

config, secrets, override = sys.argv[1:]
Sample(config, secrets_path=secrets, override_path=override)  # imports come with the first
calls, opened, listening = Counter(), [], False

def counted(name, function):
    def call(*args, **kwargs):
        calls[name] += 1
        return function(*args, **kwargs)
    return call

for name in ("open", "fstat", "read", "close", "stat", "access", "getcwd", "scandir", "listdir", "readlink"):
    setattr(os, name, counted(name, getattr(os, name)))
sys.addaudithook(lambda event, args: opened.append(args[0]) if listening and event == "open" else None)
listening = True
Sample(config, secrets_path=secrets, override_path=override)
listening = False
print(json.dumps({"calls": calls, "opened": opened}))
"""


def test_file_operations(files: Files) -> None:
    """One open, one look, one read and one close for each file; nothing but these files is opened."""
    files.write("port = 1", "token = 'x'", "name = 'n'")
    run = subprocess.run(
        [sys.executable, "-c", COUNTING, *map(str, files.paths)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    done = json.loads(run.stdout)
    assert done["opened"] == list(map(str, files.paths))
    assert done["calls"] == {"open": 3, "fstat": 3, "read": 3, "close": 3}
