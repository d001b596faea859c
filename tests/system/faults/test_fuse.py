"""Settings on a file system in user space, which has its own ideas of inodes and links, and which fails."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest
from support.faults.fuse import mounted
from support.faults.harness import SETTLE, becomes_unreadable, process, rejections, replace
from support.faults.tagged import text, whole

RESCAN = 0.3
watchers = pytest.mark.parametrize(
    ("watcher", "backend"),
    [
        ("inotify", "asyncio"),
        pytest.param("watchfiles", "asyncio", marks=pytest.mark.thorough),
        ("poll", "trio"),
        pytest.param("inotify", "uvloop", marks=pytest.mark.thorough),
    ],
)


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
