"""The way from a path to a file: every symlink on it, and the folders whose entries decide where it leads."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from msgspec import Struct

from .fingerprint import Fingerprint

_MOST_LINKS = 40  # as many as the kernel follows
_ATOMIC = "..data"
"""The link that a Kubernetes volume swaps. The kubelet makes the folder behind it anew each time, and never writes into
it afterwards."""


class Step(Struct, frozen=True):
    """A link or folder on the way, and when it was changed last by the clock of its file system.

    A link changes when it is made, renamed or given away. A folder changes with its entries too, and only a rename or a new
    mode or owner sets ``ctime_ns`` alone.
    """

    path: str
    device: int
    inode: int
    link: bool
    mtime_ns: int
    ctime_ns: int

    @property
    def identity(self) -> tuple[str, int, int]:
        """What stays the same as long as the same link or folder stands there."""
        return self.path, self.device, self.inode


class ResolvedPath(Struct, frozen=True):
    """Where a path leads now.

    ``target`` is the file that it ends in, whether that exists or not. ``entries`` are the folder and name of each link on
    the way and of the target: whoever changes one of them changes where the path leads. A missing folder ends the route
    early, at the last entry that could exist. ``steps`` are all links and folders that were passed.
    """

    target: str
    entries: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...] = ()

    @property
    def folders(self) -> frozenset[str]:
        """The folders that hold an entry of the route."""
        return frozenset(folder for folder, _ in self.entries)

    @property
    def folders_and_target(self) -> frozenset[str]:
        """Those folders and the target."""
        return self.folders | {self.target}


class PathChange(Struct, frozen=True):
    """The route leads through links or folders that it did not lead through before: ``fresh`` are these, from the top."""

    new_steps: tuple[Step, ...]

    def complete(self, fingerprint: Fingerprint) -> bool:
        """Whether the file that is in sight now was complete when the route was changed to lead to it.

        It was if it has not been changed since, and the times show that only where both come from one clock. In one tick of
        that clock nothing can be told apart. Seconds that are whole are those of a file system that rounds.
        """
        if any(step.link and os.path.basename(step.path) == _ATOMIC for step in self.new_steps):
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
    """What has changed on the way since then; None if the way is the same."""
    passed = {step.identity for step in before.steps}
    new_steps = tuple(step for step in now.steps if step.identity not in passed)
    return PathChange(new_steps) if new_steps else None


def resolve_paths(paths: Iterable[str]) -> list[ResolvedPath]:
    """Follow several absolute paths, as a rule through the same folders: each folder is looked at once."""
    passed: dict[str, Step] = {}
    return [_resolve(path, passed) for path in paths]


def _resolve(path: str, passed: dict[str, Step]) -> ResolvedPath:
    """Follow a path; ``passed`` are folders that are known to be no links, and grows."""
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
        if ahead and there in passed:
            steps.append(passed[there])
            here = there
            continue
        try:
            found = os.lstat(there)
            link = os.readlink(there) if stat.S_ISLNK(found.st_mode) else None
        except (OSError, ValueError):  # nothing there, not for us to see, or a name that no file can have
            entries.append((here, name))
            break
        step = Step(there, found.st_dev, found.st_ino, link is not None, found.st_mtime_ns, found.st_ctime_ns)
        if link is None:
            if not ahead or not stat.S_ISDIR(found.st_mode):
                entries.append((here, name))
                break
            passed[there] = step
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
        target = here  # as long as it is not known what stands in there: a link may lead to "."
        ahead += _parts(link)
    return ResolvedPath(target, tuple(dict.fromkeys(entries)), tuple(steps))


def _parts(path: str) -> list[str]:
    """The names in a path, the last first."""
    return [part for part in reversed(path.split(os.sep)) if part not in ("", os.curdir)]
