"""A blocking watch is used inside of event loops of others, and its functions run event loops of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from support.live import Settings

from hotsettings import Change
from hotsettings._live.blocking.live import BlockingLive
from hotsettings.testing import Workspace

LOOPS: dict[str, Callable[..., Any]] = {
    "asyncio": lambda work: asyncio.run(work()),
    "anyio": anyio.run,
    "trio": partial(anyio.run, backend="trio"),
}
loops = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


@pytest.fixture
def workspace(settings_workspace: Workspace) -> Workspace:
    settings_workspace.write({"A": 1})
    return settings_workspace


@pytest.fixture
def live(workspace: Workspace) -> Iterator[BlockingLive[Settings]]:
    with Settings.watch(**workspace.paths, settle=0.0) as live:
        yield live


@loops
def test_it_starts_and_stops_while_a_loop_runs(run: Callable[..., Any], workspace: Workspace) -> None:
    async def main() -> None:
        live = Settings.watch(**workspace.paths, settle=0.0).start()
        assert live.current.A == 1
        live.stop()

    run(main)


@loops
def test_it_is_called_while_a_loop_runs(
    run: Callable[..., Any], workspace: Workspace, live: BlockingLive[Settings]
) -> None:
    async def main() -> None:
        workspace.write({"A": 2})
        live.reload(timeout=10)
        assert live.current.A == 2

    run(main)


@loops
def test_hooks_and_callbacks_run_loops_of_their_own(
    run: Callable[..., Any], workspace: Workspace, live: BlockingLive[Settings]
) -> None:
    seen: list[int] = []

    def function(change: Change[Settings]) -> None:
        async def main() -> None:
            await checkpoint()
            seen.append(change.new.A)

        run(main)

    live.prepare(function)
    live.on_change(function)
    workspace.write({"A": 2})
    live.reload(timeout=10)
    live.wait_applied(timeout=10)
    assert seen == [2, 2]
