"""A command on a terminal that is read and typed into while it runs."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from time import monotonic
from typing import Self

PATIENCE = 30.0
_TAKE_IT = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes the terminal that of the session, so that Ctrl+C reaches the command."""


class Terminal:
    """``with Terminal(command) as terminal: terminal.until("ready"); terminal.type("q")``."""

    def __init__(self, command: Sequence[str], width: int = 100) -> None:
        self.seen = ""
        self._command = command
        self._width = width
        self._read = 0

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, self._width, 0, 0))
        environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_IT, *self._command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(slave)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def until(self, text: str) -> str:
        """Read until this has come, since the last time; return all that was read since then."""
        deadline = monotonic() + PATIENCE
        while (at := self.seen.find(text, self._read)) < 0:
            assert monotonic() < deadline, f"{text!r} has not come:\n{self.seen[self._read :]}"
            assert self._more(deadline), f"it ended without {text!r}:\n{self.seen[self._read :]}"
        start, self._read = self._read, at + len(text)
        return self.seen[start : self._read]

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def ended(self) -> int:
        """Read until it ends; return its exit code."""
        deadline = monotonic() + PATIENCE
        while self._more(deadline):
            assert monotonic() < deadline, "it does not end"
        return self._process.wait(PATIENCE)

    def _more(self, deadline: float) -> bool:
        if not select.select([self._master], [], [], max(0, deadline - monotonic()))[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says so at the end
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


ESCAPE = re.compile(r"\033\[[0-9;]*[A-Za-z]")
