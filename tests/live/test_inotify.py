"""Wakeups by inotify: what is known of a writer."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio
import pytest
from live.support import until

from hotsettings.routes import find_routes
from hotsettings.settling import Writer

if sys.platform != "linux":
    pytest.skip("inotify is Linux", allow_module_level=True)

from hotsettings.wakeups.inotify import Inotify

pytestmark = pytest.mark.anyio


async def test_a_folder_that_is_moved_in_brings_its_files_whole_and_no_others(tmp_path: Path) -> None:
    for name in "here", "there", "fresh":
        (tmp_path / name).mkdir()
    one, other = tmp_path / "here" / "config.toml", tmp_path / "there" / "secrets.toml"
    (tmp_path / "fresh" / "config.toml").write_text("A = 1")
    async with Inotify.open() as wakeups, anyio.create_task_group() as tasks:
        routes = find_routes([str(one), str(other)])
        assert wakeups.arm(routes)
        woken: list[str] = []
        tasks.start_soon(wakeups.run, lambda: woken.append("woken"))
        (tmp_path / "here").rmdir()
        (tmp_path / "fresh").rename(tmp_path / "here")
        with anyio.fail_after(10):
            await until(lambda: wakeups.told(str(one)).writer is Writer.CLOSED)
        assert wakeups.told(str(other)).at == 0.0
        assert woken
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
        assert wakeups.told(str(file)).at > told.at
        assert wakeups.told(str(file)).written == told.written
