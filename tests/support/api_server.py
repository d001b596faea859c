"""The API server as a process of its own, with a folder of settings that tests edit."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from hotsettings.testing.workspace import Workspace

PATIENCE = 30.0
SECRETS = {
    "SECRET_KEY": "a-secret-key-that-no-output-may-show",
    "MONGODB_URL": "mongodb://user:hidden-password@mongo/db",
}


class ApiServer:
    """A running server. ``config`` is what its config.toml says."""

    def __init__(self, folder: Path, config: dict[str, Any], *options: str) -> None:
        self.config = dict(config)
        self.workspace = Workspace(folder)
        self.workspace.write(self.config, secrets=SECRETS)
        self.port = free_port()
        self._output = folder / "output"
        self._options = options
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [
            *(sys.executable, "-m", "integr8scode.server"),
            *("--http", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--config", str(self.workspace.config), "--secrets", str(self.workspace.secrets), *self._options),
        ]
        with self._output.open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output)

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def edit(self, **values: Any) -> None:
        """Rename a new config.toml into place."""
        self.config |= values
        self.workspace.write(self.config)

    def break_it(self, text: str) -> None:
        """Append something that is wrong; the next ``edit`` mends it."""
        good = self.workspace.config.read_text(encoding="utf-8")
        self.workspace.write(f"{good}{text}\n")

    def health(self) -> Any:
        with urllib.request.urlopen(f"{self.url}/health", timeout=PATIENCE) as response:
            return json.load(response)

    def figures(self) -> dict[str, float]:
        """What it tells Prometheus."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=PATIENCE) as response:
            lines = response.read().decode().splitlines()
        return {name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))}

    def wait_for(self, condition: Callable[[Any], bool]) -> Any:
        """Ask for the health until it is so."""
        return self._until(self.health, condition)

    def wait_for_figures(self, condition: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """Ask for the figures until they are so."""
        figures: dict[str, float] = self._until(self.figures, condition)
        return figures

    def _until(self, ask: Callable[[], Any], condition: Callable[[Any], bool]) -> Any:
        deadline = monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.output
            try:
                answer = ask()
            except OSError:
                answer = None
            if answer is not None and condition(answer):
                return answer
            assert monotonic() < deadline, f"{answer}\n{self.output}"
            sleep(0.01)

    def start_again(self) -> None:
        """Run another process on the same port, after this one has ended."""
        assert self.process.poll() is not None
        self.process = self._start()
        self.wait_for(lambda _: True)

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def api_server(folder: Path, config: dict[str, Any], *options: str) -> Iterator[ApiServer]:
    server = ApiServer(folder, config, *options)
    try:
        server.wait_for(lambda _: True)
        yield server
        for secret in ("a-secret-key", "hidden-password"):
            assert secret not in server.output
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
