"""Finds out who else can read or change a file, or replace it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from msgspec import Struct

from ..routes import find_routes


class Exposure(Struct, frozen=True):
    """What another user can do to a file, and how to prevent it."""

    message: str
    hint: str


def exposures(path: str, label: str) -> Iterator[Exposure]:
    """Yield what other users can do to a secrets file, and to the folders and links on the way to it."""
    if os.name != "posix":
        return
    [route] = find_routes([os.path.abspath(path)])
    try:
        status = os.stat(path)
    except OSError:
        return  # it was read a moment ago and is gone
    yield from _of_file(status, label)
    known = {os.geteuid(), 0, status.st_uid}  # a foreign owner of the file has been reported already
    for folder in dict.fromkeys(folder for entry, _ in route.entries for folder in _with_parents(entry)):
        yield from _of_folder(folder, direct=folder in route.folders, known=known)
    for folder, name in route.entries:
        yield from _of_link(os.path.join(folder, name), known)


def _of_file(status: os.stat_result, label: str) -> Iterator[Exposure]:
    mode = status.st_mode
    for verb, others, group in (("read", stat.S_IROTH, stat.S_IRGRP), ("change", stat.S_IWOTH, stat.S_IWGRP)):
        if mode & others:
            yield Exposure(f"other users can {verb} this secrets file", f"chmod 600 {label}")
        elif mode & group:
            # Kubernetes gives the files of a Secret to the group fsGroup, and the program reads them as a member of it.
            hint = f"chmod 600 {label}; if the program reads it by its group, as with fsGroup, let nobody else be in it"
            yield Exposure(f"its group, {_group(status.st_gid)}, can {verb} this secrets file", hint)
    if status.st_uid not in (os.geteuid(), 0):
        owner = f"this secrets file belongs to another user, {_user(status.st_uid)}, who can read and change it"
        yield Exposure(owner, "run this as the user of the program; if that is what you did, chown the file")


def _of_folder(folder: str, *, direct: bool, known: set[int]) -> Iterator[Exposure]:
    try:
        status = os.stat(folder)
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return  # nobody can change it, as where Kubernetes mounts a Secret
    except OSError:
        return
    # In a sticky folder nobody can replace a file of another user. But in the folder of the file itself, they can create
    # one of this name at the moment when an editor has moved the file away.
    if not status.st_mode & stat.S_ISVTX or direct:
        if status.st_mode & stat.S_IWOTH:
            yield Exposure(f"other users can replace this secrets file, in {folder}", f"chmod o-w {folder}")
        elif status.st_mode & stat.S_IWGRP and not _is_private(status):
            group = _group(status.st_gid)
            yield Exposure(f"the group {group} can replace this secrets file, in {folder}", f"chmod g-w {folder}")
    if status.st_uid not in known:
        owner = _user(status.st_uid)
        hint = "keep the file in a folder of the program's user"
        yield Exposure(f"another user, {owner}, owns {folder} and can replace this secrets file", hint)


def _of_link(path: str, known: set[int]) -> Iterator[Exposure]:
    try:
        status = os.lstat(path)
    except OSError:
        return
    if stat.S_ISLNK(status.st_mode) and status.st_uid not in known:
        message = f"the link {path} to this secrets file belongs to another user, {_user(status.st_uid)}"
        yield Exposure(message, "make a link of your own")


def _with_parents(folder: str) -> Iterator[str]:
    yield folder
    while folder != (folder := os.path.dirname(folder)):
        yield folder


def _is_private(status: os.stat_result) -> bool:
    """Whether the group has the owner as its only member: many systems make such a group for each user."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return user.pw_gid == group.gr_gid and user.pw_name == group.gr_name and set(group.gr_mem) <= {user.pw_name}


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
