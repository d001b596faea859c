"""A blocking watch beside event loops of the application: under one that runs, and with others in callbacks and builds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version

import anyio
import anyio.lowlevel
import pytest

from hotsettings import BaseSettings, BlockingLive, Change
from hotsettings.testing import Workspace

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Settings(BaseSettings):
    A: int = 0


async def used(live: BlockingLive[Settings], workspace: Workspace, a: int) -> None:
    workspace.write({"A": a})
    live.reload(timeout=20)
    live.wait_applied(timeout=20)
    assert (live.current.A, live.status.healthy, live.explain("A").key) == (a, True, "A")


@BACKENDS
def test_started_under_an_event_loop(settings_workspace: Workspace, backend: str) -> None:
    """As in an ASGI application, or in the cells of a notebook."""

    async def main() -> None:
        live = Settings.watch(**settings_workspace.paths, settle=0.0).start()
        try:
            await used(live, settings_workspace, 1)
        finally:
            live.stop()

    anyio.run(main, backend=backend)


@BACKENDS
def test_used_under_an_event_loop(settings_workspace: Workspace, backend: str) -> None:
    with Settings.watch(**settings_workspace.paths, settle=0.0) as live:
        anyio.run(used, live, settings_workspace, 1, backend=backend)


@BACKENDS
def test_callbacks_hooks_and_builds_may_run_event_loops(settings_workspace: Workspace, backend: str) -> None:
    ran = list[str]()

    async def run(what: str) -> None:
        await anyio.lowlevel.checkpoint()
        ran.append(what)

    def callback(change: Change[Settings]) -> None:
        anyio.run(run, "callback", backend=backend)

    def hook(change: Change[Settings]) -> None:
        anyio.run(run, "hook", backend=backend)

    @contextmanager
    def build(settings: Settings) -> Generator[int]:
        anyio.run(run, "build", backend=backend)
        yield settings.A

    with Settings.watch(**settings_workspace.paths, settle=0.0) as live, live.resource(build):
        live.on_change(callback)
        live.prepare(hook)
        anyio.run(used, live, settings_workspace, 1, backend=backend)
    assert sorted(ran) == ["build", "build", "callback", "hook"]


@pytest.mark.skipif(tuple(map(int, version("anyio").split(".")[:2])) < (4, 12), reason="this anyio needs sniffio")
def test_without_sniffio(settings_workspace: Workspace) -> None:
    """anyio brought it along until 4.12."""
    paths = {name: str(path) for name, path in settings_workspace.paths.items()}
    code = f"""
import sys
sys.modules["sniffio"] = None
from hotsettings import BaseSettings

class Settings(BaseSettings):
    A: int = 0

with Settings.watch(**{paths!r}) as live:
    live.reload()
    print(live.current)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("Settings(A=0)\n", "")
