"""`python -m benchmarks.workers`: the workers of a pre-fork server under load, while their settings are edited. `make workers` runs it.

gunicorn runs 16 workers, clients ask it without a pause, and config.toml is edited. Every worker tells when it sees an edit. The spread
is the time between the first and the last of them. The next edit comes when all have seen the one before. Half-way a worker is
killed.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

from msgspec import Struct

from .process import ROOT, MeasurementFailed

PATIENCE = 10.0
"""Seconds that all workers together get to see an edit."""
CLIENTS = 4

CONFIG = """
def post_worker_init(worker):
    from benchmarks import workers_app
    workers_app.follow_in_worker()
"""


class Case(Struct, frozen=True):
    """What is measured."""

    name: str
    follower: str
    preload: bool
    edits: int
    debounce: float = 0.0


class Found(Struct):
    """What was found."""

    spreads: list[float] = []
    delays: list[float] = []
    """Seconds from the edit to the last worker."""
    requests: int = 0
    failed: int = 0
    missed: int = 0
    """How often a worker did not see an edit in time."""
    came_back: bool = False


class Workers:
    """A server, its workers, and what they tell."""

    def __init__(self, folder: Path, case: Case, count: int) -> None:
        self.config = folder / "config.toml"
        self.edit(0)
        (folder / "gunicorn.conf.py").write_text(CONFIG)
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind(str(folder / "told"))
        self.told.settimeout(PATIENCE)
        self.address = folder / "http"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
            "FOLLOWER": case.follower,
            "DEBOUNCE": str(case.debounce),
            "TOLD": str(folder / "told"),
        }
        options = ["--workers", str(count), "--bind", f"unix:{self.address}", *(["--preload"] if case.preload else [])]
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            *options,
            "--log-level",
            "error",
            "benchmarks.workers_app:application",
        ]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)

    def edit(self, value: int) -> None:
        following = self.config.with_suffix(".next")
        following.write_text(f"A = {value}\n")
        following.replace(self.config)

    @property
    def pids(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in children.read_text().split()}

    def ask(self) -> int:
        """Return the process that answers. Raises OSError."""
        connection = HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(PATIENCE)
        try:
            connection.sock.connect(str(self.address))
            connection.request("GET", "/")
            answer = connection.getresponse()
            if answer.status != 200:
                raise OSError(f"status {answer.status}")
            return int(answer.read().split()[0])
        finally:
            connection.close()

    def seen(self, value: int, pids: set[int]) -> dict[int, int]:
        """Wait until these processes have seen a value; return when each did, as far as it did."""
        found: dict[int, int] = {}
        deadline = time.monotonic() + PATIENCE
        while not pids <= found.keys() and time.monotonic() < deadline:
            with suppress(TimeoutError):
                pid, number, at = map(int, self.told.recv(100).split())
                if number == value and pid in pids:
                    found[pid] = at
        return found


@contextmanager
def serving(case: Case, count: int) -> Iterator[Workers]:
    """Start the workers, and wait until all of them answer."""
    with tempfile.TemporaryDirectory(prefix="workers-") as folder:
        workers = Workers(Path(folder), case, count)
        try:
            deadline, answered = time.monotonic() + 60, set[int]()
            while len(answered) < count:
                if time.monotonic() > deadline:
                    raise MeasurementFailed(f"{case.name}: {len(answered)} of {count} workers answer")
                with suppress(OSError):
                    answered.add(workers.ask())
            yield workers
        finally:
            with suppress(ProcessLookupError):
                os.killpg(workers.process.pid, signal.SIGKILL)
            workers.process.wait()
            workers.told.close()


def measure(case: Case, count: int) -> Found:
    """Edit under load, and kill a worker half-way."""
    found, enough = Found(), threading.Event()

    with serving(case, count) as workers:
        lock = threading.Lock()
        killed = set[int]()

        def load() -> None:
            while not enough.is_set():
                try:
                    workers.ask()
                except OSError:
                    with lock:
                        found.failed += not killed  # what the killed one was just doing is nobody's fault
                else:
                    with lock:
                        found.requests += 1

        clients = [threading.Thread(target=load) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for value in range(1, case.edits + 1):
                if value == case.edits // 2:
                    victim = min(workers.pids)
                    killed.add(victim)
                    os.kill(victim, signal.SIGKILL)
                    deadline = time.monotonic() + PATIENCE
                    while (victim in workers.pids or len(workers.pids) < count) and time.monotonic() < deadline:
                        time.sleep(0.05)
                    time.sleep(1.0)
                    killed.clear()
                pids = workers.pids
                edited = time.monotonic_ns()
                workers.edit(value)
                seen = workers.seen(value, pids)
                found.missed += len(pids - seen.keys())
                if seen:
                    found.spreads.append((max(seen.values()) - min(seen.values())) / 1e9)
                    found.delays.append((max(seen.values()) - edited) / 1e9)
            found.came_back = len(pids) == count and pids <= seen.keys()
        finally:
            enough.set()
            for client in clients:
                client.join()
    return found


def row(case: Case, found: Found) -> str:
    """One line of the table."""

    def both(seconds: list[float]) -> str:
        ordered = sorted(seconds)
        return f"{statistics.median(ordered) * 1e3:.1f} / {ordered[int(len(ordered) * 0.99)] * 1e3:.1f} ms"

    return (
        f"| {case.name} | {'yes' if case.preload else 'no'} | {case.edits} | {both(found.spreads)} | {both(found.delays)} "
        f"| {found.failed} of {found.requests} | {found.missed} | {'yes' if found.came_back else 'no'} |"
    )


HEAD = """\
| | `--preload` | edits | first to last worker (median / p99) | edit to last worker (median / p99) | failed requests | edits missed | the killed one follows |
|---|---|---|---|---|---|---|---|"""


def main() -> int:
    """Measure all cases, and print a table."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.workers", description="Edit the settings of a pre-fork server's workers."
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run: 3 workers, few edits")
    quick = parser.parse_args().quick
    count, edits, fewer = (3, 10, 4) if quick else (16, 1000, 100)
    print(HEAD, flush=True)
    good = True
    for preload in (True, False):
        for case in (
            Case("hotsettings", "hotsettings", preload, edits),
            Case("dynamic-config-py, debounce=0", "dynamic-config-py", preload, fewer),
            Case("dynamic-config-py, default", "dynamic-config-py", preload, fewer, 0.25),
        ):
            found = measure(case, count)
            print(row(case, found), flush=True)
            good = good and (case.follower != "hotsettings" or (not found.failed + found.missed and found.came_back))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
