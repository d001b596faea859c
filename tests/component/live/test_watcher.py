"""Checks and events at the same time, and notifiers that fail."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from hotsettings import BaseSettings
from hotsettings._layers.file import FileLayer
from hotsettings._schema.schema import schema_of
from hotsettings._watching import watcher as module
from hotsettings._watching.consistent_read import Read, Unchanged, Unsettled
from hotsettings._watching.debounce import LastEvent, WriterState
from hotsettings._watching.symlinks import ResolvedPath
from hotsettings._watching.watcher import Evaluated, Watcher

pytestmark = pytest.mark.anyio


class Anything(BaseSettings):
    A: int = 0


SCHEMA = schema_of(Anything)


class FakeNotifier:
    """Reports ``next`` as the last event once a check is over."""

    event_delay = 0.0
    reports_events = True

    def __init__(self) -> None:
        self.event = LastEvent(WriterState.CLOSED, time.monotonic())
        self.next: LastEvent | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[FakeNotifier, None]:
        yield self

    def watch(self, resolved: Sequence[ResolvedPath]) -> bool:
        return False

    def read_pending(self) -> None:
        if self.next is not None:
            self.event, self.next = self.next, None

    def last_event(self, target: str) -> LastEvent:
        return self.event

    async def run(self, wake: Callable[[], None]) -> None:
        await anyio.sleep_forever()


@pytest.mark.parametrize("writer", [WriterState.OPEN, WriterState.CREATED, WriterState.CLOSED])
async def test_a_file_that_was_written_during_the_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: WriterState
) -> None:
    notifier = FakeNotifier()
    monkeypatch.setattr(module, "opener", lambda kind: notifier.open)
    path = tmp_path / "config.toml"
    path.write_text("A = 1")
    monkeypatch.setattr("hotsettings._watching.fingerprint._COARSEST_CLOCK", 0.0)  # as if it had been written long ago
    watcher = Watcher(SCHEMA, [FileLayer(str(path), name="base", label="config.toml")], 0.01, 60.0, "auto")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watcher.run)
        later = time.monotonic() + 60.0
        notifier.next = LastEvent(writer, later, later)  # a write during this read
        evaluated: list[Read] = []
        assert await watcher.check(evaluated.append, print) == Unsettled(0.0)
        assert evaluated == [], "code of the user may see no half file, and is asked once about a whole one"
        # The file is read again, though its fingerprint is unchanged, and this read counts.
        notifier.event = LastEvent(WriterState.CLOSED, time.monotonic())
        watcher.wake_and_reread()
        with anyio.fail_after(10):
            while not isinstance(seen := await watcher.check(lambda read: read, print), Evaluated):
                await anyio.sleep(0.01)
                watcher.wake_and_reread()
        assert isinstance(seen.read, Read)
        assert seen.read.contents == (b"A = 1",)
        # After a rename during the read nothing has to be repeated: a whole file was read.
        path.write_text("A = 2")
        notifier.next = LastEvent(WriterState.CLOSED, later, 0.0)
        notifier.event = LastEvent(WriterState.CLOSED, time.monotonic())
        watcher.wake_and_reread()
        seen = await watcher.check(lambda read: read, print)
        assert not isinstance(seen, Unchanged | Unsettled)
        assert seen.read.contents == (b"A = 2",)
        tasks.cancel_scope.cancel()


class FailingNotifier(FakeNotifier):
    """Raises at this point, as long as ``fail`` is set."""

    def __init__(self, point: str, error: Exception) -> None:
        super().__init__()
        self.point, self.error = point, error
        self.opened = 0
        self.fail = True

    def reach(self, point: str) -> None:
        if self.fail and point == self.point:
            raise self.error

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[FailingNotifier, None]:
        self.opened += 1
        self.reach("open")
        yield self
        self.reach("close")

    def watch(self, resolved: Sequence[ResolvedPath]) -> bool:
        self.reach("arm")
        return False

    def read_pending(self) -> None:
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
async def test_whatever_a_notifier_raises_leads_to_polling(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    point: str,
    error: Exception,
) -> None:
    failing = FailingNotifier(point, error)
    failing.event = LastEvent()
    monkeypatch.setattr(module, "opener", lambda kind: failing.open)
    caplog.set_level(logging.INFO)
    path = tmp_path / "config.toml"
    path.write_text("A = 1")
    watcher = Watcher(SCHEMA, [FileLayer(str(path), name="base", label="config.toml")], 0.001, 0.01, "auto")

    async def reads(content: bytes) -> None:
        with anyio.fail_after(10):
            while not isinstance(seen := await watcher.check(lambda read: read, lambda names: None), Evaluated):
                await watcher.wait_until_woken(0.005)
                watcher.wake_and_reread()
        assert seen.read.contents == (content,)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watcher.run)
        await reads(b"A = 1")
        path.write_text("A = 2")
        await reads(b"A = 2")
        with anyio.fail_after(10):
            while failing.opened < 4:
                watcher.wake_and_reread()
                await watcher.check(lambda read: read, lambda names: None)
                await anyio.sleep(0.002)
        began, opened = time.monotonic(), failing.opened
        await anyio.sleep(0.15)
        assert failing.opened - opened <= 4, "the pauses get longer"
        failing.fail = False
        with anyio.fail_after(10 + 4 * (time.monotonic() - began)):
            while "file events are available again" not in caplog.messages[-1]:
                watcher.wake_and_reread()
                await watcher.check(lambda read: read, lambda names: None)
                await anyio.sleep(0.005)
        tasks.cancel_scope.cancel()
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


async def test_a_failure_after_a_long_time_is_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_STEADY", 0.0)
    failing = FailingNotifier("run", RuntimeError("lost"))
    monkeypatch.setattr(module, "opener", lambda kind: failing.open)
    path = tmp_path / "config.toml"
    path.write_text("A = 1")
    watcher = Watcher(SCHEMA, [FileLayer(str(path), name="base", label="config.toml")], 0.001, 0.01, "auto")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watcher.run)
        for number in (1, 2):
            failing.fail = True
            with anyio.fail_after(10):
                while len(caplog.messages) < number:
                    await watcher.check(lambda read: read, lambda names: None)
                    await anyio.sleep(0.002)
                failing.fail = False
                while watcher._without_events:
                    await watcher.check(lambda read: read, lambda names: None)
                    await anyio.sleep(0.002)
            assert not watcher.reader.writing()
            watcher._lost.cancel()
        tasks.cancel_scope.cancel()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
