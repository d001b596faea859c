"""What runs in the workers of pre-fork servers: a WSGI application that follows settings, and says what it sees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from hotsettings import Change
from support.forking import Settings

live = Settings.watch("config.toml", secrets_path=None, settle=0.0).start()


def note(value: int) -> None:
    """Write down which value this process sees."""
    seen = Path(f"seen-by-{os.getpid()}")
    new = seen.with_suffix(".next")
    new.write_text(str(value))
    new.replace(seen)


@live.on_change
def changed(change: Change[Settings]) -> None:
    note(change.new.A)


note(live.current.A)  # of an edit before this, nobody is told


def application(environ: object, start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {live.current.A} {live.status.healthy}".encode()]
