"""Servers that fork their workers: each of them follows, and so does the one that takes the place of another."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.forking import Files, until
from support.needed import lacking
from support.started import guard

WORKERS = 3

GUNICORN = ["-m", "gunicorn", "--workers", str(WORKERS), "--bind", "127.0.0.1:0", "support.serving:application"]
UWSGI = [
    *("--master", "--processes", str(WORKERS), "--enable-threads", "--http-socket", "127.0.0.1:0", "--need-app"),
    *("--die-on-term", "--module", "support.serving:application"),
]


class Server:
    """A server of several processes, its folder, and what it says."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.files = Files(folder)
        self.folder = folder
        tests = Path(__file__).parents[2]
        self.log = folder / "log"
        environment = {**os.environ, "PYTHONPATH": str(tests), "PYTHONUNBUFFERED": "1"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def said(self, pattern: str) -> re.Match[str]:
        def found() -> re.Match[str] | None:
            assert self.process.poll() is None, self.log.read_text()
            return re.search(pattern, self.log.read_text())

        until(found, f"{pattern} in {self.log.read_text()}")
        match = found()
        assert match is not None
        return match

    @property
    def workers(self) -> set[int]:
        """Its processes but for the one that has been started."""
        threads = Path(f"/proc/{self.process.pid}/task")  # Celery makes workers in another thread than the main one
        return {int(pid) for thread in threads.iterdir() for pid in (thread / "children").read_text().split()}

    def seen(self, pid: int) -> str:
        path = self.folder / f"seen-by-{pid}"
        return path.read_text() if path.exists() else ""

    def all_see(self, value: int) -> set[int]:
        """Edit, and wait until every worker sees it."""
        until(lambda: len(self.workers) == WORKERS, self.log.read_text())
        self.files.edit(A=value)
        until(lambda: all(self.seen(pid) == str(value) for pid in self.workers), self.log.read_text())
        return self.workers


@contextmanager
def served(folder: Path, command: list[str]) -> Iterator[Server]:
    server = Server(folder, command)
    with guard(-server.process.pid):
        try:
            yield server
            if "celery" not in command:  # which may wait for a semaphore of the worker that was killed
                server.process.terminate()
                assert server.process.wait(20) == 0, server.log.read_text()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


def asked(port: int) -> tuple[int, int, bool]:
    """Ask for the process that answers, the value that it sees, and whether it is healthy."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200
        pid, value, healthy = answer.read().decode().split()
    finally:
        connection.close()
    return int(pid), int(value), healthy == "True"


def follows_under_load(server: Server, port: int) -> None:
    failures: list[BaseException] = []
    answers: list[tuple[int, int, bool]] = []
    enough = threading.Event()

    def load() -> None:
        while not enough.is_set() and not failures:
            try:
                answers.append(asked(port))
            except BaseException as error:
                failures.append(error)

    workers = server.all_see(1)
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for value in range(2, 20):
        assert server.all_see(value) == workers
    enough.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert all(healthy for *_, healthy in answers)
    assert asked(port)[1] == 19

    killed = min(workers)
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(server.workers) == WORKERS and killed not in server.workers, server.log.read_text())
    later = server.all_see(20)
    assert len(later - workers) == 1
    assert asked(port)[1:] == (20, True)


def needs(package: str) -> None:
    if find_spec(package) is None:
        lacking(f"{package} is not installed")


@pytest.mark.parametrize("preload", [True, False], ids=["preload", "each"])
@pytest.mark.parametrize("kind", ["sync", "gthread"])
def test_gunicorn(tmp_path: Path, kind: str, preload: bool) -> None:
    needs("gunicorn")
    options = [
        "--worker-class",
        kind,
        "--threads",
        "4" if kind == "gthread" else "1",
        *(["--preload"] if preload else []),
    ]
    with served(tmp_path, [sys.executable, *GUNICORN[:2], *options, *GUNICORN[2:]]) as server:
        follows_under_load(server, int(server.said(r"Listening at: http://127.0.0.1:(\d+)")[1]))


@pytest.mark.parametrize("lazy", [True, False], ids=["lazy-apps", "forked"])
def test_uwsgi(tmp_path: Path, lazy: bool) -> None:
    uwsgi = Path(sys.executable).with_name("uwsgi")
    if not uwsgi.exists():
        lacking("uwsgi is not installed")
    option = "--lazy-apps" if lazy else "--py-call-uwsgi-fork-hooks"  # without it uWSGI forks behind Python's back
    with served(tmp_path, [str(uwsgi), option, *UWSGI]) as server:
        follows_under_load(server, int(server.said(r"bound to TCP address 127.0.0.1:(\d+)")[1]))


def test_celery(tmp_path: Path) -> None:
    needs("celery")
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    command = [
        "-m",
        "celery",
        "--app",
        "support.celery_app",
        "worker",
        "--concurrency",
        str(WORKERS),
        "--pool",
        "prefork",
    ]
    with served(
        tmp_path, [sys.executable, *command, "--without-mingle", "--without-gossip", "--loglevel", "INFO"]
    ) as server:
        server.said(r" ready\.")
        workers = server.all_see(1)
        ask = "import json, sys; from support.celery_app import follow; calls = [follow.delay(2) for _ in range(12)]; "
        ask += "sys.stdin.read(); print(json.dumps([call.get(timeout=30) for call in calls]))"
        asking = subprocess.Popen(
            [sys.executable, "-c", ask],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.all_see(2) == workers
        answers, _ = asking.communicate("", timeout=60)
        assert set(re.findall(r"\d+", answers)) <= {str(pid) for pid in workers}
        assert answers.count("true") == 12

        killed = min(workers)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(server.workers) == WORKERS and killed not in server.workers)
        assert len(server.all_see(3) - workers) == 1
