"""The demo as a newcomer runs it: in a pipe, on a terminal, and with something wrong. It leaves nothing behind."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from uuid import uuid4

import psutil
import pytest
from support import ROOT

from examples.demo.processes import Failed, Processes, Signals

PATIENCE = 120.0
MARK = "DEMO_OF_TEST"

ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that its Ctrl-C reaches this process
os.execv(sys.executable, (sys.executable, "-m", "examples.demo"))
"""

pytestmark = pytest.mark.slow


class Demo:
    """A running demo in a copy of the project, and what it prints."""

    def __init__(self, project: Path, mark: str, *, terminal: bool) -> None:
        self.project = project
        self.output = ""
        self._reading = True
        self._mark = mark
        self._output, given = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            (sys.executable, *(("-c", ON_TERMINAL) if terminal else ("-m", "examples.demo"))),
            cwd=project,
            env=os.environ | {MARK: mark, "TMPDIR": str(project / "tmp"), "http_proxy": "http://127.0.0.1:1"},
            stdin=given if terminal else subprocess.DEVNULL,
            stdout=given,
            stderr=given,
            start_new_session=True,
        )
        os.close(given)
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with open(self._output, "rb", buffering=0):
            while self._reading and (data := self._some()):
                self.output += data.decode().replace("\r\n", "\n")

    def _some(self) -> bytes:
        try:
            return os.read(self._output, 65536)
        except OSError:  # a terminal that nobody has open any more
            return b""

    def hang_up(self) -> None:
        self._reading = False

    def press(self, keys: bytes) -> None:
        os.write(self._output, keys)

    def until(self, said: str) -> re.Match[str]:
        deadline = monotonic() + PATIENCE
        while (found := re.search(said, self.output)) is None:
            assert monotonic() < deadline, f"it does not say {said!r}:\n{self.output}"
            assert self.process.poll() is None, f"it has ended:\n{self.output}"
            sleep(0.02)
        return found

    def end(self) -> int:
        status = self.process.wait(PATIENCE)
        self._reader.join()
        return status

    def processes(self) -> list[psutil.Process]:
        return [each for each in psutil.process_iter() if self._is_its(each)]

    def _is_its(self, process: psutil.Process) -> bool:
        try:
            return bool(process.environ().get(MARK) == self._mark)
        except (psutil.Error, OSError):
            return False

    def close(self) -> None:
        for process in self.processes():
            process.kill()
        self.process.wait()
        self._reader.join()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the demo needs of the project, in a folder that it shall not change."""
    shutil.copytree(ROOT / "examples" / "demo", tmp_path / "examples" / "demo", ignore=shutil.ignore_patterns("*.pyc"))
    for path in (*ROOT.glob("config*.toml"), ROOT / "secrets.example.toml"):
        shutil.copyfile(path, tmp_path / path.name)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def files_of(project: Path) -> set[Path]:
    return {path for path in project.rglob("*") if "__pycache__" not in path.parts}


@contextmanager
def running(project: Path, *, terminal: bool = False) -> Iterator[Demo]:
    """A demo that has to leave nothing behind once it has ended."""
    before = files_of(project)
    demo = Demo(project, uuid4().hex, terminal=terminal)
    try:
        yield demo
        assert demo.processes() == []
        assert files_of(project) == before
    finally:
        demo.close()


def test_in_a_pipe_it_shows_everything_and_ends(project: Path) -> None:
    with running(project) as demo:
        assert demo.end() == 0, demo.output
        said = iter(demo.output.splitlines())
        for expected in (
            "# SECRET_KEY = ********  # secrets.toml:",
            'KAFKA_CONSUMER_GROUP_ID = "execution-coordinator"  # config.coordinator.toml:3:27',
            "did you mean KAFKA_CONSUMER_GROUP_ID?",
            "/health ",
            "password ",
            "coordinator: execution.requested of execution e-1",
            "GET /health: 200, ok, generation 2",
            "coordinator: generation 2 is live: K8S_POD_EXECUTION_TIMEOUT",
            "execution_timeout 9",
            "GET /health: 200, degraded, generation 2",
            "coordinator: reload rejected",
            "config.toml:37:26  KAFKA_MAX_POLL_RECORDS: expected int, got str",
            "coordinator: execution.requested of execution e-2",
            "GET /health: 200, ok, generation 3",
            "coordinator: generation 3 is live: KAFKA_MAX_POLL_RECORDS",
            "waiting for a restart: WEB_TIMEOUT",
        ):
            assert any(expected in line for line in said), f"{expected}\n{demo.output}"
        lines = demo.output.splitlines()
        assert len(lines) < 90, "a screen or two"
        assert [line for line in lines if len(line) > 120] == []


def test_it_takes_another_port_where_its_own_is_taken(project: Path) -> None:
    with ExitStack() as held:
        with suppress(OSError):  # somebody else has it already
            held.enter_context(socket.create_server(("127.0.0.1", 8000)))
        demo = held.enter_context(running(project))
        assert demo.end() == 0, demo.output
        assert "port 8000 is taken" in demo.output
        assert "http://127.0.0.1:8000" not in demo.output


@pytest.fixture
def processes() -> Iterator[Processes]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with Processes(Signals()) as started:
        yield started
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_a_process_said_before_its_end_is_found_after_it(processes: Processes, tmp_path: Path) -> None:
    process = processes.start("tree", "this", folder=tmp_path)
    while process.status is None:
        sleep(0.01)
    found = processes.until(lambda: process.find("Explicit is (.*)"), "the Zen of Python")
    assert found[1] == "better than implicit."
    with pytest.raises(Failed, match=r"(?s)The tree has ended with status 0.*honking great idea"):
        processes.check()


def test_everything_listens_on_the_loopback_address_only(project: Path) -> None:
    with running(project, terminal=True) as demo:
        demo.until("Now it is yours")
        its_own = demo.processes()
        assert len(its_own) == 4
        addresses = {
            connection.laddr.ip
            for process in its_own
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert addresses == {"127.0.0.1"}
        demo.press(b"\x03")
        assert demo.end() == 0


def test_on_a_terminal_it_stays_and_tells_of_edits_until_ctrl_c(project: Path) -> None:
    with running(project, terminal=True) as demo:
        folder = project / demo.until(r"(demo-\w+)/config\.toml")[1]
        config = folder / "config.toml"
        demo.until(r"curl -d .*/api/v1/events\n")
        assert (folder.stat().st_mode | (folder / "secrets.toml").stat().st_mode) & 0o077 == 0
        text = config.read_text(encoding="utf-8")
        for value in ("8", '"soon"', "9"):
            (folder / "edited").write_text(
                re.sub("(?m)^SSE_HEARTBEAT_INTERVAL = .*$", f"SSE_HEARTBEAT_INTERVAL = {value}", text), encoding="utf-8"
            )
            os.replace(folder / "edited", config)
            news = "reload rejected" if value == '"soon"' else f"generation {4 if value == '8' else 5} is live"
            for name in ("API", "coordinator"):
                demo.until(rf"[\d:]+ {name}: {news}")
        assert 'SSE_HEARTBEAT_INTERVAL = "soon"\n' in demo.output, "the place is shown too"
        demo.press(b"\x03")
        assert demo.end() == 0, demo.output
        assert "Traceback" not in demo.output


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("# 1", signal.SIGTERM),
        ("# 3", signal.SIGINT),
        (r"integr8scode\.worker", signal.SIGTERM),
        (r"integr8scode\.server", signal.SIGINT),
        ("# 5", signal.SIGHUP),
    ],
)
def test_it_can_be_stopped_anywhere(project: Path, said: str, number: signal.Signals) -> None:
    with running(project) as demo:
        demo.until(said)
        demo.process.send_signal(number)
        assert demo.end() == 128 + number, demo.output
        assert "Traceback" not in demo.output


def test_ctrl_c_in_the_middle_of_the_tour(project: Path) -> None:
    with running(project, terminal=True) as demo:
        demo.until("# 4")
        demo.press(b"\x03")
        assert demo.end() == 128 + signal.SIGINT


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ("RATE_LIMITS = 5", "RATE_LIMITS: expected str, got int"),
        (
            'RATE_LIMITS = "5/fortnight"',
            "The API has ended with status 1.\nThe last lines of the API:\n(.*\n)*.*fortnight",
        ),
    ],
    ids=["a command", "a process"],
)
def test_what_fails_is_shown(project: Path, edit: str, says: str) -> None:
    config = project / "config.toml"
    config.write_text(re.sub("(?m)^RATE_LIMITS = .*$", edit, config.read_text(encoding="utf-8")), encoding="utf-8")
    with running(project) as demo:
        assert demo.end() == 1
        assert re.search(says, demo.output), demo.output
        assert "Traceback" not in demo.output


def test_a_process_that_dies_is_missed(project: Path) -> None:
    with running(project, terminal=True) as demo:
        demo.until("Now it is yours")
        [api] = [each for each in demo.processes() if "integr8scode.server" in each.cmdline()]
        api.kill()
        assert demo.end() == 1
        assert "The API has ended with status -9." in demo.output
        assert "listening on http://127.0.0.1" in demo.output


def test_it_ends_when_nobody_reads(project: Path) -> None:
    with running(project) as demo:
        demo.until("# 3")
        demo.hang_up()
        assert demo.end() == 1
