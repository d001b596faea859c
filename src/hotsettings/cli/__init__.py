"""The `hotsettings` command. Needs the extra ``hotsettings[cli]``."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the command."""
    try:
        from .app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        missing = error.name
    else:
        app()
        return
    sys.exit(f"hotsettings: the command line needs {missing}; install it with: pip install 'hotsettings[cli]'")
