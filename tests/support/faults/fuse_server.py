"""A FUSE file system that passes on to a folder, and fails as it is told: python -m support.faults.fuse_server ROOT MOUNT CONTROL.

CONTROL is a file with JSON: ``errno`` is what reading fails with, ``shifting`` gives every file another inode at each look, and
``links`` is the number of links that every file has.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from itertools import count
from pathlib import Path
from typing import Any

import mfusepy  # type: ignore[import-untyped]


class PassingOn(mfusepy.Operations):  # type: ignore[misc]
    """What is asked is asked of the folder."""

    use_ns = True

    def __init__(self, root: str, control: Path) -> None:
        self.root = root
        self.control = control
        self.inodes = count(1000)

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.control.read_text())
        return found

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        try:
            found = os.lstat(self.root + path)
        except OSError as error:
            raise mfusepy.FuseOSError(error.errno) from None
        told = self.told()
        return {
            "st_mode": found.st_mode,
            "st_size": found.st_size,
            "st_uid": found.st_uid,
            "st_gid": found.st_gid,
            "st_atime": found.st_atime_ns,
            "st_mtime": found.st_mtime_ns,
            "st_ctime": found.st_ctime_ns,
            "st_ino": next(self.inodes) if told.get("shifting") else found.st_ino,
            "st_nlink": told.get("links", found.st_nlink) if stat.S_ISREG(found.st_mode) else found.st_nlink,
        }

    def readlink(self, path: str) -> str:
        return os.readlink(self.root + path)

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self.root + path)]

    def open(self, path: str, flags: int) -> int:
        if number := self.told().get("errno"):
            raise mfusepy.FuseOSError(number)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        with open(self.root + path, "rb") as file:
            file.seek(offset)
            return file.read(size)


if __name__ == "__main__":
    root, mount, control = sys.argv[1:]
    mfusepy.FUSE(
        PassingOn(root, Path(control)),
        mount,
        foreground=True,
        use_ino=True,
        attr_timeout=0,
        entry_timeout=0,
        nothreads=True,
    )
