"""docs/quickstart.md, followed by a newcomer who has only a clone: its commands, files, edits and answers.

The commands with which the README installs the library are run as well.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from support import ROOT
from support.reserved_port import ReservedPort

PAGE = (ROOT / "docs/quickstart.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([\w.]+)\n")
PROMISED = 300.0
"""Seconds of the processor, for everything together: "a few minutes", however busy the machine is with other things."""
PATIENCE = 600.0
"""Seconds in which the machine, which may be busy, gets round to something that takes milliseconds, or an installation."""


class Block(NamedTuple):
    language: str
    code: str


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The repository, under the name that a clone of it would have."""
    path = tmp_path / "hotsettings"
    path.symlink_to(ROOT)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What pip is told besides: the versions that are tested here."""
    # A newcomer's pip asks for no hashes, and the one that comes with Python wants one of a folder too if any is given.
    versions = re.findall(r"^[a-z0-9][^\\\n]*", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    constraints = tmp_path / "versions.txt"
    constraints.write_text("\n".join(versions), encoding="utf-8")
    return {**os.environ, "PIP_CONSTRAINT": str(constraints), "PIP_QUIET": "1"}


class Newcomer:
    """Follows the page in an empty folder, with one terminal for the server and another one for the rest."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._folder = folder
        self._hello = folder / "hello"
        self._log = folder / "server.log"
        self._environ = environ
        self._server: subprocess.Popen[bytes] | None = None
        self._url = ""
        self._reserved = ReservedPort()
        self._port = self._reserved.number

    def follow(self, block: Block) -> None:
        """Do what one block of the page says."""
        command = block.code.partition(" ")[0]
        match block.language, command:
            case "sh", "mkdir":
                self._install(block.code)
            case "sh", "uvicorn":
                self._serve(block.code)
            case "sh", "curl":
                self._url = block.code.split()[1].replace(":8000/", f":{self._port}/")
            case "json", _:
                self._until(lambda: self._get() == json.loads(block.code), f"the answer is not {block.code}")
            case "console", _:
                self._see(*block.code.removeprefix("$ ").split("\n", 1))
            case _:
                named = FILE_NAME.match(block.code)
                assert named, block.code
                (self._hello / named[1]).write_text(block.code, encoding="utf-8")

    def _install(self, script: str) -> None:
        script = script.replace("python3", shlex.quote(sys.executable))
        subprocess.run(["sh", "-ec", script], cwd=self._folder, env=self._environ, check=True, timeout=PATIENCE)

    def _serve(self, command: str) -> None:
        script = f". .venv/bin/activate\nexec {command.strip()} --port {self._port}"
        self._reserved.hand_over()
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(["sh", "-c", script], cwd=self._hello, stdout=log, stderr=log)
        self._until(lambda: "Uvicorn running" in self._said(), "the server does not start")

    def _see(self, command: str, printed: str) -> None:
        """What a command prints; and that the server has said the same, which the page claims."""
        script = f". .venv/bin/activate\n{command}"
        done = subprocess.run(["sh", "-c", script], cwd=self._hello, capture_output=True, text=True, check=False)
        assert done.stdout + done.stderr == printed
        self._until(lambda: printed.splitlines()[1] in self._said(), "the server has not said it")

    def _get(self) -> object:
        answer = httpx.get(self._url, timeout=PATIENCE, trust_env=False)
        assert answer.status_code == 200
        return answer.json()

    def _said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def _until(self, happened: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, f"{otherwise}\n{self._said()}"
            time.sleep(0.05)

    def leave(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(PATIENCE)
        self._reserved.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the page is written for a POSIX shell")
@pytest.mark.usefixtures("clone")
def test_from_an_empty_folder_to_a_handler_that_follows(tmp_path: Path, environ: dict[str, str]) -> None:
    blocks = [Block(*found) for found in BLOCK.findall(PAGE)]
    assert {block.language for block in blocks} == {"sh", "python", "toml", "json", "console"}
    began = processor()
    newcomer = Newcomer(tmp_path, environ)
    try:
        for block in blocks:
            newcomer.follow(block)
    finally:
        newcomer.leave()
    assert processor() - began < PROMISED


def processor() -> float:
    """Seconds that the processes which were started here have used until they ended."""
    used = os.times()
    return used.children_user + used.children_system


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")
def test_the_readme_installs_the_library_and_the_command(tmp_path: Path, clone: Path, environ: dict[str, str]) -> None:
    blocks = [Block(*found) for found in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))]
    library, command = [
        line
        for block in blocks
        if block.language == "sh"
        for line in block.code.splitlines()
        if line.startswith("pip ")
    ]
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / ".venv")], check=True)
    for block in blocks:
        if block.language in ("python", "toml") and (named := FILE_NAME.match(block.code)):
            (tmp_path / named[1]).write_text(block.code, encoding="utf-8")

    def run(line: str, folder: Path) -> str:
        script = f". {shlex.quote(str(tmp_path / '.venv/bin/activate'))}\n{line}"
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return done.stdout + done.stderr

    assert run(library, clone) == ""
    printed = run("python -c 'import settings; print(settings.Settings())'", tmp_path)
    assert printed == "Settings(SECRET_KEY=********, TIMEOUT=10, WORKERS=4)\n"
    assert "the command line needs typer" in run("hotsettings check settings:Settings", tmp_path)
    assert run(command, clone) == ""
    assert run("hotsettings check settings:Settings", tmp_path).startswith(
        "Valid: 1 from config.toml, 1 from secrets.toml"
    )
