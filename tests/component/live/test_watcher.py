"""Looking and being told at once: what was read while somebody wrote is not taken."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from hotsettings._layers.layer import FileLayer
from hotsettings._watching import watcher as module
from hotsettings._watching.consistent_read import Read, Unchanged, Unsettled
from hotsettings._watching.debounce import Told, Writer
from hotsettings._watching.symlinks import Route
from hotsettings._watching.watcher import Watcher

pytestmark = pytest.mark.anyio


class Telling:
    """Wakeups that tell, when a look is over, what has been put down for it."""

    confirm = 0.0
    blind = False

    def __init__(self) -> None:
        self.word = Told(Writer.CLOSED, time.monotonic())
        self.next: Told | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Telling, None]:
        yield self

    def arm(self, routes: Sequence[Route]) -> bool:
        return False

    def drain(self) -> None:
        if self.next is not None:
            self.word, self.next = self.next, None

    def told(self, target: str) -> Told:
        return self.word

    async def run(self, wake: Callable[[], None]) -> None:
        await anyio.sleep_forever()


@pytest.mark.parametrize("writer", [Writer.OPEN, Writer.CREATED, Writer.CLOSED])
async def test_written_and_perhaps_closed_while_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: Writer
) -> None:
    telling = Telling()
    monkeypatch.setattr(module, "opener", lambda kind: telling.open)
    path = tmp_path / "config.toml"
    path.write_text("A = 1")
    monkeypatch.setattr("hotsettings._watching.fingerprint._COARSEST_CLOCK", 0.0)  # as if it had been written long ago
    watcher = Watcher([FileLayer(str(path), name="base", label="config.toml")], 0.01, 60.0, "auto")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watcher.run)
        later = time.monotonic() + 60.0
        telling.next = Told(writer, later, later)  # of the half that this look has read
        assert await watcher.observe(lambda read: read, print) == Unsettled(0.0)
        # However unchanged the file looks, it is read again, and that is taken.
        telling.word = Told(Writer.CLOSED, time.monotonic())
        watcher.wake()
        with anyio.fail_after(10):
            while not isinstance(seen := await watcher.observe(lambda read: read, print), tuple):
                await anyio.sleep(0.01)
                watcher.wake()
        assert isinstance(seen[0], Read)
        assert seen[0].contents == (b"A = 1",)
        # A rename in the middle of a look hides nothing: what was read was whole.
        path.write_text("A = 2")
        telling.next = Told(Writer.CLOSED, later, 0.0)
        telling.word = Told(Writer.CLOSED, time.monotonic())
        watcher.wake()
        seen = await watcher.observe(lambda read: read, print)
        assert not isinstance(seen, Unchanged | Unsettled)
        assert seen[0].contents == (b"A = 2",)
        tasks.cancel_scope.cancel()


class Failing(Telling):
    """Wakeups that raise when they come to this point, as long as they are to."""

    def __init__(self, point: str, error: Exception) -> None:
        super().__init__()
        self.point, self.error = point, error
        self.opened = 0
        self.fail = True

    def reach(self, point: str) -> None:
        if self.fail and point == self.point:
            raise self.error

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Failing, None]:
        self.opened += 1
        self.reach("open")
        yield self
        self.reach("close")

    def arm(self, routes: Sequence[Route]) -> bool:
        self.reach("arm")
        return False

    def drain(self) -> None:
        self.reach("drain")

    async def run(self, wake: Callable[[], None]) -> None:
        self.reach("run")
        await anyio.sleep_forever()


@pytest.mark.parametrize(
    ("point", "error"),
    [
        ("open", OSError(errno.EMFILE, "too many open files")),
        ("arm", UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed")),
        ("drain", OSError(errno.EIO, "I/O error")),
        ("run", RuntimeError("lost")),
    ],
)
async def test_whatever_wakeups_raise_ends_in_looking_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    point: str,
    error: Exception,
) -> None:
    failing = Failing(point, error)
    failing.word = Told()
    monkeypatch.setattr(module, "opener", lambda kind: failing.open)
    caplog.set_level(logging.INFO)
    path = tmp_path / "config.toml"
    path.write_text("A = 1")
    watcher = Watcher([FileLayer(str(path), name="base", label="config.toml")], 0.001, 0.01, "auto")

    async def reads(content: bytes) -> None:
        with anyio.fail_after(10):
            while not isinstance(seen := await watcher.observe(lambda read: read, lambda names: None), tuple):
                await watcher.woken(0.005)
                watcher.wake()
        assert seen[0].contents == (content,)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watcher.run)
        await reads(b"A = 1")
        path.write_text("A = 2")
        await reads(b"A = 2")
        with anyio.fail_after(10):
            while failing.opened < 4:
                watcher.wake()
                await watcher.observe(lambda read: read, lambda names: None)
                await anyio.sleep(0.002)
        began, opened = time.monotonic(), failing.opened
        await anyio.sleep(0.15)
        assert failing.opened - opened <= 4, "each attempt waits for longer"
        failing.fail = False
        with anyio.fail_after(10 + 4 * (time.monotonic() - began)):
            while "can be had again" not in caplog.messages[-1]:
                watcher.wake()
                await watcher.observe(lambda read: read, lambda names: None)
                await anyio.sleep(0.005)
        tasks.cancel_scope.cancel()
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


async def test_a_failure_after_a_long_time_is_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_STEADY", 0.0)
    failing = Failing("run", RuntimeError("lost"))
    monkeypatch.setattr(module, "opener", lambda kind: failing.open)
    path = tmp_path / "config.toml"
    path.write_text("A = 1")
    watcher = Watcher([FileLayer(str(path), name="base", label="config.toml")], 0.001, 0.01, "auto")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watcher.run)
        for number in (1, 2):
            failing.fail = True
            with anyio.fail_after(10):
                while len(caplog.messages) < number:
                    await watcher.observe(lambda read: read, lambda names: None)
                    await anyio.sleep(0.002)
                failing.fail = False
                while watcher._blind:
                    await watcher.observe(lambda read: read, lambda names: None)
                    await anyio.sleep(0.002)
            assert not watcher.writing()
            watcher._lost.cancel()
        tasks.cancel_scope.cancel()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
