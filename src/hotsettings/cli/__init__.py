"""The `hotsettings` command. Needs the extra ``hotsettings[cli]``."""

from __future__ import annotations

import io
import os
import sys


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
            if isinstance(stream, io.TextIOWrapper):  # a path or a terminal that is not UTF-8 must not end it
                stream.reconfigure(errors="backslashreplace")
        rejoin_class(os.environ)
        try:
            try:
                app(prog_name="hotsettings")
            finally:
                sys.stdout.flush()
        except BrokenPipeError:  # `| head`: the reader has seen enough, and Python would complain once more at its exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        return
    sys.exit(f"hotsettings: the command line needs {missing}; install it with: pip install 'hotsettings[cli]'")
