"""The processes of the demo. None of them outlives it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds within which everything that is waited for has to happen."""
GRACE = 10.0
"""Seconds that a process gets to end when it is told to."""
KEPT = 50
"""Lines of each process that are kept, to be shown if something fails."""


class Failed(Exception):
    """A step did not go as it should."""


class Interrupted(Exception):
    """The demo was told to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Process:
    """A Python module that runs until it is stopped, and its output.

    It has a process group of its own. So a Ctrl-C reaches only the demo, which then stops everything in order.
    """

    def __init__(self, name: str, *module: str, folder: Path) -> None:
        self.name = name
        self._news: SimpleQueue[str] = SimpleQueue()
        self._kept: deque[str] = deque(maxlen=KEPT)
        self._process = subprocess.Popen(
            (sys.executable, "-m", *module),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )
        self._reader = Thread(target=self._read)
        self._reader.start()

    @property
    def status(self) -> int | None:
        """The exit status, once the process has ended and all its output was read; else None."""
        return None if self._reader.is_alive() else self._process.poll()

    def news(self) -> str | None:
        """The next unread line."""
        try:
            return self._news.get_nowait()
        except Empty:
            return None

    def find(self, pattern: str) -> re.Match[str] | None:
        """The next line that contains this text; the lines before it are skipped."""
        while (line := self.news()) is not None:
            if found := re.search(pattern, line):
                return found
        return None

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def last_words(self) -> str:
        """The last lines of output, read or not. They stay unread."""
        return "\n".join((f"The last lines of the {self.name}:", *(f"    {line}" for line in tuple(self._kept))))

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._kept.append(line.rstrip())
                self._news.put(line.rstrip())


class Signals:
    """Records that the demo has to end. The demo checks this where it waits, never in the middle of a step."""

    def __init__(self) -> None:
        self.received: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received = number


class Processes:
    """All processes that were started. Leaving the block stops them, the newest first."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._running: list[Process] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            process.stop()

    def start(self, name: str, *module: str, folder: Path) -> Process:
        process = Process(name, *module, folder=folder)
        self._running.append(process)
        return process

    def forget(self, process: Process) -> None:
        """Stop a process, and no longer expect it to run."""
        process.stop()
        self._running.remove(process)

    def run(self, *command: str, folder: Path, status: int = 0) -> str:
        """Run a command that ends by itself with this status; return its output."""
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
            process_group=0,
        )
        self.check()
        if done.returncode != status:
            raise Failed(f"{' '.join(command)}\nended with status {done.returncode} and not {status}:\n{done.stdout}")
        return done.stdout

    def until(self, look: Callable[[], T | None], what: str) -> T:
        """Poll until there is a result, and return it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            trouble = self._trouble()  # before the look, which may find what a process has said at its end
            if (found := look()) is not None:
                return found
            if trouble is None and time.monotonic() > deadline:
                said = "\n".join(each.last_words() for each in self._running)
                trouble = Failed(f"Waited in vain for {what}.\n{said}")
            if trouble is not None:
                raise trouble
            time.sleep(0.05)

    def pass_over(self) -> None:
        """Skip the output so far."""
        for process in self._running:
            while process.news() is not None:
                pass

    def follow(self) -> Generator[tuple[Process, str], None, None]:
        """Yield the output of the processes, line by line, until the demo has to end."""
        while True:
            self.check()
            for process in self._running:
                while (line := process.news()) is not None:
                    yield process, line
            time.sleep(0.05)

    def check(self) -> None:
        """Raise if the demo has to end, or if a process has ended that should run."""
        if (trouble := self._trouble()) is not None:
            raise trouble

    def _trouble(self) -> Exception | None:
        if self._signals.received is not None:
            return Interrupted(self._signals.received)
        for process in self._running:
            if process.status is not None:
                return Failed(f"The {process.name} has ended with status {process.status}.\n{process.last_words()}")
        return None
