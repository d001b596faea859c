"""The asynchronous form in a forked process: its event loop is not there, and it says so."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import pytest
from anyio import to_thread
from support.forking import Files, Settings, descriptors, in_child

from hotsettings import Live
from hotsettings._concurrency.loop_calls import into_this_loop

T = TypeVar("T")

pytestmark = pytest.mark.anyio

DEAD = "this process was forked from the one that watches, whose event loop is not here: nothing new goes live. "


async def forked(work: Callable[[], T]) -> T:
    """In a thread, since trio runs no second event loop where it finds one, whichever process it belongs to."""
    return await to_thread.run_sync(in_child, work)


async def follows(live: Live[Settings], files: Files, value: int) -> None:
    changes = live.changes()
    files.edit(A=value)
    with anyio.fail_after(20):
        while value != (await anext(changes)).new.A:
            pass


async def test_it_says_so(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    async with Settings.watch(files.config, secrets_path=None, settle=0.0) as live:
        changes, events = live.changes(), live.events()
        asynchronous: list[Callable[[], Awaitable[object]]] = [
            live.reload,
            live.wait_applied,
            changes.__anext__,
            events.__anext__,
            lambda: live.resource(lambda _: anyio.create_task_group()).__aenter__(),
        ]
        others: list[Callable[[], object]] = [
            live.changes,
            live.events,
            lambda: live.on_change(print),
            lambda: live.prepare(print),
        ]

        def work() -> set[object]:
            said: set[object] = {live.status.last_error}
            said.update(record.getMessage() for record in caplog.records if record.name == "hotsettings")
            for call in others:
                with pytest.raises(RuntimeError) as raised:
                    call()
                said.add(str(raised.value))
            for wait in asynchronous:
                with pytest.raises(RuntimeError) as raised:
                    asyncio.run(asyncio.wait_for(wait(), 10))
                said.add(str(raised.value))
            assert not live.status.healthy
            files.edit(A=1)
            assert live.current.A == 0
            return said

        [said] = await forked(work)
        assert str(said).startswith(DEAD)
        await follows(live, files, 2)
        assert live.status.healthy


async def test_the_parent_keeps_its_events(files: Files) -> None:
    async with Settings.watch(files.config, secrets_path=None, settle=0.0, rescan_interval=3600.0) as live:
        before = descriptors()
        ours = await forked(descriptors)
        assert before.count("anon_inode:inotify") == ours.count("anon_inode:inotify") + 1
        assert descriptors() == before
        for value in (1, 2, 3):
            await follows(live, files, value)


async def test_a_child_may_watch_anew(files: Files) -> None:
    async with Settings.watch(files.config, secrets_path=None, settle=0.0) as live:

        def work() -> tuple[bool, bool]:
            with Settings.watch(files.config, secrets_path=None, settle=0.0) as own:
                files.edit(A=1)
                return own.reload(20) is not None or own.current.A == 1, own.status.healthy

        assert await forked(work) == (True, True)
        await follows(live, files, 2)


async def test_a_signal_in_the_child_is_not_one_in_the_parent(files: Files) -> None:
    async with Settings.watch(
        files.config, secrets_path=None, watcher="poll", rescan_interval=3600.0, reload_signal=signal.SIGHUP
    ) as live:
        await live.reload()
        looks = live.statistics().looks

        call = into_this_loop()

        def work() -> bool:
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(RuntimeError, match="in another process"):  # its pipe is the parent's
                call(lambda: None)
            return live.status.healthy

        assert await forked(work) is False
        await anyio.sleep(0.5)
        assert live.statistics().looks == looks
        files.edit(A=1)
        await live.reload()
        assert live.current.A == 1
