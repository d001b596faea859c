"""Mounts of a single file, which edits from outside do not reach."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_TABLE = "/proc/self/mountinfo"

ADVICE = (
    "mount the folder instead, and let a symlink keep the path: "
    "/app/secrets.toml -> /etc/app/secrets/secrets.toml with the volume at /etc/app/secrets"
)


def single_file_mounts(targets: Iterable[str]) -> list[str]:
    """Return those of these files that are mount points themselves: bind mounts of one file, subPath mounts.

    A file that is renamed over outside stays the old one in here. Empty where the system tells nothing of mounts.
    """
    mounted = frozenset(_mount_points())
    return [target for target in targets if target in mounted]


def _mount_points() -> Iterator[str]:
    try:
        with open(_TABLE, encoding="utf-8", errors="surrogateescape") as table:
            for line in table:
                # A space or newline in a path is written in octal.
                yield re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), line.split(" ")[4])
    except (OSError, IndexError):
        return
