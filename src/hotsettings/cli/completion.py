"""Completion by the shell: what typer does not do by itself."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import MutableMapping
from itertools import islice

import typer

from . import source_keys

_MOST_PATHS = 10_000
"""Names of a folder that are looked at: somebody waits at a prompt."""


def rejoin_class(environ: MutableMapping[str, str]) -> None:
    """Join the words again that bash has split: it treats the colon in package.module:Class as a word of its own."""
    words, place = environ.get("COMP_WORDS"), environ.get("COMP_CWORD", "")
    if "_HOTSETTINGS_COMPLETE" not in environ or words is None or not place.isdecimal():
        return
    joined: list[str] = []
    cursor = int(place)
    for number, word in enumerate(words.split("\n")):
        if joined and (word == ":" or joined[-1].endswith(":")):
            joined[-1] += word
            cursor -= number <= int(place)
        else:
            joined.append(word)
    environ.update(COMP_WORDS="\n".join(joined), COMP_CWORD=str(cursor))


def paths(incomplete: str) -> list[str]:
    """Complete the path of a file or folder. Return nothing where no such thing is."""
    folder, begin = os.path.split(incomplete)
    with contextlib.suppress(OSError, ValueError), os.scandir(folder or ".") as entries:
        return [
            os.path.join(folder, entry.name) + (os.sep if entry.is_dir() else "")
            for entry in islice(entries, _MOST_PATHS)
            if entry.name.startswith(begin) and (begin or entry.name[0] != ".") and entry.name.isprintable()
        ]
    return []


def keys(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete a key of the class that was named before, with its description. Return nothing if there is no such class.

    The source of the class is read, not imported: pressing Tab must run nothing in the working directory.
    """
    settings_class = ctx.params.get("settings_class")
    if not isinstance(settings_class, str):
        return []
    # Whatever fails, a message would appear in the middle of the line that is being typed.
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(Exception):
        return [
            (key, description) for key, description in source_keys.keys(settings_class) if key.startswith(incomplete)
        ]
    return []
