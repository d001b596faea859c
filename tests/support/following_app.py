"""An application whose module starts to follow settings: what a process that imports it, or is forked, does with them."""

from __future__ import annotations

import os

from support.forking import Settings, sees

live = Settings.watch("config.toml", secrets_path=None, settle=0.0).start()


def follow(value: int) -> tuple[int, int]:
    """Wait until a value is live; return the process, and the value that it sees then."""
    assert sees(live, value)[1]
    return os.getpid(), live.current.A


def process(value: int) -> None:
    """Be a process that follows, and write down that it does."""
    pid, seen = follow(value)
    with open(f"seen-by-{pid}", "w") as stream:
        stream.write(str(seen))
