"""The `hotsettings` command. Needs the extra ``hotsettings[cli]``."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

from .._boundary import type_and_place
from ..errors import UnforeseenError

UNFORESEEN = 3
"""The exit code of a command that failed although the files are not to blame."""


def main() -> None:
    """Entry point of the command."""
    try:
        from .app import app
        from .completion import rejoin_class
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        missing = error.name
    else:
        for stream in (sys.stdout, sys.stderr):
            # A file name that is not Unicode, or a terminal that is not UTF-8, must not end the command.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        rejoin_class(os.environ)
        try:
            try:
                app(prog_name="hotsettings")
            finally:
                sys.stdout.flush()
        except Exception as error:
            _end(error)
        return
    from .._extras import install_command

    sys.exit(f"hotsettings: the command line needs {missing}; install it with: {install_command('cli')}")


def _end(error: Exception) -> NoReturn:
    """End the process after an unexpected exception, with one line: a traceback could show values of the files."""
    if isinstance(error, BrokenPipeError):
        # The reader has gone, as with `| head`. Without this, Python would report the error again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    what = str(error.problems[0]) if isinstance(error, UnforeseenError) else f"unforeseen {type_and_place(error)}"
    sys.stderr.write(f"hotsettings: {what}\n")
    sys.exit(UNFORESEEN)
