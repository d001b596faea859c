"""How a process ends that uses the blocking form: in time, with its exit code, closing what can be closed, and saying what hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import chosen_parser

START = """
import os, sys, threading, time
from contextlib import contextmanager
from pathlib import Path

from hotsettings import BaseSettings

class Settings(BaseSettings):
    A: int = 0

Path("config.toml").write_text("A = 1")

def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")  # whole lines, whichever threads say them
    sys.stdout.flush()

@contextmanager
def build(settings):
    say("built", settings.A)
    yield settings.A
    say("left", settings.A)

def edit(a):
    Path("config.new").write_text(f"A = {a}")
    os.replace("config.new", "config.toml")

live = Settings.watch(settle=0.0).start()
forever = threading.Event().wait
"""

ENDED = 'say("main has returned", time.time())'

IN_TIME = 1.5
"""Seconds that a busy machine may take for what takes milliseconds."""
HANGS = 5.0 + IN_TIME
"""Where something hangs: that, and the time that all of them together get."""


class Ran:
    def __init__(self, code: int, out: str, err: str, ended: float) -> None:
        self.code = code
        self.lines = out.splitlines()
        self.err = err
        self.ended = ended

    @property
    def took(self) -> float:
        """Seconds from the end of main to the end of the process."""
        return self.ended - float(next(line for line in self.lines if "main has returned" in line).split()[-1])


@contextmanager
def running(folder: Path, program: str) -> Iterator[subprocess.Popen[str]]:
    code = chosen_parser.use_it() + START + program
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> Ran:
    out, err = process.communicate(timeout=40)
    return Ran(process.returncode, out, err, time.time())


def run(folder: Path, program: str) -> Ran:
    with running(folder, program) as process:
        return ended(process)


def test_main_returns_and_nobody_has_stopped(tmp_path: Path) -> None:
    ran = run(tmp_path, 'resource = live.resource(build).__enter__()\nlive.on_change(say, "A")\n' + ENDED)
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[0] == "built 1"
    assert ran.lines[-1] == "left 1"
    assert ran.took < IN_TIME


def test_in_a_block_too(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
watching = Settings.watch(settle=0.0)
with watching as other, other.resource(build) as resource:
    sys.exit(3)
""",
    )
    assert (ran.code, ran.err) == (3, "")
    assert ran.lines == ["built 1", "left 1"]


@pytest.mark.parametrize(
    ("ends", "code", "says"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit()", 0, ""),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
    ],
)
def test_ends_of_main(tmp_path: Path, ends: str, code: int, says: str) -> None:
    ran = run(tmp_path, f"resource = live.resource(build).__enter__()\n{ENDED}\n{ends}")
    assert ran.code == code
    assert says in ran.err
    assert ran.err.count("Traceback") == bool(says)
    assert ran.lines[-1] == "left 1"
    assert ran.took < IN_TIME


@pytest.mark.parametrize("waits", ["for change in live.changes(): pass", "live.wait_applied(99)", "forever()"])
def test_a_real_ctrl_c(tmp_path: Path, waits: str) -> None:
    program = f'resource = live.resource(build).__enter__()\nsay("waits")\n{waits}'
    with running(tmp_path, program) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "waits\n":
            pass
        time.sleep(0.05)
        began = time.time()
        process.send_signal(signal.SIGINT)
        ran = ended(process)
    assert ran.code == -signal.SIGINT
    assert ran.err.rstrip().endswith("KeyboardInterrupt")
    assert ran.lines[-1] == "left 1"
    assert ran.ended - began < IN_TIME


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="Python 3.12 starts no threads when main has returned")
def test_threads_go_on_after_main(tmp_path: Path) -> None:
    """As long as threads are there that keep the process alive, it follows."""
    ran = run(
        tmp_path,
        """
resource = live.resource(build).__enter__()
def work():
    time.sleep(0.3)
    edit(2)
    for change in live.changes(timeout=10):
        live.wait_applied()
        break
    else:
        say("nothing came")
    with resource.lease() as a:
        say("the thread has seen", live.current.A, a)
live.changes()
threading.Thread(target=work).start()
"""
        + ENDED,
    )
    assert (ran.code, ran.err) == (0, "")
    assert "the thread has seen 2 2" in ran.lines
    assert ran.lines[-1] == "left 2"


def test_daemon_threads_that_wait(tmp_path: Path) -> None:
    """They keep nothing alive: what they wait for ends, or the process does."""
    ran = run(
        tmp_path,
        """
def work(call):
    call()
def lease():
    with resource.lease():
        forever()
resource = live.resource(build, drain_timeout=0.1).__enter__()
for call in (lambda: list(live.changes()), lambda: list(live.events()), lambda: live.wait_applied(99), lease):
    threading.Thread(target=work, args=[call], daemon=True).start()
time.sleep(0.2)
"""
        + ENDED,
    )
    assert ran.code == 0
    assert "Traceback" not in ran.err
    assert ran.lines[-1] == "left 1"
    assert ran.took < IN_TIME


HANGING = {
    "callback": "live.on_change(lambda change: forever())\nedit(2); live.reload(); time.sleep(0.1)",
    "hook": "live.prepare(lambda change: forever() and None)\nedit(2); time.sleep(0.2)",
    "a later build": """
@contextmanager
def hangs(settings):
    if settings.A == 2:
        forever()
    yield
resource = live.resource(hangs).__enter__()
edit(2); time.sleep(0.2)
""",
    "an open lease": "resource = live.resource(build, drain_timeout=0.2).__enter__()\nlease = resource.lease(); lease.__enter__()",
}


@pytest.mark.parametrize("what", HANGING)
def test_what_hangs_keeps_no_process(tmp_path: Path, what: str) -> None:
    ran = run(tmp_path, HANGING[what] + "\n" + ENDED)
    assert ran.code == 0
    assert "Traceback" not in ran.err
    assert ran.took < IN_TIME


def test_closing_that_hangs(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
@contextmanager
def hangs(settings):
    yield
    forever()
other = live.resource(build).__enter__()
resource = live.resource(hangs).__enter__()
"""
        + ENDED,
    )
    assert ran.code == 0
    assert "the process ends, and does not wait any longer for resource __main__." in ran.err
    assert "hangs" in ran.err, "it says for what"
    assert "left 1" in ran.lines, "the others were left"
    assert 4 < ran.took < HANGS


@pytest.mark.thorough
def test_a_lease_that_nobody_gives_back(tmp_path: Path) -> None:
    """Draining may take its 30 seconds in a running process, and not at its end."""
    ran = run(
        tmp_path,
        "resource = live.resource(build).__enter__()\nlease = resource.lease()\nlease.__enter__()\n" + ENDED,
    )
    assert ran.code == 0
    assert "the process ends, and does not wait any longer for resource __main__." in ran.err
    assert "build" in ran.err
    assert ran.took < HANGS


def test_the_code_of_a_callback(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
live.stop()
with Settings.watch(settle=0.0) as live:
    live.on_change(lambda change: sys.exit(7))
    edit(2)
    live.reload()
    live.wait_applied()
    say("the block went on")
""",
    )
    assert (ran.code, ran.lines) == (7, ["the block went on"])


def test_many_end_together(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
lives = [Settings.watch(settle=0.0).start() for _ in range(20)]
resources = [each.resource(build).__enter__() for each in lives]
"""
        + ENDED,
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines.count("left 1") == 20
    assert ran.took < IN_TIME


def test_exit_without_any_end(tmp_path: Path) -> None:
    ran = run(tmp_path, "os._exit(4)")
    assert ran.code == 4


def test_sigterm_as_ever(tmp_path: Path) -> None:
    with running(tmp_path, 'say("waits")\nfor change in live.changes(): pass') as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        os.kill(process.pid, signal.SIGTERM)
        assert ended(process).code == -signal.SIGTERM
