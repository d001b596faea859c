"""An example as its reader runs it: copied to a folder of its own, started there as a process, its files edited."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

from support import ROOT

T = TypeVar("T")

EXAMPLES = ROOT / "examples"
PATIENCE = 30.0
SECRET = "a-secret-that-no-output-may-show"


class Example:
    """A copy of ``examples/<name>``, and the one process that is run in it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder / name
        shutil.copytree(
            EXAMPLES / name, self.folder, ignore=shutil.ignore_patterns("__pycache__", "secrets.toml", ".*")
        )
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str, module: str | None = None) -> list[str]:
        return [sys.executable, *(("-m", module) if module else ("main.py",)), *arguments]

    def run(self, *arguments: str, module: str | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run it until it ends."""
        return subprocess.run(
            self.command(*arguments, module=module),
            cwd=self.folder,
            env=_environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, *arguments: str, module: str | None = None) -> None:
        """Run it while the test goes on."""
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                self.command(*arguments, module=module),
                cwd=self.folder,
                env=_environment(),
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        """Rename a file with this text into place."""
        written = self.folder / f"{name}~"
        written.write_text(text, encoding="utf-8")
        os.replace(written, self.folder / name)

    def edit(self, name: str, **values: str) -> None:
        """Give keys of a file other values, written as TOML; a new key comes first."""
        lines = (self.folder / name).read_text(encoding="utf-8").splitlines()
        for key, value in values.items():
            there = next((line for line in lines if line.startswith(f"{key} = ")), None)
            if there is None:
                lines.insert(0, f"{key} = {value}")
            else:
                lines[lines.index(there)] = f"{key} = {value}"
        self.write(name, "\n".join(lines) + "\n")

    def until(self, ask: Callable[[], T]) -> T:
        """Ask until the answer is true. Fails when the process has ended, or after a long time."""
        deadline = monotonic() + PATIENCE
        while True:
            assert self.process is not None
            ended = self.process.poll() is not None
            try:
                answer = ask()
            except (OSError, urllib.error.URLError) as error:
                if isinstance(error, urllib.error.HTTPError):
                    raise
                answer = None
            if answer:
                return answer
            assert not ended, f"it has ended:\n{self.out}\n{self.err}"
            assert monotonic() < deadline, f"{answer}\n{self.out}\n{self.err}"
            sleep(0.02)

    def until_said(self, *texts: str) -> None:
        """Wait until its output has all of these."""
        self.until(lambda: all(text in self.out + self.err for text in texts))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return how it ended."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def lives_on(self, seconds: float) -> None:
        """Let some time pass in which it must not end."""
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
            raise AssertionError(f"it has ended:\n{self.out}\n{self.err}")

    def kill(self) -> None:
        """End whatever the test has left running, processes of the process too."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def lines_server() -> Generator[LinesServer]:
    """A TCP server that remembers the lines it is sent."""
    server = LinesServer()
    try:
        yield server
    finally:
        server.close()


class LinesServer:
    """Not more than the test needs: it reads when it is asked for what has come."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self.port: int = self._listening.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.ended = 0
        self._data: list[bytes] = []

    def lines(self) -> list[str]:
        """All lines until now, by connection."""
        try:
            while True:
                connection = self._listening.accept()[0]
                connection.setblocking(False)
                self.connections.append(connection)
                self._data.append(b"")
        except BlockingIOError:
            pass
        for number, connection in enumerate(self.connections):
            try:
                while connection.fileno() >= 0:
                    data = connection.recv(65536)
                    if not data:
                        connection.close()
                        self.ended += 1
                    self._data[number] += data
            except BlockingIOError:
                pass
        return b"".join(self._data).decode().splitlines()

    def hang_up(self) -> None:
        """Close the connections, and go on listening."""
        self.lines()
        for connection in self.connections:
            connection.close()

    def close(self) -> None:
        self.hang_up()
        self._listening.close()


def get(url: str, **headers: str) -> tuple[int, str]:
    """What a server answers, whatever its status."""
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return _answer(request)


def post(url: str, body: str) -> tuple[int, str]:
    return _answer(urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"}, method="POST"))


def _answer(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _environment() -> dict[str, Any]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
