"""Events by watchfiles, whose watched paths come and go."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.live import until
from watchfiles._rust_notify import RustNotify

from hotsettings._watching.events.watchfiles import Watchfiles
from hotsettings._watching.symlinks import resolve_paths

pytestmark = pytest.mark.anyio


def gone(folder: Path) -> None:
    folder.rmdir()


def turned_into_a_loop(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to(folder)


@pytest.mark.parametrize("spoil", [gone, turned_into_a_loop])
async def test_a_folder_that_is_gone_before_it_is_watched_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    """Each try takes one of the user's inotify instances, and gives it back a moment later."""
    tries: list[tuple[Any, ...]] = []

    def counted(*arguments: Any) -> Any:
        tries.append(arguments)
        return RustNotify(*arguments)

    monkeypatch.setattr("hotsettings._watching.events.watchfiles.RustNotify", counted)
    folder = tmp_path / "folder"
    folder.mkdir()
    resolved = resolve_paths([str(folder / "config.toml")])[0]
    async with Watchfiles.open() as notifier, anyio.create_task_group() as tasks:
        notifier.watch([resolved])
        spoil(folder)
        woken: list[str] = []
        tasks.start_soon(notifier.run, lambda: woken.append("woken"))
        with anyio.fail_after(10):
            await until(lambda: bool(woken))  # it is gone
            await until(lambda: not notifier.reports_events)
            for _ in range(20):
                await anyio.sleep(0.001)
            assert len(tries) == 1
            # It is back under the same name, and the next check watches it again.
            folder.unlink(missing_ok=True)
            folder.mkdir()
            notifier.watch(resolve_paths([str(folder / "config.toml")]))
            notifier.read_pending()
            await until(lambda: notifier.reports_events)
            seen = len(woken)
            (folder / "config.toml").write_text("")
            await until(lambda: len(woken) > seen)
            assert len(tries) == 2
        tasks.cancel_scope.cancel()


async def test_it_watches_from_the_first_wake_up_on(tmp_path: Path) -> None:
    """A change just after the first wake-up is reported, and need not wait for the next rescan."""
    for number in range(10):
        file = tmp_path / f"{number}.toml"
        woken: list[str] = []

        def wake(file: Path = file, woken: list[str] = woken) -> None:
            if not woken:
                file.write_text("A = 1")
            woken.append("woken")

        async with Watchfiles.open() as notifier, anyio.create_task_group() as tasks:
            notifier.watch(resolve_paths([str(file)]))
            tasks.start_soon(notifier.run, wake)
            with anyio.fail_after(10):
                await until(lambda woken=woken: len(woken) > 1)  # type: ignore[misc]
            tasks.cancel_scope.cancel()


async def test_a_folder_that_is_created_again_is_watched_again(tmp_path: Path) -> None:
    """Even if the new folder has the inode of the old one, and there was no check in between."""
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "config.toml"
    async with Watchfiles.open() as notifier, anyio.create_task_group() as tasks:
        notifier.watch(resolve_paths([str(file)]))
        woken: list[str] = []
        tasks.start_soon(notifier.run, lambda: woken.append("woken"))
        with anyio.fail_after(20):
            await until(lambda: bool(woken))
            for number in range(5):
                seen = len(woken)
                folder.rmdir()
                folder.mkdir()
                await until(lambda seen=seen: len(woken) > seen)  # type: ignore[misc]
                await anyio.sleep(0.05)  # until all of it is reported
                notifier.watch(resolve_paths([str(file)]))
                notifier.read_pending()
                await anyio.sleep(0.05)
                seen = len(woken)
                file.write_text(f"A = {number}")
                await until(lambda seen=seen: len(woken) > seen)  # type: ignore[misc]
                file.unlink()
                await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()


class Quiet(logging.Handler):
    """Counts the records of all loggers."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


async def test_changes_are_not_logged(tmp_path: Path) -> None:
    """If the log is a file in the folder, each record would be a change, and each change a record."""
    quiet, root = Quiet(), logging.getLogger()
    level = root.level
    root.addHandler(quiet)
    root.setLevel(logging.DEBUG)
    try:
        async with Watchfiles.open() as notifier, anyio.create_task_group() as tasks:
            notifier.watch(resolve_paths([str(tmp_path / "config.toml")]))
            woken: list[str] = []
            tasks.start_soon(notifier.run, lambda: woken.append("woken"))
            with anyio.fail_after(10):
                await until(lambda: bool(woken))
                (tmp_path / "app.log").write_text("a line")
                await until(lambda: len(woken) > 1)
            tasks.cancel_scope.cancel()
    finally:
        root.removeHandler(quiet)
        root.setLevel(level)
    assert not [record for record in quiet.records if record.name != "asyncio"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is text")
async def test_a_name_that_is_not_text_is_a_failure_like_any_other(tmp_path: Path) -> None:
    """It is raised as itself, and not in an ExceptionGroup."""
    async with Watchfiles.open() as notifier, anyio.create_task_group() as tasks:
        notifier.watch(resolve_paths([str(tmp_path / "config.toml")]))
        woken, raised = anyio.Event(), anyio.Event()

        async def run() -> None:
            with pytest.raises(RuntimeError):
                await notifier.run(woken.set)
            raised.set()

        tasks.start_soon(run)
        with anyio.fail_after(10):
            await woken.wait()
            os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9", os.O_CREAT | os.O_WRONLY))
            await raised.wait()
