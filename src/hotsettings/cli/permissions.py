"""Finds out who else can read or change a file, or replace it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from shlex import quote

from msgspec import Struct

from .._watching.symlinks import resolve_paths


class Exposure(Struct, frozen=True):
    """What other users can do to secrets files, and how to prevent it.

    Args:
        message: What they can do.
        hint: How to prevent it.
        paths: The files for which that is so. Empty if it is so for whatever is in a folder.
    """

    message: str
    hint: str
    paths: tuple[str, ...] = ()


def exposures(paths: Sequence[str], shown: str) -> Iterator[Exposure]:
    """Yield what other users can do to a secrets file, or to the files of a secrets folder, and on the way to them.

    Args:
        paths: The files. What is true of several is told once.
        shown: How a command of the shell names them.
    """
    if os.name != "posix":
        return
    found: dict[tuple[str, str], list[str]] = {}
    known = {os.geteuid(), 0}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue  # it was removed after it was read
        known.add(status.st_uid)  # a foreign owner of a file is reported already
        for exposure in _of_file(path, status, shown):
            found.setdefault(exposure, []).append(path)
    yield from (Exposure(message, hint, tuple(those)) for (message, hint), those in found.items())
    routes = resolve_paths(map(os.path.abspath, paths))
    entries = dict.fromkeys(entry for route in routes for entry in route.entries)
    direct = dict.fromkeys(folder for folder, _ in entries)
    what = "this secrets file" if len(paths) == 1 else "these secrets files"
    for folder in dict.fromkeys(above for each in direct for above in _with_parents(each)):
        yield from _of_folder(folder, direct=folder in direct, known=known, what=what)
    yield from _of_links([os.path.join(folder, name) for folder, name in entries], known, what)


def _of_file(path: str, status: os.stat_result, shown: str) -> Iterator[tuple[str, str]]:
    """Yield messages and hints. They name no file, so that they are the same for all files of a folder."""
    mode, fixed = status.st_mode, _is_read_only(path)
    # Nobody can call chmod where Kubernetes mounts a Secret. Its files belong to root.
    mounted = "0400" if status.st_uid == os.geteuid() else "0440 and an fsGroup"
    private = f"set its mode where it is mounted, as with defaultMode: {mounted}" if fixed else f"chmod 600 {shown}"
    for verb, others, group in (("read", stat.S_IROTH, stat.S_IRGRP), ("change", stat.S_IWOTH, stat.S_IWGRP)):
        if mode & others:
            yield f"other users can {verb} this secrets file", private
        elif mode & group and _has_list(path):
            # With an access control list, the bits of the group are the most that the list can grant.
            message = f"its access control list lets others {verb} this secrets file"
            yield message, private if fixed else f"setfacl -b {shown}; {private}"
        elif mode & group and not (verb == "read" and _is_for_us(status)):
            # Kubernetes gives the files of a Secret to fsGroup, and the program reads them by that group.
            hint = f"{private}; if the program reads it by its group, as with fsGroup, put nobody else into that group"
            yield f"its group, {_group(status.st_gid)}, can {verb} this secrets file", hint
    if status.st_uid not in (os.geteuid(), 0):
        owner = f"this secrets file belongs to another user, {_user(status.st_uid)}, who can read and change it"
        yield owner, "run this as the user of the program; if you did, chown the file"


def _of_folder(folder: str, *, direct: bool, known: set[int], what: str) -> Iterator[Exposure]:
    try:
        status = os.stat(folder)
    except OSError:
        return
    if _is_read_only(folder):
        return  # nobody can change it, for example where Kubernetes mounts a Secret
    # In a sticky folder, others cannot replace the file. But in the folder of the file itself, they can create one of this
    # name at the moment when an editor has moved the file away.
    if not status.st_mode & stat.S_ISVTX or direct:
        if status.st_mode & stat.S_IWOTH:
            yield Exposure(f"other users can replace {what}, in {folder}", f"chmod o-w {quote(folder)}")
        elif status.st_mode & stat.S_IWGRP and _has_list(folder):
            message = f"the access control list of {folder} lets others replace {what}"
            yield Exposure(message, f"setfacl -b {quote(folder)}; chmod g-w {quote(folder)}")
        elif status.st_mode & stat.S_IWGRP and not _is_private(status):
            group = _group(status.st_gid)
            yield Exposure(f"the group {group} can replace {what}, in {folder}", f"chmod g-w {quote(folder)}")
    if status.st_uid not in known:
        message = f"another user, {_user(status.st_uid)}, owns {folder} and can replace {what}"
        yield Exposure(message, "keep the file in a folder of the program's user")


def _of_links(paths: Sequence[str], known: set[int], what: str) -> Iterator[Exposure]:
    links: dict[int, list[str]] = {}
    for path in paths:
        with suppress(OSError):
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode) and status.st_uid not in known:
                links.setdefault(status.st_uid, []).append(path)
    for owner, those in links.items():
        more = f", and so do {len(those) - 1} more" if len(those) > 1 else ""
        message = f"the link {those[0]} to {what} belongs to another user, {_user(owner)}{more}"
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
    """Whether an access control list names users or groups. Only Linux can say."""
    try:
        return sys.platform == "linux" and bool(os.getxattr(path, "system.posix_acl_access"))
    except OSError:
        return False


def _is_for_us(status: os.stat_result) -> bool:
    """Whether we can read a file of root by its group, and nobody else is known to be in that group."""
    if status.st_uid != 0 or os.geteuid() == 0 or status.st_gid not in (os.getegid(), *os.getgroups()):
        return False
    import grp

    try:
        return set(grp.getgrgid(status.st_gid).gr_mem) <= {_user(os.geteuid())}
    except KeyError:
        return True


def _is_private(status: os.stat_result) -> bool:
    """Whether the owner is the only member of the group: many systems make such a group for each user."""
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
