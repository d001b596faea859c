"""Mounts, as /proc/self/mountinfo lists them.

They show which edits from outside of a container do not arrive, and which files are on a local file system.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_TABLE = "/proc/self/mountinfo"

_LOCAL = frozenset(
    {"bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "rootfs"}
    | {"squashfs", "tmpfs", "vfat", "xfs", "zfs"}
)
"""File systems that only this kernel writes to. Behind any other (NFS, FUSE, virtiofs, 9p), another machine may
write."""

ADVICE = (
    "mount the folder instead, and let a symlink keep the path: "
    "/app/secrets.toml -> /etc/app/secrets/secrets.toml with the volume at /etc/app/secrets"
)

ADVICE_FOR_FOLDERS = (
    "mount a folder above it that stays, lead the path through it with a symlink, and restart the container "
    "or the service"
)


class Mount(NamedTuple):
    """One mount.

    Args:
        number: Its id.
        root: The path of the folder or file that is mounted, within its file system.
        point: The path where it is mounted.
        kind: The type of the file system, such as ext4.
    """

    number: str
    root: str
    point: str
    kind: str

    @property
    def bound(self) -> bool:
        """Whether this is a bind mount: a part of a file system, mounted elsewhere.

        A container's root is often one, too, but it says nothing about single folders or files, and does not count.
        """
        return self.root != os.sep and self.point != os.sep


class BindMounts:
    """The bind mounts that some paths lead into, and whether their sources are still at the same path outside.

    A bind mount follows the inode of a folder or file. When that is renamed outside, the table shows its new path. When
    it is removed, the table shows its last path and ``//deleted``. In both cases, edits at the old path no longer
    arrive.
    """

    def __init__(self) -> None:
        self._paths: frozenset[str] = frozenset()
        self._points: dict[str, str] = {}
        self._first_roots: dict[tuple[str, str, int, int], str] = {}
        self._moved: frozenset[str] = frozenset()

    def track(self, paths: Iterable[str]) -> None:
        """Find the bind mounts that these paths lead into. The paths must be free of symlinks."""
        wanted = frozenset(paths)
        if wanted != self._paths:
            self._paths, mounts = wanted, _mounts()
            found = {path: mount for path in wanted if (mount := _mount_of(path, mounts)) and mount.bound}
            self._points = {path: mount.point for path, mount in found.items()}
            self._compare(mounts)

    def check(self) -> None:
        """Read the table again to find sources that have moved. Does nothing if there are no bind mounts."""
        if self._points:
            self._compare(_mounts())

    def moved(self, paths: Iterable[str]) -> str | None:
        """Return a mount point that one of these paths leads into, and whose source was renamed or removed outside."""
        return next((point for path in paths if (point := self._points.get(path)) in self._moved), None)

    def _compare(self, mounts: Sequence[Mount]) -> None:
        points, moved = frozenset(self._points.values()), set()
        # Of several mounts at one point the last one covers the others.
        for mount in {mount.point: mount for mount in mounts if mount.point in points}.values():
            try:
                found = os.stat(mount.point)
            except OSError:
                continue
            # Another inode means that something else was mounted at the same point.
            first = self._first_roots.setdefault((mount.number, mount.point, found.st_dev, found.st_ino), mount.root)
            if first != mount.root:
                moved.add(mount.point)
        self._moved = frozenset(moved)


def single_file_mounts(targets: Iterable[str]) -> list[str]:
    """Return those of these files that are mount points: bind mounts of a single file, and subPath mounts.

    When another file is renamed over such a file outside, the mount keeps showing the old one. The list is empty on
    systems without /proc/self/mountinfo.
    """
    mounted = frozenset(mount.point for mount in _mounts())
    return [target for target in targets if target in mounted]


def is_local(target: str) -> bool:
    """Whether only this kernel can write to this file. ``target`` must be free of symlinks."""
    mount = _mount_of(target, _mounts())
    return mount is not None and mount.kind in _LOCAL


def _mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    found: Mount | None = None
    for mount in mounts:
        inside = path == mount.point or path.startswith(mount.point.rstrip(os.sep) + os.sep)
        # Of several mounts at one point the last one covers the others.
        if inside and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _mounts() -> list[Mount]:
    """All mounts that this process sees. Empty on systems without /proc/self/mountinfo."""
    try:
        with open(_TABLE, encoding="utf-8", errors="surrogateescape") as table:
            return [_parse(line) for line in table]
    except (OSError, ValueError):
        return []


def _parse(line: str) -> Mount:
    fields, _, source = line.partition(" - ")
    number, _, _, root, point, *_ = fields.split(" ")
    return Mount(number, root, _unescaped(point), source.partition(" ")[0])


def _unescaped(path: str) -> str:
    """Decode the octal escapes that the table uses for spaces and newlines in paths."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path) if "\\" in path else path
