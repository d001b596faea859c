"""Wakeups by inotify: what is known of a writer."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from support.live import until

from hotsettings._watching.debounce import Writer
from hotsettings._watching.symlinks import find_routes

if sys.platform != "linux":
    pytest.skip("inotify is Linux", allow_module_level=True)

from hotsettings._watching.events import inotify
from hotsettings._watching.events.inotify import Inotify

pytestmark = pytest.mark.anyio


async def test_what_was_told_of_files_says_nothing_of_those_in_another_folder(tmp_path: Path) -> None:
    for name in "here", "there", "fresh":
        (tmp_path / name).mkdir()
    one, other = tmp_path / "here" / "config.toml", tmp_path / "there" / "secrets.toml"
    (tmp_path / "fresh" / "config.toml").write_text("A = 1")
    async with Inotify.open() as wakeups, anyio.create_task_group() as tasks:
        assert wakeups.arm(find_routes([str(one), str(other)]))
        woken: list[str] = []
        tasks.start_soon(wakeups.run, lambda: woken.append("woken"))
        one.write_text("A = 1")
        other.write_text("B = 1")
        with anyio.fail_after(10):
            await until(lambda: wakeups.told(str(other)).writer is Writer.CLOSED)
            seen = len(woken)
            (tmp_path / "here").rename(tmp_path / "gone")
            (tmp_path / "fresh").rename(tmp_path / "here")
            await until(lambda: len(woken) > seen)
        assert wakeups.arm(find_routes([str(one), str(other)]))
        assert wakeups.told(str(one)).at == 0.0
        assert wakeups.told(str(other)).writer is Writer.CLOSED
        tasks.cancel_scope.cancel()


async def test_that_somebody_wrote_is_known_when_it_is_closed(tmp_path: Path) -> None:
    """A look that was under way meanwhile may have read the half of it."""
    file, other = tmp_path / "config.toml", tmp_path / "other"
    file.write_text("A = 1")
    other.write_text("A = 3")
    async with Inotify.open() as wakeups:
        wakeups.arm(find_routes([str(file)]))
        began = time.monotonic()
        file.write_text("A = 2")
        wakeups.drain()
        told = wakeups.told(str(file))
        assert told.writer is Writer.CLOSED
        assert told.written >= began
        other.replace(file)  # and this one is whole
        wakeups.drain()
        assert wakeups.told(str(file)).writer is Writer.MOVED
        assert wakeups.told(str(file)).at > told.at
        assert wakeups.told(str(file)).written == told.written


async def woken_by(folder: Path, edit: Callable[[], object]) -> None:
    async with Inotify.open() as wakeups, anyio.create_task_group() as tasks:
        wakeups.arm(find_routes([str(folder / "config.toml")]))
        woken = anyio.Event()
        tasks.start_soon(wakeups.run, woken.set)
        await anyio.wait_all_tasks_blocked()
        edit()
        with anyio.fail_after(10):
            await woken.wait()
        tasks.cancel_scope.cancel()


async def test_names_of_others_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("A = 1")
    await woken_by(tmp_path, (tmp_path / "other").mkdir)


async def test_after_a_temporary_file_no_wait_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify, "_OTHERS_WAIT", 3600.0)
    monkeypatch.setattr(inotify, "_OTHERS_STEP", 3600.0)

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


async def test_a_busy_folder_is_left_to_itself_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names come and go, only so many of them are taken in one by one."""
    monkeypatch.setattr(inotify, "_OTHERS_WAIT", 3600.0)
    reads = 0
    async with Inotify.open() as wakeups, anyio.create_task_group() as tasks:
        wakeups.arm(find_routes([str(tmp_path / "config.toml")]))
        take_in = wakeups._take_in

        def counted() -> bool | None:
            nonlocal reads
            reads += 1
            return take_in()

        monkeypatch.setattr(wakeups, "_take_in", counted)
        monkeypatch.setattr(inotify, "_OTHERS_STEP", 3600.0)
        tasks.start_soon(wakeups.run, lambda: None)
        for number in range(40):
            await anyio.wait_all_tasks_blocked()
            (tmp_path / str(number)).mkdir()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert reads <= inotify._PROMPT + 1
