"""Events by inotify, and what they say of a writer."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from support.live import until

from hotsettings._watching.debounce import WriterState
from hotsettings._watching.symlinks import resolve_paths

if sys.platform != "linux":
    pytest.skip("inotify is Linux", allow_module_level=True)

from hotsettings._watching.events import inotify
from hotsettings._watching.events.inotify import Inotify

pytestmark = pytest.mark.anyio


async def test_events_do_not_count_for_files_in_a_folder_that_took_the_place(tmp_path: Path) -> None:
    for name in "here", "there", "fresh":
        (tmp_path / name).mkdir()
    one, other = tmp_path / "here" / "config.toml", tmp_path / "there" / "secrets.toml"
    (tmp_path / "fresh" / "config.toml").write_text("A = 1")
    async with Inotify.open() as notifier, anyio.create_task_group() as tasks:
        assert notifier.watch(resolve_paths([str(one), str(other)]))
        woken: list[str] = []
        tasks.start_soon(notifier.run, lambda: woken.append("woken"))
        one.write_text("A = 1")
        other.write_text("B = 1")
        with anyio.fail_after(10):
            await until(lambda: notifier.last_event(str(other)).writer is WriterState.CLOSED)
            seen = len(woken)
            (tmp_path / "here").rename(tmp_path / "gone")
            (tmp_path / "fresh").rename(tmp_path / "here")
            await until(lambda: len(woken) > seen)
        assert notifier.watch(resolve_paths([str(one), str(other)]))
        assert notifier.last_event(str(one)).at == 0.0
        assert notifier.last_event(str(other)).writer is WriterState.CLOSED
        tasks.cancel_scope.cancel()


async def test_a_close_does_not_hide_the_write_before_it(tmp_path: Path) -> None:
    """A read at the same time may have got half of the file."""
    file, other = tmp_path / "config.toml", tmp_path / "other"
    file.write_text("A = 1")
    other.write_text("A = 3")
    async with Inotify.open() as notifier:
        notifier.watch(resolve_paths([str(file)]))
        began = time.monotonic()
        file.write_text("A = 2")
        notifier.read_pending()
        event = notifier.last_event(str(file))
        assert event.writer is WriterState.CLOSED
        assert event.written_at >= began
        other.replace(file)  # this file is complete
        notifier.read_pending()
        assert notifier.last_event(str(file)).writer is WriterState.MOVED
        assert notifier.last_event(str(file)).at > event.at
        assert notifier.last_event(str(file)).written_at == event.written_at


async def woken_by(folder: Path, edit: Callable[[], object]) -> None:
    async with Inotify.open() as notifier, anyio.create_task_group() as tasks:
        notifier.watch(resolve_paths([str(folder / "config.toml")]))
        woken = anyio.Event()
        tasks.start_soon(notifier.run, woken.set)
        await anyio.wait_all_tasks_blocked()
        edit()
        with anyio.fail_after(10):
            await woken.wait()
        tasks.cancel_scope.cancel()


async def test_other_names_wake_too(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("A = 1")
    await woken_by(tmp_path, (tmp_path / "other").mkdir)


async def test_after_a_temporary_file_no_wait_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify, "_OTHER_NAMES_WAIT", 3600.0)
    monkeypatch.setattr(inotify, "_OTHER_NAMES_STEP", 3600.0)

    async def rename_slowly() -> None:
        for step in (
            beside.touch,
            lambda: beside.write_text("A = 2"),
            lambda: beside.replace(tmp_path / "config.toml"),
        ):
            step()
            await anyio.wait_all_tasks_blocked()

    beside = tmp_path / "config.toml~"
    async with anyio.create_task_group() as tasks:
        await woken_by(tmp_path, lambda: tasks.start_soon(rename_slowly))


async def test_a_busy_folder_is_read_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names come and go, only so many events are read one by one."""
    monkeypatch.setattr(inotify, "_OTHER_NAMES_WAIT", 3600.0)
    reads = 0
    async with Inotify.open() as notifier, anyio.create_task_group() as tasks:
        notifier.watch(resolve_paths([str(tmp_path / "config.toml")]))
        read_events = notifier._read_events

        def counted() -> inotify._Relevance:
            nonlocal reads
            reads += 1
            return read_events()

        monkeypatch.setattr(notifier, "_read_events", counted)
        monkeypatch.setattr(inotify, "_OTHER_NAMES_STEP", 3600.0)
        tasks.start_soon(notifier.run, lambda: None)
        for number in range(40):
            await anyio.wait_all_tasks_blocked()
            (tmp_path / str(number)).mkdir()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert reads <= inotify._OTHER_NAMES_AT_ONCE + 1
