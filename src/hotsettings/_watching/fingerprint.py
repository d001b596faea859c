"""The cheap fingerprint of a file: what ``stat`` says of it. If it stays equal, the file counts as unchanged."""

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
"""Seconds. File systems round the times of files: most of them to ten milliseconds, the worst (FAT) to two seconds."""

_UNSTABLE = -1
"""The inode in a fingerprint where the file system reports another one at each ``stat``."""


class Fingerprint(Struct, frozen=True):
    """The identity, size and times of the file that a path leads to.

    ``inode`` is 0 if there is no file, or if ``stat`` fails. In the second case ``error`` is its error number.
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
    def unstable_inode(self) -> bool:
        """Whether the file system reports another inode for the same file at each ``stat``."""
        return self.inode == _UNSTABLE

    @property
    def missing(self) -> bool:
        """Whether there is no file."""
        return not self.inode and not self.error

    @property
    def changed_ns(self) -> int:
        """When the file was changed last, by the clock of its file system.

        A write sets both times. Programs can set mtime to any value, but not ctime.
        """
        return max(self.mtime_ns, self.ctime_ns)

    def changed_just_before(self, read_ns: int) -> bool:
        """Whether the file was changed so shortly before ``read_ns`` that a later change may leave the same times."""
        return bool(self.inode) and read_ns - self.changed_ns < _COARSEST_CLOCK * 1e9


def fingerprint_of(path: str, last: Fingerprint | None = None) -> Fingerprint:
    """Return the fingerprint of the file that ``path`` leads to. Never raises OSError.

    If only the inode differs from that in ``last``, this calls ``stat`` a second time: some file systems report another
    inode each time.
    """
    now = _stat(path)
    if last is None or now == last or not now.inode or _without_inode(now) != _without_inode(last):
        return now
    again = _stat(path)
    unstable = again != now and _without_inode(again) == _without_inode(now)
    return _without_inode(now) if unstable else again


def _without_inode(fingerprint: Fingerprint) -> Fingerprint:
    return replace(fingerprint, inode=_UNSTABLE)


def _stat(path: str) -> Fingerprint:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return Fingerprint()
    except (OSError, ValueError) as error:
        return Fingerprint(error=getattr(error, "errno", 0) or -1)
    return Fingerprint(
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_nlink,
        stat.S_ISREG(found.st_mode),
    )


def open_for_writing(path: str) -> bool | None:
    """Whether a process has this regular file open for writing; None if the system does not say.

    On Linux this asks for a read lease. The kernel grants one only to the owner of the file, and only while no process
    has it open for writing. The lease is given back at once. A process that opens the file for writing in these
    microseconds is blocked until then, and the kernel announces it by a signal; SIGURG is chosen because it is ignored
    by default.
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


def age(fingerprint: Fingerprint) -> float:
    """Seconds since the file was changed, by the wall clock. Negative if the file system's clock is ahead."""
    return (time.time_ns() - fingerprint.changed_ns) / 1e9
