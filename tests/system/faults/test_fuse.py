"""Settings on a file system in user space, which has its own ideas of inodes and links, and which fails."""

from __future__ import annotations

import errno
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
from support.faults.harness import SETTLE, Place, needs, replace
from support.faults.tagged import text, whole

from .test_losses import process
from .test_unreadable import becomes_unreadable, rejections

RESCAN = 0.3
watchers = pytest.mark.parametrize(
    ("watcher", "backend"), [("inotify", "asyncio"), ("watchfiles", "asyncio"), ("poll", "trio"), ("inotify", "uvloop")]
)


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


@watchers
def test_another_inode_at_each_look_and_no_links(tmp_path: Path, watcher: str, backend: str) -> None:
    with (
        mounted(tmp_path, shifting=True, links=0) as fuse,
        process(watcher, backend) as watched,
        watched.follow(fuse.place, rescan_interval=RESCAN, looking=RESCAN, readers=0) as following,
    ):
        for tag in (2, 3):
            following.reaches(whole(tag), replace(fuse.outside.config, text(tag)), RESCAN + SETTLE)
        fuse.outside.config.write_text(text(4))
        following.reaches(whole(4), time.monotonic(), RESCAN + SETTLE)
        before, began = watched.measure()["cpu"], time.monotonic()
        time.sleep(2)
        share = (watched.measure()["cpu"] - before) / (time.monotonic() - began)
        assert share < 0.1, f"{share:.2f} of a core, for looking three times a second"
        assert following.status()["healthy"]
        assert not watched.logged(), "of no mount of a single file"
        following.saw_only(map(whole, (1, 2, 3, 4)))


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOMEM], ids=errno.errorcode.get)
def test_opening_fails_for_a_while(tmp_path: Path, number: int) -> None:
    with mounted(tmp_path) as fuse, process("auto") as watched:
        with watched.follow(fuse.place, rescan_interval=RESCAN) as following:
            fuse.behave(errno=number)
            replace(fuse.outside.config, text(2))
            becomes_unreadable(following)
            fuse.behave()
            following.reaches(whole(2), time.monotonic(), 1.0)
            assert not rejections(following)
            following.saw_only([whole(1), whole(2)])
