import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.forking import Files, Settings

from hotsettings import BlockingLive

if not hasattr(os, "fork"):
    collect_ignore_glob = ["*"]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def live(files: Files) -> Iterator[BlockingLive[Settings]]:
    live = files.start()
    yield live
    live.stop()
