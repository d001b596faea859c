"""Finds out who else can read or change a file, or replace it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator

from msgspec import Struct

from .._watching.symlinks import resolve_paths


class Exposure(Struct, frozen=True):
    """What another user can do to a file, and how to prevent it."""

    message: str
    hint: str


def exposures(path: str, label: str) -> Iterator[Exposure]:
    """Yield what other users can do to a secrets file, and to the folders and links on the way to it."""
    if os.name != "posix":
        return
    [route] = resolve_paths([os.path.abspath(path)])
    try:
        status = os.stat(path)
    except OSError:
        return  # it was read a moment ago and is gone
    yield from _of_file(path, status, label)
    known = {os.geteuid(), 0, status.st_uid}  # a foreign owner of the file has been reported already
    for folder in dict.fromkeys(folder for entry, _ in route.entries for folder in _with_parents(entry)):
        yield from _of_folder(folder, direct=folder in route.folders, known=known)
    for folder, name in route.entries:
        yield from _of_link(os.path.join(folder, name), known)


def _of_file(path: str, status: os.stat_result, label: str) -> Iterator[Exposure]:
    mode, fixed = status.st_mode, _is_read_only(path)
    # Where Kubernetes mounts a Secret nobody can call chmod.
    private = "set its mode where it is mounted, as with defaultMode: 0400" if fixed else f"chmod 600 {label}"
    for verb, others, group in (("read", stat.S_IROTH, stat.S_IRGRP), ("change", stat.S_IWOTH, stat.S_IWGRP)):
        if mode & others:
            yield Exposure(f"other users can {verb} this secrets file", private)
        elif mode & group and _has_list(path):
            # The bits of the group are those that the list can give at most.
            yield Exposure(
                f"its access control list lets others {verb} this secrets file",
                private if fixed else f"setfacl -b {label}; {private}",
            )
        elif mode & group and not (verb == "read" and _is_for_us(status)):
            # Kubernetes gives the files of a Secret to fsGroup; that the group can read them is how the program does.
            hint = f"{private}; if the program reads it by its group, as with fsGroup, let nobody else be in it"
            yield Exposure(f"its group, {_group(status.st_gid)}, can {verb} this secrets file", hint)
    if status.st_uid not in (os.geteuid(), 0):
        owner = f"this secrets file belongs to another user, {_user(status.st_uid)}, who can read and change it"
        yield Exposure(owner, "run this as the user of the program; if that is what you did, chown the file")


def _of_folder(folder: str, *, direct: bool, known: set[int]) -> Iterator[Exposure]:
    try:
        status = os.stat(folder)
    except OSError:
        return
    if _is_read_only(folder):
        return  # nobody can change it, as where Kubernetes mounts a Secret
    # In a sticky folder nobody can replace a file of another user. But in the folder of the file itself, they can create
    # one of this name at the moment when an editor has moved the file away.
    if not status.st_mode & stat.S_ISVTX or direct:
        if status.st_mode & stat.S_IWOTH:
            yield Exposure(f"other users can replace this secrets file, in {folder}", f"chmod o-w {folder}")
        elif status.st_mode & stat.S_IWGRP and _has_list(folder):
            message = f"the access control list of {folder} lets others replace this secrets file"
            yield Exposure(message, f"setfacl -b {folder}; chmod g-w {folder}")
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


def _is_read_only(path: str) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _has_list(path: str) -> bool:
    """Whether an access control list names users or groups. Only Linux tells."""
    try:
        return sys.platform == "linux" and bool(os.getxattr(path, "system.posix_acl_access"))
    except OSError:
        return False


def _is_for_us(status: os.stat_result) -> bool:
    """Whether it is by its group that we can read a file of root, and we are all that is known to be in that group."""
    if status.st_uid != 0 or os.geteuid() == 0 or status.st_gid not in (os.getegid(), *os.getgroups()):
        return False
    import grp

    try:
        return set(grp.getgrgid(status.st_gid).gr_mem) <= {_user(os.geteuid())}
    except KeyError:
        return True


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
