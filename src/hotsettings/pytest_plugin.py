"""The pytest plugin: the fixture ``settings_workspace``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .testing import Workspace


@pytest.fixture
def settings_workspace(tmp_path: Path) -> Workspace:
    """A temporary folder with three layer files: a ``hotsettings.testing.Workspace``."""
    from .testing import Workspace  # only for those who ask for it: every run of pytest loads this plugin

    return Workspace(tmp_path)
