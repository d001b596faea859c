"""What a look at a path shows, without reading it."""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
import time

from msgspec import Struct
from msgspec.structs import replace

_COARSEST_CLOCK = 2.5
"""Seconds. File systems round times, to ten milliseconds as a rule and to two seconds at worst (FAT)."""

_ANY = -1
"""Stands for an inode that changes from look to look."""


class Sight(Struct, frozen=True):
    """The identity, size and times of what a path leads to; ``inode`` is 0 where there is nothing, or nothing to see.

    ``error`` says why nothing can be seen, apart from there being nothing.
    """

    device: int = 0
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    links: int = 0
    regular: bool = True
    error: int = 0

    @property
    def shifting(self) -> bool:
        """Whether the file system gives the same file another inode at each look: the inode tells nothing then."""
        return self.inode == _ANY

    @property
    def missing(self) -> bool:
        """Whether there is nothing at all."""
        return not self.inode and not self.error

    @property
    def changed_ns(self) -> int:
        """When it was changed last, by the clock of its file system; writing sets both times, and only one can be forged."""
        return max(self.mtime_ns, self.ctime_ns)

    def racy(self, read_ns: int) -> bool:
        """Whether a change after it was read, at this time, could leave the times as they are."""
        return bool(self.inode) and read_ns - self.changed_ns < _COARSEST_CLOCK * 1e9


def look(path: str, last: Sight | None = None) -> Sight:
    """Look at what ``path`` leads to. Never raises OSError.

    Where the inode alone is another than in ``last``, it is looked at twice: it may be another at each look.
    """
    sight = _look(path)
    if last is None or sight == last or not sight.inode or _but_inode(sight) != _but_inode(last):
        return sight
    again = _look(path)
    return _but_inode(sight) if again != sight and _but_inode(again) == _but_inode(sight) else again


def _but_inode(sight: Sight) -> Sight:
    return replace(sight, inode=_ANY)


def _look(path: str) -> Sight:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return Sight()
    except (OSError, ValueError) as error:
        return Sight(error=getattr(error, "errno", 0) or -1)
    return Sight(
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_nlink,
        stat.S_ISREG(found.st_mode),
    )


def being_written(path: str) -> bool | None:
    """Whether a process has this regular file open for writing; None where the system does not tell us.

    Linux grants a read lease only where nobody has, and only to the owner. It is given back at once: a writer who opens the
    file in these microseconds waits for as long. The signal that would tell us of him is one that is ignored by default.
    """
    if sys.platform != "linux":
        return None
    import fcntl  # Windows has none

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        return None
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(descriptor)
    return False


def age(sight: Sight) -> float:
    """Seconds since the last change by the wall clock; below zero if the file system's clock is ahead."""
    return (time.time_ns() - sight.changed_ns) / 1e9
