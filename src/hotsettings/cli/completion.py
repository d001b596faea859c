"""What the shell completes beyond commands and options: the keys of a settings class."""

from __future__ import annotations

import contextlib
import io
from collections.abc import MutableMapping

import typer

from .._schema.schema import Schema
from . import outline


def rejoin_class(environ: MutableMapping[str, str]) -> None:
    """Put the words that bash completes from back together: it takes the colon of package.module:Class for a word."""
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


def keys(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete a key of the class that was named before it, with its description. Find none if there is no such class.

    The source of the class is read, not imported: pressing Tab must not run anything in the working directory.
    """
    target = ctx.params.get("target")
    if not isinstance(target, str):
        return []
    # Whatever goes wrong, a message would end up in the middle of what is being typed.
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(Exception):
        return [(key, description) for key, description in outline.keys(target) if key.startswith(incomplete)]
    return []


def similar(schema: Schema, key: str) -> list[str]:
    """Keys that hold every word of this one."""
    words = key.casefold().replace(".", "_").split("_")
    return [leaf.key for leaf in schema.leaves if any(words) and all(word in leaf.key.casefold() for word in words)]
