"""What the system tells of mounts: files that edits from outside do not reach, and files that only we can reach."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

_TABLE = "/proc/self/mountinfo"

_LOCAL = frozenset(
    {"bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "rootfs"}
    | {"squashfs", "tmpfs", "vfat", "xfs", "zfs"}
)
"""File systems that this kernel alone writes to. Behind all others (NFS, FUSE, virtiofs, 9p) somebody else may."""

ADVICE = (
    "mount the folder instead, and let a symlink keep the path: "
    "/app/secrets.toml -> /etc/app/secrets/secrets.toml with the volume at /etc/app/secrets"
)


def single_file_mounts(targets: Iterable[str]) -> list[str]:
    """Return those of these files that are mount points themselves: bind mounts of one file, subPath mounts.

    A file that is renamed over outside stays the old one in here. Empty where the system tells nothing of mounts.
    """
    mounted = frozenset(point for point, _ in _mounts())
    return [target for target in targets if target in mounted]


def is_local(target: str) -> bool:
    """Whether this kernel sees everything that happens to this file; ``target`` is a path without links."""
    found = ("", "")
    for point, kind in _mounts():
        inside = target == point or target.startswith(point.rstrip(os.sep) + os.sep)
        if inside and len(point) >= len(found[0]):  # of several at one point the last one covers the others
            found = (point, kind)
    return found[1] in _LOCAL


def _mounts() -> Iterator[tuple[str, str]]:
    """The mount points, and the types of what is mounted there."""
    try:
        with open(_TABLE, encoding="utf-8", errors="surrogateescape") as table:
            for line in table:
                mount, _, source = line.partition(" - ")
                # A space or newline in a path is written in octal.
                point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), mount.split(" ")[4])
                yield point, source.partition(" ")[0]
    except (OSError, IndexError):
        return
