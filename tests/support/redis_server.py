"""A Redis server as a process of its own, in memory alone."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from time import monotonic, sleep

from .api_server import free_port
from .needed import lacking
from .started import Started, guard

PATIENCE = 30.0


class RedisServer(Started):
    """A server on the loopback address: ``url`` is where."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            lacking("there is no redis-server here: install the package redis-server")
        options = ["--bind", "127.0.0.1", "--port", str(self._port), "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        self._guard = guard(self._process.pid)
        deadline = monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, "redis-server has ended"
            assert monotonic() < deadline, "redis-server does not answer"
            sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64) == b"+PONG\r\n"
        except OSError:
            return False

    def close(self) -> None:
        for process in (self._process, self._guard):
            if process is not None:
                process.kill()
                process.communicate()
