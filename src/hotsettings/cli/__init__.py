"""The `hotsettings` command. Needs the extra ``hotsettings[cli]``."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import NoReturn

from .._boundary import type_and_place
from ..errors import UnforeseenError

NOT_THE_FILES = 3
"""The exit code of a command that failed although the files are not to blame: a full disk, a store that is away."""

_UNWRITABLE = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Errors of a standard stream. Commands write nothing else, and reading a layer raises a LayerError."""


class Unwritable(Exception):
    """Raised instead of the OSError of a standard stream: typer exits with 1 for a closed pipe, and says nothing."""


def main() -> None:
    """Entry point of the command."""
    if sys.stderr is None:  # both are None if they were closed before the start
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it stays open
    if sys.stdout is None:
        _end(OSError(errno.EBADF, "standard output is closed"))
    try:
        from .app import app
        from .completion import rejoin_class
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        from .._extras import install_command

        sys.exit(f"hotsettings: the command line needs {error.name}; install it with: {install_command('cli')}")
    _encode()
    rejoin_class(os.environ)
    try:
        try:
            app(prog_name="hotsettings")
        finally:
            sys.stdout.flush()
    except Exception as error:
        _end(error)


def _encode() -> None:
    """Write UTF-8 to files and pipes, whatever the locale. On a terminal, escape what its encoding cannot express."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name that is not Unicode is escaped, too.
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def unwritable(error: OSError) -> Unwritable | None:
    """Return what to raise if a standard stream could not be written to."""
    return Unwritable(error.strerror) if error.errno in _UNWRITABLE else None


def _end(error: Exception) -> NoReturn:
    """End the process after an unexpected exception, with one line: a traceback could show values of the files."""
    if isinstance(error, OSError):
        error = unwritable(error) or error
    if isinstance(error, Unwritable):
        what = f"the output cannot be written: {error}"
        _discard(sys.stdout)
    elif isinstance(error, UnforeseenError):
        what = str(error.problems[0])
    else:
        what = f"unforeseen {type_and_place(error)}"
    try:
        sys.stderr.write(f"hotsettings: {what}\n")
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)
    sys.exit(NOT_THE_FILES)


def _discard(stream: object) -> None:
    """Let Python write to nowhere at exit what a stream still holds. Otherwise it would fail, and exit with 120."""
    with suppress(OSError):  # a stream of a test has no descriptor
        if isinstance(stream, io.TextIOWrapper):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
