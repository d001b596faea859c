"""Wakeups by watchfiles: what it does when what it is to watch comes and goes."""

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
from hotsettings._watching.symlinks import find_routes

pytestmark = pytest.mark.anyio


def gone(folder: Path) -> None:
    folder.rmdir()


def turned_into_a_loop(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to(folder)


@pytest.mark.parametrize("spoil", [gone, turned_into_a_loop])
async def test_a_folder_spoilt_before_it_is_watched_is_not_tried_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    """Each try takes one of the queues that a user may have, and gives it back a moment later."""
    tries: list[tuple[Any, ...]] = []

    def counted(*arguments: Any) -> Any:
        tries.append(arguments)
        return RustNotify(*arguments)

    monkeypatch.setattr("hotsettings._watching.events.watchfiles.RustNotify", counted)
    folder = tmp_path / "folder"
    folder.mkdir()
    route = find_routes([str(folder / "config.toml")])[0]
    async with Watchfiles.open() as wakeups, anyio.create_task_group() as tasks:
        wakeups.arm([route])
        spoil(folder)
        woken: list[str] = []
        tasks.start_soon(wakeups.run, lambda: woken.append("woken"))
        with anyio.fail_after(10):
            await until(lambda: bool(woken))  # it is gone
            await until(lambda: wakeups.blind)
            for _ in range(20):
                await anyio.sleep(0.001)
            assert len(tries) == 1
            # It is back, with the same name: the next look arms it again.
            folder.unlink(missing_ok=True)
            folder.mkdir()
            wakeups.arm(find_routes([str(folder / "config.toml")]))
            wakeups.drain()
            await until(lambda: not wakeups.blind)
            seen = len(woken)
            (folder / "config.toml").write_text("")
            await until(lambda: len(woken) > seen)
            assert len(tries) == 2
        tasks.cancel_scope.cancel()


async def test_it_is_armed_when_it_says_so(tmp_path: Path) -> None:
    """What happens just after the first wake-up is told: else it would have to wait for the regular look."""
    for number in range(10):
        file = tmp_path / f"{number}.toml"
        woken: list[str] = []

        def wake(file: Path = file, woken: list[str] = woken) -> None:
            if not woken:
                file.write_text("A = 1")
            woken.append("woken")

        async with Watchfiles.open() as wakeups, anyio.create_task_group() as tasks:
            wakeups.arm(find_routes([str(file)]))
            tasks.start_soon(wakeups.run, wake)
            with anyio.fail_after(10):
                await until(lambda woken=woken: len(woken) > 1)  # type: ignore[misc]
            tasks.cancel_scope.cancel()


async def test_a_folder_made_anew_is_watched_anew(tmp_path: Path) -> None:
    """Even if the new one has the number of the old one, and nobody has looked in between."""
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "config.toml"
    async with Watchfiles.open() as wakeups, anyio.create_task_group() as tasks:
        wakeups.arm(find_routes([str(file)]))
        woken: list[str] = []
        tasks.start_soon(wakeups.run, lambda: woken.append("woken"))
        with anyio.fail_after(20):
            await until(lambda: bool(woken))
            for number in range(5):
                seen = len(woken)
                folder.rmdir()
                folder.mkdir()
                await until(lambda seen=seen: len(woken) > seen)  # type: ignore[misc]
                await anyio.sleep(0.05)  # until all of it is told
                wakeups.arm(find_routes([str(file)]))
                wakeups.drain()
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


async def test_nothing_is_logged_of_what_it_sees(tmp_path: Path) -> None:
    """A log file in the folder would be a change, which is logged, which is a change."""
    quiet, root = Quiet(), logging.getLogger()
    level = root.level
    root.addHandler(quiet)
    root.setLevel(logging.DEBUG)
    try:
        async with Watchfiles.open() as wakeups, anyio.create_task_group() as tasks:
            wakeups.arm(find_routes([str(tmp_path / "config.toml")]))
            woken: list[str] = []
            tasks.start_soon(wakeups.run, lambda: woken.append("woken"))
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
async def test_a_name_that_is_no_text_is_a_failure_like_any_other(tmp_path: Path) -> None:
    """It is raised as itself: not in a group, and not as something that nobody expects."""
    async with Watchfiles.open() as wakeups, anyio.create_task_group() as tasks:
        wakeups.arm(find_routes([str(tmp_path / "config.toml")]))
        woken, raised = anyio.Event(), anyio.Event()

        async def run() -> None:
            with pytest.raises(RuntimeError):
                await wakeups.run(woken.set)
            raised.set()

        tasks.start_soon(run)
        with anyio.fail_after(10):
            await woken.wait()
            os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9", os.O_CREAT | os.O_WRONLY))
            await raised.wait()
