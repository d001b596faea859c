"""File systems whose clock ticks so slowly that two states of a file can have the same times."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.faults.harness import NEVER, Following, Place, Watched, allowed, needs, with_mounts
from support.faults.tagged import text, whole

# Linux gives ext4, XFS, Btrfs and tmpfs finer times to those who look often. Not so ramfs, like everything older.
RAMFS = "mount -t ramfs none"


@contextmanager
def coarse(place: Place) -> Iterator[tuple[Watched, Path]]:
    """A process whose place is on such a file system, and the path by which that can be reached from out here."""
    needs(
        allowed("unshare", "--mount", "sh", "-c", f"mount --make-rprivate / && {RAMFS} '{place.folder}'"),
        "the system allows no mount namespaces, or has no ramfs",
    )
    with with_mounts("inotify", f"{RAMFS} '{place.folder}'") as watched:
        outside = Path(f"/proc/{watched.process.pid}/root{place.folder}")
        inside = Place(outside)
        inside.begin()
        yield watched, outside


def reaches_at_once(following: Following, tag: int) -> None:
    following.reaches(whole(tag), time.monotonic(), 0.02)


def test_written_again_within_a_tick_of_the_read(place: Place) -> None:
    """The same size and the same times: only the content differs."""
    same = 0
    with coarse(place) as (watched, outside), watched.follow(place, rescan_interval=NEVER) as following:
        config = outside / "config.toml"
        before = os.stat(config)
        for tag in range(2, 60):
            config.write_text(text(tag))
            reaches_at_once(following, tag)
            now = os.stat(config)
            same += (before.st_mtime_ns, before.st_ctime_ns) == (now.st_mtime_ns, now.st_ctime_ns)
            before = now
        following.saw_only(map(whole, range(1, 60)))
    needs(same > 0, "the clock was faster than the edits")


@pytest.mark.slow
def test_a_link_swapped_between_files_of_the_same_age(place: Place) -> None:
    """Only which file it is differs."""
    with coarse(place) as (watched, outside):
        for tag in (1, 2, 3):
            (outside / f"v{tag}").write_text(text(tag))
        then = time.time() - 60
        for tag in (1, 2, 3):
            os.utime(outside / f"v{tag}", (then, then))
        (outside / "config.toml").unlink()
        (outside / "config.toml").symlink_to("v1")
        time.sleep(3)  # until a look at the times is trusted
        with watched.follow(place, rescan_interval=NEVER) as following:
            for tag in (2, 3, 1, 3, 2):
                fresh = outside / "fresh"
                fresh.symlink_to(f"v{tag}")
                os.replace(fresh, outside / "config.toml")
                reaches_at_once(following, tag)
            following.saw_only(map(whole, (1, 2, 3)))
