"""A life with every kind of event, and the figures that it must come to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from hotsettings import BaseSettings, Change, Live, Rejected, RestartRequired, Secret
from hotsettings.testing import Workspace

SECRET = "never-to-be-seen-1234"


class Settings(BaseSettings):
    A: int = 0
    WORKERS: RestartRequired[int] = 4
    KEY: Secret[str] = ""


def raises(change: Change[Settings]) -> None:
    raise RuntimeError(f"it dislikes {change.new.A} and {change.new.KEY}")


@asynccontextmanager
async def eventful(workspace: Workspace) -> AsyncGenerator[tuple[Live[Settings], anyio.Event], None]:
    """Three generations, two rejections, one failed callback, one pending restart, one subscriber that hangs.

    The event lets it go on. The last reload stands rejected.
    """
    workspace.write({"A": 1}, secrets={"KEY": SECRET})
    goes_on = anyio.Event()

    async def hangs(change: Change[Settings]) -> None:
        await goes_on.wait()

    async with Settings.watch(**workspace.paths) as live:
        failing = live.on_change(raises)
        await changed(live, workspace, "A = 2\nWORKERS = 8")
        await live.wait_applied()
        failing.cancel()
        live.on_change(hangs, "A")
        await anyio.wait_all_tasks_blocked()
        await rejected(live, workspace, 'A = "x"')
        await changed(live, workspace, "A = 3\nWORKERS = 8")
        await rejected(live, workspace, f'A = "{SECRET}"')
        yield live, goes_on


async def changed(live: Live[Any], workspace: Workspace, text: str) -> None:
    workspace.write(text)
    await live.reload()


async def rejected(live: Live[Any], workspace: Workspace, text: str) -> None:
    workspace.write(text)
    with pytest.raises(Rejected):
        await live.reload()


def expected(live: Live[Any]) -> dict[str, float]:
    """In the middle of it; what is not here is checked by each test."""
    return {
        "last_reload_successful": 0,
        "healthy": 0,
        "generation": 3,
        "pending_restarts": 1,
        "rejections": 2,
        "callback_failures": 1,
        "subscribers": 1,
        "subscribers_behind": 1,
    }
