"""Resolving symlinks: which file a path leads to, and which directory entries decide that."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from msgspec import Struct

from .._layers.folder import ATOMIC
from .fingerprint import Fingerprint

_MOST_LINKS = 40  # as many as the kernel follows


class Step(Struct, frozen=True):
    """A symlink or folder on a path, with its times by the clock of its file system.

    A symlink's ctime is set when it is created, renamed or gets a new owner. A folder's mtime and ctime are set when
    an entry is added or removed; its ctime alone is set when the folder is renamed, or gets a new owner or mode.
    """

    path: str
    device: int
    inode: int
    link: bool
    mtime_ns: int
    ctime_ns: int

    @property
    def identity(self) -> tuple[str, int, int]:
        """Equal as long as the same symlink or folder is at this path."""
        return self.path, self.device, self.inode


class ResolvedPath(Struct, frozen=True):
    """Where a path leads now.

    Args:
        target: The path of the file, free of symlinks. The file need not exist.
        entries: The directory entries that decide where the path leads, each as a folder and a name: those of all
            symlinks on it, and that of the target. If a folder is missing, its own entry is the last.
        steps: All symlinks and folders on the path.
        listed: Whether every name in the folder that holds ``..data`` is watched, and not only the entries.
    """

    target: str
    entries: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...] = ()
    listed: bool = False

    @property
    def folders(self) -> frozenset[str]:
        """The folders of the entries."""
        return frozenset(folder for folder, _ in self.entries)

    @property
    def listed_folder(self) -> str | None:
        """The folder in which every name is watched: the one that holds ``..data``."""
        beside = (folder for folder, name in reversed(self.entries) if name == ATOMIC)
        return next(beside, None) if self.listed else None

    @property
    def folders_and_target(self) -> frozenset[str]:
        """The folders of the entries, and the target."""
        return self.folders | {self.target}


class PathChange(Struct, frozen=True):
    """A path leads through symlinks or folders that were not on it before: ``new_steps``, in the order of the path."""

    new_steps: tuple[Step, ...]

    @property
    def atomic(self) -> bool:
        """Whether a Kubernetes volume was swapped as a whole."""
        return any(step.link and os.path.basename(step.path) == ATOMIC for step in self.new_steps)

    def complete(self, fingerprint: Fingerprint) -> bool:
        """Whether the file was already complete when the change made the path lead to it.

        It was if nobody has changed it since then. The times show that if the file and a new step are on the same file
        system, which has one clock, and if they are not in the same tick of that clock. A time in whole seconds shows
        nothing, because that file system rounds.

        Args:
            fingerprint: The fingerprint of the file now.
        """
        if self.atomic:
            return True
        first = self.new_steps[0]
        moved = [step for step in self.new_steps if step.link]
        if not first.link and first.ctime_ns > first.mtime_ns:
            moved.append(first)
        changed = fingerprint.changed_ns
        return bool(changed % 1_000_000_000) and any(
            step.device == fingerprint.device and changed < step.ctime_ns for step in moved
        )


def path_change(before: ResolvedPath, now: ResolvedPath) -> PathChange | None:
    """Compare where a path leads with where it led before. None if there is no new symlink or folder on it."""
    known = {step.identity for step in before.steps}
    new_steps = tuple(step for step in now.steps if step.identity not in known)
    return PathChange(new_steps) if new_steps else None


def resolve_paths(paths: Iterable[str]) -> list[ResolvedPath]:
    """Resolve absolute paths. Most of them share their folders, so ``lstat`` is called once for each folder."""
    known: dict[str, Step] = {}
    return [_resolve(path, known) for path in paths]


def _resolve(path: str, known: dict[str, Step]) -> ResolvedPath:
    """Resolve one path. ``known`` holds the paths that are known to be folders; this function adds to it."""
    entries: list[tuple[str, str]] = []
    steps: list[Step] = []
    here, ahead, links = os.sep, _parts(path), 0
    target = path
    while ahead:
        name = ahead.pop()
        if name == os.pardir:
            here = target = os.path.dirname(here)
            continue
        target = there = os.path.join(here, name)
        if ahead and there in known:
            steps.append(known[there])
            here = there
            continue
        try:
            found = os.lstat(there)
            link = os.readlink(there) if stat.S_ISLNK(found.st_mode) else None
        except (OSError, ValueError):  # it is missing, we may not see it, or no file can have this name
            entries.append((here, name))
            break
        step = Step(there, found.st_dev, found.st_ino, link is not None, found.st_mtime_ns, found.st_ctime_ns)
        if link is None:
            if not ahead or not stat.S_ISDIR(found.st_mode):
                entries.append((here, name))
                break
            known[there] = step
            steps.append(step)
            here = there
            continue
        steps.append(step)
        entries.append((here, name))
        links += 1
        if links > _MOST_LINKS:
            break
        if os.path.isabs(link):
            here = os.sep
        target = here  # a symlink to "." adds no name, and so leads here
        ahead += _parts(link)
    return ResolvedPath(target, tuple(dict.fromkeys(entries)), tuple(steps))


def _parts(path: str) -> list[str]:
    """The names in a path, the last first."""
    return [part for part in reversed(path.split(os.sep)) if part not in ("", os.curdir)]
