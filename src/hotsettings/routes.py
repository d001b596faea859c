"""The way from a path to a file: every symlink on it, and the folders whose entries decide where it leads."""

from __future__ import annotations

import os
from collections.abc import Iterable

from msgspec import Struct

_MOST_LINKS = 40  # as many as the kernel follows


class Route(Struct, frozen=True):
    """Where a path leads now.

    ``target`` is the file that it ends in, whether that exists or not. ``entries`` are the folder and name of each link on
    the way and of the target: whoever changes one of them changes where the path leads. A missing folder ends the route
    early, at the last entry that could exist.
    """

    target: str
    entries: tuple[tuple[str, str], ...]

    @property
    def folders(self) -> frozenset[str]:
        """The folders that hold an entry of the route."""
        return frozenset(folder for folder, _ in self.entries)


def find_routes(paths: Iterable[str]) -> list[Route]:
    """Follow several absolute paths, as a rule through the same folders: each folder is looked at once."""
    passed: set[str] = set()
    return [_find_route(path, passed) for path in paths]


def _find_route(path: str, passed: set[str]) -> Route:
    """Follow a path; ``passed`` are folders that are known to be no links, and grows."""
    entries: list[tuple[str, str]] = []
    here, ahead, links = os.sep, _parts(path), 0
    target = path
    while ahead:
        name = ahead.pop()
        if name == os.pardir:
            here = target = os.path.dirname(here)
            continue
        target = there = os.path.join(here, name)
        if ahead and there in passed:
            here = there
            continue
        try:
            link = os.readlink(there)
        except (OSError, ValueError):  # not a link, or nothing there, or a name that no file can have
            if not ahead or not os.path.isdir(there):
                entries.append((here, name))
                break
            passed.add(there)
            here = there
            continue
        entries.append((here, name))
        links += 1
        if links > _MOST_LINKS:
            break
        if os.path.isabs(link):
            here = os.sep
        target = here  # as long as it is not known what stands in there: a link may lead to "."
        ahead += _parts(link)
    return Route(target, tuple(dict.fromkeys(entries)))


def _parts(path: str) -> list[str]:
    """The names in a path, the last first."""
    return [part for part in reversed(path.split(os.sep)) if part not in ("", os.curdir)]
