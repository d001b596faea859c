"""Processes of a test's own: a worker, with a folder of files that it edits, and a broker that it may stop."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

from integr8scode import mock_broker
from support.kafka_worker import PATIENCE


class Process:
    """A worker, its folder, and what it says."""

    def __init__(self, folder: Path, *name: str) -> None:
        self.folder = folder
        self.output = ""
        command = [sys.executable, *(name if "-c" in name else ("-m", "integr8scode.worker", *name))]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.output += line

    def until(self, said: str) -> None:
        deadline = monotonic() + PATIENCE
        while re.search(said, self.output) is None:
            assert monotonic() < deadline, f"it does not say {said!r}:\n{self.output}"
            assert self.process.poll() is None, f"it has ended:\n{self.output}"
            sleep(0.02)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join()
        return status

    def edit(self, key: str, value: str) -> None:
        config = self.folder / "config.toml"
        edited = self.folder / "edited"
        edited.write_text(re.sub(rf"(?m)^{key} = .*\n|\Z", "", config.read_text(), count=1) + f"{key} = {value}\n")
        os.replace(edited, config)


@contextmanager
def started(folder: Path, *name: str) -> Iterator[Process]:
    worker = Process(folder, *name)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait()
        worker._reader.join()


@contextmanager
def broker() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A mock cluster that a test may stop, kill and let go on."""
    with subprocess.Popen([sys.executable, "-m", mock_broker.__name__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield tomllib.loads(process.stdout.readline())["KAFKA_BOOTSTRAP_SERVERS"], process
        finally:
            process.kill()
