"""A live object of the blocking form, on files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.live import Settings

from hotsettings import BlockingLive
from hotsettings.testing import Workspace


@pytest.fixture
def workspace(settings_workspace: Workspace) -> Workspace:
    settings_workspace.write({"A": 1})
    return settings_workspace


@pytest.fixture
def live(workspace: Workspace) -> Iterator[BlockingLive[Settings]]:
    with Settings.watch(**workspace.paths, settle=0.0) as live:
        yield live


@pytest.fixture
def edit(workspace: Workspace, live: BlockingLive[Settings]) -> Callable[..., Any]:
    """Write other values, and reload."""

    def edit(**values: Any) -> Any:
        workspace.write(values)
        return live.reload(timeout=20)

    return edit
