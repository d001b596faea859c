"""Settings behind a FUSE file system that fails when it is told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import TESTS
from support.faults.harness import Place, needs, replace


def fuse_is_there() -> bool:
    try:
        import mfusepy  # type: ignore[import-untyped]  # noqa: F401
    except (ImportError, OSError):  # OSError where the library that it binds is missing
        return False
    return os.access("/dev/fuse", os.R_OK | os.W_OK)


class Mounted:
    """A folder that is seen through FUSE at the place where it is followed. It is edited outside: no events come in."""

    def __init__(self, folder: Path, root: Path, control: Path) -> None:
        self.place = Place(folder)
        self.outside = Place(root)
        self._control = control

    def behave(self, **how: Any) -> None:
        replace(self._control, json.dumps(how))


@contextmanager
def mounted(folder: Path, **how: Any) -> Iterator[Mounted]:
    needs(fuse_is_there(), "there is no FUSE: mfusepy, libfuse and /dev/fuse")
    root, mount, control = folder / "root", folder / "mount", folder / "control"
    root.mkdir()
    mount.mkdir()
    found = Mounted(mount, root, control)
    found.behave(**how)
    found.outside.begin()
    server = subprocess.Popen(
        [sys.executable, "-m", "support.faults.fuse_server", root, mount, control],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 20
        while not os.path.ismount(mount):
            if server.poll() is not None:
                assert server.stderr is not None
                pytest.skip(f"the system allows no FUSE mounts: {server.stderr.read().decode()}")
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield found
    finally:
        server.terminate()  # and it unmounts
        server.wait(10)
        assert server.stderr is not None
        server.stderr.close()
