"""Completion as it is typed: real interactive shells on a terminal, set up as the documentation says."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from support.command import APP, CLASS
from support.examples import first

COMMAND = Path(sys.executable).with_name("hotsettings")
PATIENCE = 60.0
ESCAPE = re.compile(r"\033(\[[0-9;?>=]*[A-Za-z]|[=>]|\].*?(\a|\033\\))|\r")
ON_THIS_TERMINAL = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
SHELLS = {
    "bash": "PS1='ready''> '",
    "zsh": "PS1='ready''> '",
    "fish": "function fish_prompt; echo -n 'ready''> '; end",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals"),
]


class Shell:
    """A shell at a prompt."""

    def __init__(self, name: str, environ: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "-c", ON_THIS_TERMINAL, name, "-i"]
        self._process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environ)
        os.close(slave)
        self._seen = ""
        self.type(f"{SHELLS[name]}\r")
        self.until("ready> ")

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def until(self, pattern: str) -> None:
        """Read until the terminal has been shown this, after what was found before."""
        deadline = monotonic() + PATIENCE
        while (found := re.search(pattern, self._seen)) is None:
            assert monotonic() < deadline, f"it does not say {pattern!r}:\n{self._seen}"
            if select.select([self._master], [], [], 0.1)[0]:
                self._seen = ESCAPE.sub("", self._seen + os.read(self._master, 65536).decode(errors="replace"))
        self._seen = self._seen[found.end() :]

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)


@pytest.fixture(params=first(1, SHELLS))
def shell(request: pytest.FixtureRequest, folder: Path) -> Iterator[Shell]:
    """One whose user has typed `hotsettings --install-completion` before."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    kept = {key: value for key, value in os.environ.items() if key == "PYTHONPATH" or key.startswith("COV")}
    path = os.pathsep.join([str(COMMAND.parent), os.environ.get("PATH", os.defpath)])
    environ = {**kept, "PATH": path, "HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"}
    # Not the last command, or the shell would become it, and not be seen.
    installed = subprocess.run(
        [name, "-c", "hotsettings --install-completion; true"], env=environ, capture_output=True, text=True, check=True
    )
    assert f"{name} completion installed in {folder}" in installed.stdout
    shell = Shell(name, environ)
    try:
        if name == "zsh":
            shell.type("hotsettings \t\x15")  # what Typer installs for it is only loaded by the first press
        yield shell
    finally:
        shell.end()


def test_the_tab_key(shell: Shell) -> None:
    # What is completed is run, and answers: the command, an option, the file after it and a key.
    shell.type(f"hotsettings expl\t{CLASS} RA\t\r")
    shell.until(r"RATE\s+→ 0\.5")
    shell.until(r"ready> ")
    shell.type(f"hotsettings explain {CLASS} db.po\t\r")
    shell.until(r"db\.port\s+→ 5433")
    shell.until(r"ready> ")
    shell.type(f"hotsettings explain {CLASS} NAME --over\twork\t\r")
    shell.until(r'→ "worker"')


def test_several_that_fit(shell: Shell) -> None:
    shell.type("hotsettings \t\t")
    shell.until("reference")


def test_it_runs_nothing_of_the_folder_in_which_it_is_pressed(shell: Shell, folder: Path) -> None:
    there = folder / "there"
    there.mkdir()
    touch = f"touch {folder}/mark"
    evil = rf"""$({touch}) `{touch}` \`{touch}\` \$({touch}) '; {touch}; ' "; {touch}; " ${{x:-$({touch})}} [red]"""
    app = f"open({str(folder / 'mark')!r}, 'w').close()\n" + APP.replace('"What it is called."', repr(evil))
    for name in ("demo_app", "json", "rich", "typer", "msgspec", "sitecustomize"):
        (there / f"{name}.py").write_text(app, encoding="utf-8")
    shell.type(f"cd {there}\r")
    shell.until(r"ready> ")
    shell.type(f"hotsettings explain {CLASS} \t\t")
    shell.until("WORKERS")
    shell.type("\x15echo fir''st\r")
    shell.until(r"first")
    shell.until(r"ready> ")
    shell.type(f"hotsettings explain {CLASS} NA\t\x15echo do''ne\r")
    shell.until(r"done")
    assert not (folder / "mark").exists()
