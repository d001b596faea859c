"""Processes that are forked by a test, what they have found out, and settings that they follow."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import coverage

from hotsettings import BaseSettings, BlockingLive, RestartRequired, Secret

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that only a failure takes."""


class Settings(BaseSettings):
    A: int = 0
    B: int = 0
    SECRET_KEY: Secret[str] = "first-secret"
    WORKERS: RestartRequired[int] = 4


class Files:
    """A folder with a config.toml, which is replaced whole at each edit."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.toml"
        self._next = folder / "config.toml.next"
        self.edit()

    def edit(self, **values: object) -> None:
        self.write("".join(f"{key} = {value!r}\n" for key, value in values.items()) or "# nothing yet\n")

    def write(self, text: str) -> None:
        self._next.write_text(text)
        os.replace(self._next, self.config)

    def start(self, *, follow_forks: bool = True) -> BlockingLive[Settings]:
        return Settings.watch(self.config, secrets_path=None, settle=0.0, follow_forks=follow_forks).start()


def until(is_so: Callable[[], object], what: str = "") -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"it never came: {what or is_so}"
        time.sleep(0.002)


def sees(live: BlockingLive[Settings], value: int) -> tuple[int, bool]:
    """Wait until a value is live; return the generation, and whether the live object is healthy."""
    until(lambda: value == live.current.A, f"A = {value}")
    return live.snapshot.generation, live.status.healthy


def descriptors() -> list[str]:
    """The kinds of the open descriptors of this process: an inotify queue, an epoll object, sockets.

    Files do not count: a child inherits the one that a thread of its parent reads at the moment of the fork.
    """
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}").partition("[")[0])
        except FileNotFoundError:  # that of the listing itself
            pass
    return sorted(kind for kind in found if kind.startswith(("anon_inode:", "socket:")))


class Child(Generic[T]):
    """A forked process, which does something and ends."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # from Python 3.12 on, of a fork while there are threads
            self.pid = os.fork()
        if not self.pid:
            try:
                os.close(self._read)
                try:
                    outcome: object = (work(), "")
                except BaseException:
                    outcome = (None, traceback.format_exc())
                with os.fdopen(write, "wb") as stream:
                    stream.write(pickle.dumps(outcome))
            finally:
                _save_coverage()
                os._exit(0)
        os.close(write)

    def result(self) -> T:
        """Wait for its end, and return what its work has returned. Raises AssertionError with what it has raised."""
        said = b""
        try:
            deadline = time.monotonic() + PATIENCE + 10
            while select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))[0]:
                part = os.read(self._read, 1 << 16)
                if not part:
                    break
                said += part
            else:
                os.kill(self.pid, signal.SIGKILL)
        finally:
            os.close(self._read)
            _, status = os.waitpid(self.pid, 0)
        assert status == 0, f"the child has ended with {status}; it has said {said!r}"
        value, failure = pickle.loads(said)
        assert not failure, failure
        return value  # type: ignore[no-any-return]


def _save_coverage() -> None:
    if (measured := coverage.Coverage.current()) is not None:
        measured.stop()
        measured.save()


def in_child(work: Callable[[], T]) -> T:
    """Do something in a forked process, and return what it returns."""
    return Child(work).result()


def python(program: str, folder: Path) -> list[str]:
    """Return the command that runs a program with the helpers of the tests."""
    tests = Path(__file__).parents[1]
    return [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(tests)!r}); import os; os.chdir({str(folder)!r})\n{program}",
    ]
