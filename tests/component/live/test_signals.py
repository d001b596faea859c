"""One signal for any number of live objects, and one look for a burst of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import permutations
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from support.live import Settings, until

from hotsettings import Live
from hotsettings._live import signals
from hotsettings.testing import Workspace

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal here"),
]

QUIET: Any = {"watcher": "poll", "rescan_interval": 3600, "settle": 0.0}
"""Nothing but the signal makes it look."""


@pytest.fixture(autouse=True)
def handler() -> Iterator[Any]:
    """A handler of the user's own, which has to be there again."""

    def mine(*_: object) -> None:
        got.append(1)

    got: list[int] = []
    before = signal.signal(signal.SIGHUP, mine)
    yield mine
    assert signal.getsignal(signal.SIGHUP) is mine
    assert not got
    assert not signals._shared
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def workspace(settings_workspace: Workspace) -> Workspace:
    settings_workspace.write({"A": 1})
    return settings_workspace


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


async def test_any_number_share_one_in_nested_blocks(workspace: Workspace, handler: Any) -> None:
    async with AsyncExitStack() as stack:
        blocks = [AsyncExitStack() for _ in range(3)]
        lives: list[Live[Settings]] = []
        for block in blocks:
            await stack.enter_async_context(block)
            watch = Settings.watch(**workspace.paths, **QUIET, reload_signal=signal.SIGHUP)
            lives.append(await block.enter_async_context(watch))
        for number in (2, 3, 4):
            workspace.write({"A": number})
            hang_up()
            await until(lambda number=number: all(number == live.current.A for live in lives))  # type: ignore[misc]
            assert signal.getsignal(signal.SIGHUP) is not handler
            lives.pop()
            await blocks.pop().aclose()
        assert signal.getsignal(signal.SIGHUP) is handler


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_each_in_a_task_of_its_own(workspace: Workspace, order: tuple[int, ...], handler: Any) -> None:
    leave = [anyio.Event() for _ in order]
    lives: dict[int, Any] = {}

    async def follow(each: int) -> None:
        async with Settings.watch(**workspace.paths, **QUIET, reload_signal=signal.SIGHUP) as live:
            lives[each] = live
            await leave[each].wait()
        del lives[each]

    async with anyio.create_task_group() as tasks:
        for each in order:
            tasks.start_soon(follow, each)
        await until(lambda: len(lives) == 3)
        for number, each in enumerate(order, 2):
            workspace.write({"A": number})
            hang_up()
            await until(lambda number=number: all(number == live.current.A for live in lives.values()))  # type: ignore[misc]
            leave[each].set()
            await until(lambda each=each: each not in lives)  # type: ignore[misc]
    assert signal.getsignal(signal.SIGHUP) is handler


async def test_a_handler_that_somebody_has_set_meanwhile_is_left_alone(workspace: Workspace, handler: Any) -> None:
    async with Settings.watch(**workspace.paths, **QUIET, reload_signal=signal.SIGHUP):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.signal(signal.SIGHUP, handler)


async def test_after_another_handler_was_set_the_next_watch_lets_all_receive_again(
    workspace: Workspace, handler: Any
) -> None:
    async with Settings.watch(**workspace.paths, **QUIET, reload_signal=signal.SIGHUP) as one:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        async with Settings.watch(**workspace.paths, **QUIET, reload_signal=signal.SIGHUP) as other:
            workspace.write({"A": 2})
            hang_up()
            await until(lambda: one.current.A == other.current.A == 2)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.signal(signal.SIGHUP, handler)


def test_where_the_last_one_is_stopped_in_another_thread(workspace: Workspace, handler: Any) -> None:
    """No handler can be restored there. The next watch goes on with the same former handler, and so does the next signal."""
    got: list[int] = []

    def mine(*_: object) -> None:
        got.append(1)

    def stopped_elsewhere() -> None:
        live = Settings.watch(**workspace.paths, **QUIET, reload_signal=signal.SIGHUP).start()
        thread = threading.Thread(target=live.stop)
        thread.start()
        thread.join()

    signal.signal(signal.SIGHUP, mine)
    try:
        stopped_elsewhere()
        with Settings.watch(**workspace.paths, **QUIET, reload_signal=signal.SIGHUP):
            pass
        assert signal.getsignal(signal.SIGHUP) is mine
        stopped_elsewhere()
        assert not got
        ours = signal.getsignal(signal.SIGHUP)
        hang_up()
        assert got == [1]
        assert signal.getsignal(signal.SIGHUP) is mine
        # Somebody may have kept our handler, and call it from another one.
        assert callable(ours)
        ours(signal.SIGHUP, None)
        assert got == [1]
    finally:
        signal.signal(signal.SIGHUP, handler)


async def test_from_outside_the_main_thread(workspace: Workspace) -> None:
    def call() -> None:
        Settings.watch(**workspace.paths, reload_signal=signal.SIGHUP)

    with pytest.raises(ValueError, match="reload_signal works in the main thread only"):
        await to_thread.run_sync(call)

    entered = Settings.watch(**workspace.paths, reload_signal=signal.SIGHUP)
    errors: list[BaseException] = []

    async def enter() -> None:
        async with entered:
            pass

    def thread() -> None:
        try:
            anyio.run(enter)
        except BaseException as error:
            errors.append(error)

    other = threading.Thread(target=thread)
    other.start()
    await until(lambda: not other.is_alive())
    assert [type(error) for error in errors] == [ValueError]


async def test_a_number_that_is_no_signal(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="999"):
        Settings.watch(**workspace.paths, reload_signal=999)


async def test_a_signal_after_the_loop_has_ended(workspace: Workspace) -> None:
    def gone(_: object) -> None:
        raise RuntimeError("the loop is closed")

    async with Settings.watch(**workspace.paths, **QUIET, reload_signal=signal.SIGHUP) as live:
        signals._shared[signal.SIGHUP].receivers.insert(0, (gone, print))
        workspace.write({"A": 2})
        hang_up()
        await until(lambda: live.current.A == 2)
        signals._shared[signal.SIGHUP].receivers.pop(0)


async def test_a_burst_is_one_look(workspace: Workspace) -> None:
    asked: list[float] = []

    async def vetoes(_: object) -> None:
        asked.append(anyio.current_time())
        await anyio.sleep(0.02)
        raise ValueError("no")

    async with Settings.watch(**workspace.paths, **QUIET, reload_signal=signal.SIGHUP) as live:
        await live.reload()  # the looks at the beginning are over
        live.prepare(vetoes)
        workspace.write({"A": 2})
        for _ in range(100):
            hang_up()
            await anyio.sleep(0.002)
        await until(lambda: bool(asked))
        await anyio.sleep(0.3)
        assert len(asked) == 1
        hang_up()
        await until(lambda: len(asked) == 2)


async def test_a_burst_that_does_not_end_is_answered(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_LONGEST_BURST", 0.2)
    async with Settings.watch(**workspace.paths, **QUIET, reload_signal=signal.SIGHUP) as live:
        await live.reload()  # the looks at the beginning are over
        workspace.write({"A": 2})
        with anyio.fail_after(10):
            while live.current.A != 2:
                hang_up()
                await anyio.sleep(0.002)


@pytest.mark.async_only  # threads come one after the other, and some of them after the next try
async def test_many_who_reload_while_a_try_is_under_way_share_the_next_one(workspace: Workspace) -> None:
    asked = 0

    async def vetoes(_: object) -> None:
        nonlocal asked
        asked += 1
        await anyio.sleep(0.05)
        raise ValueError("no")

    rejected = 0
    async with Settings.watch(**workspace.paths, **QUIET) as live, anyio.create_task_group() as tasks:
        live.prepare(vetoes)
        workspace.write({"A": 2})

        async def reload() -> None:
            nonlocal rejected
            with pytest.raises(Exception, match="no"):
                await live.reload()
            rejected += 1

        tasks.start_soon(reload)
        await until(lambda: asked == 1)
        for _ in range(100):
            tasks.start_soon(reload)
        await until(lambda: rejected == 101)
        assert asked == 2


def test_the_default_of_the_system_is_restored(tmp_path: Path, handler: Any) -> None:
    """In a process that has set no handler, as most have not."""
    import subprocess
    import sys

    program = (
        "import signal, anyio\nfrom hotsettings import BaseSettings\n"
        "class S(BaseSettings):\n    A: int = 0\n"
        "async def main():\n"
        "    async with S.watch(reload_signal=signal.SIGHUP), S.watch(reload_signal=signal.SIGHUP):\n        pass\n"
        "anyio.run(main)\nassert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL"
    )
    (tmp_path / "config.toml").touch()
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, timeout=60, check=True).returncode == 0
