"""Writing for a person at a terminal, and plainly into a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from .._schema.masking import Hidden
from ..errors import NO_PROBLEMS, SHOWN_PROBLEMS, Origin, Problem, Problems, SettingsError, UnforeseenError, unshown

_MARGIN = 9
"""Columns before the source in an excerpt: six for the line number, three for the bar."""


def console(*, stderr: bool = False) -> Console:
    """A console on a standard stream; it colours on a terminal only, and not under NO_COLOR."""
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(stderr=stderr, highlight=False, soft_wrap=True, color_system=None if plain else "auto")


def interactive() -> bool:
    """Whether a person reads the standard output as it is."""
    return sys.stdout.isatty()


def line(text: str = "") -> None:
    """Write a line as it is."""
    sys.stdout.write(text + "\n")


def plain(text: str) -> str:
    """A text of somebody else's on one line, with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)


def hanging(console: Console, prefix: str, text: Text, indent: int) -> None:
    """Print a text after a prefix. What the terminal is too narrow for goes on below, indented."""
    if not console.is_terminal:
        console.print(Text(prefix).append_text(text))
        return
    before = prefix
    for part in text.wrap(console, max(20, console.width - max(len(prefix), indent))):
        part.rstrip()
        console.print(Text(before).append_text(part))
        before = " " * indent


def problems(console: Console, title: str, found: Sequence[Problem], colour: str, total: int | None = None) -> None:
    """Print a title in colour, then the first 100 problems, and how many more there are."""
    console.print(Text(title, style=f"bold {colour}"))
    for each in found[:SHOWN_PROBLEMS]:
        problem(console, each, colour)
    for text in unshown(len(found) if total is None else total):
        console.print(Text(f"  {text}"))


def problem(console: Console, what: Problem, colour: str) -> None:
    """Print a problem: its line, and the excerpt cut to what the terminal can show."""
    text = Text(str(what))
    place = str(what.origin) if what.origin.file else ""
    key = len(place) + 2 if place else 0  # as str() writes them, with two spaces between them
    text.stylize("bold", 0, len(place))
    text.stylize(f"bold {colour}", key, key + len(what.key))
    hanging(console, "  ", text, 6)
    if len(what.excerpt) == 2:
        source, carets = _fitted(*what.excerpt, console.width - 3 if console.is_terminal else sys.maxsize)
        console.print(Text(f"  {source}", style="dim"))
        console.print(Text(f"  {carets}", style=colour))


def fail(error: SettingsError, *, json: bool = False) -> NoReturn:
    """Report what keeps a command from its work, on standard error or as JSON where JSON is expected, and exit with 1.

    An UnforeseenError is raised again: ``main`` ends every command in the same way for it.
    """
    if isinstance(error, UnforeseenError):
        raise error
    if json:
        problems_json(Problems(problems_of(error), error.total))
    else:
        problems(console(stderr=True), error.heading, problems_of(error), "red", error.total)
    raise typer.Exit(1)


def problems_of(error: SettingsError) -> tuple[Problem, ...]:
    """The problems of an error, in the words of the command line rather than those of Python."""
    return tuple(
        msgspec.structs.replace(each, hint="create it, or name the file to read with --config")
        if each.code == "missing-file" and each.origin.layer == "base"
        else each
        for each in error.problems
    )


def _fitted(source: str, carets: str, width: int) -> tuple[str, str]:
    """Cut an excerpt so that its carets are seen, where the terminal would wrap it into something unreadable."""
    if len(source) <= width:
        return source, carets
    room = max(20, width - _MARGIN)
    start = len(carets) - len(carets[_MARGIN:].lstrip())
    skip = max(0, min(start - _MARGIN - room // 3, len(source) - _MARGIN - room))
    shown = source[_MARGIN + skip : _MARGIN + skip + room]
    shown = ("…" + shown[1:] if skip else shown)[: room - 1] + ("…" if _MARGIN + skip + room < len(source) else "")
    return source[:_MARGIN] + shown, (carets[:_MARGIN] + carets[_MARGIN + skip :])[: _MARGIN + room]


def json(value: Any) -> None:
    """Write a value as indented JSON."""
    line(msgspec.json.format(msgspec.json.encode(value, enc_hook=_hidden), indent=2).decode())


def _hidden(value: Any) -> str:
    if isinstance(value, Hidden):
        return repr(value)
    raise NotImplementedError(type(value).__name__)


def origin_json(origin: Origin) -> dict[str, Any]:
    """The layer, file, line, column and kind, and the revision of what is in a store.

    A file name that is not Unicode is written with escapes.
    """
    values = msgspec.structs.asdict(origin)
    if origin.revision is None:
        del values["revision"]
    if origin.file is not None:
        values["file"] = origin.file.encode(errors="backslashreplace").decode()
    return values


def problems_json(found: Problems, warnings: Problems = NO_PROBLEMS) -> None:
    """Write an object with the first 1,000 ``problems`` and ``warnings``, and how many there are of each."""
    json(
        {
            "problems": [problem_json(each) for each in found.first],
            "total": found.total,
            "warnings": [problem_json(each) for each in warnings.first],
            "total_warnings": warnings.total,
        }
    )


def problem_json(problem: Problem) -> dict[str, Any]:
    """What a problem consists of; ``line`` and ``column`` count from 1, and ``kind`` is that of the origin."""
    return {
        "key": problem.key,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        **origin_json(problem.origin),
        "excerpt": list(problem.excerpt),
    }


def github(problem: Problem, level: str) -> str:
    """A problem as an annotation of a GitHub workflow. ``level`` is "error" or "warning"."""
    origin = problem.origin
    file = None if origin.file is None else _in_workspace(origin.file)
    places = {"file": file, "line": origin.line, "col": origin.column, "title": _titled(problem) or None}
    properties = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in places.items() if value is not None)
    message = "; ".join(filter(None, (problem.message, problem.hint)))
    text = f"{problem.key}: {message}" if problem.key else message
    return f"::{level} {properties}::{_escaped(text)}" if properties else f"::{level}::{_escaped(text)}"


def _titled(problem: Problem) -> str:
    return f"{problem.key} ({problem.code})" if problem.key and problem.code else problem.key or problem.code


def _in_workspace(file: str) -> str:
    """The path as annotations want it, from the root of the checkout, wherever in it the command was run."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if not workspace:
        return file
    path = os.path.relpath(os.path.realpath(file), os.path.realpath(workspace))
    return file if path.startswith(os.pardir) else path.replace(os.sep, "/")


def _escaped(text: str, more: str = "") -> str:
    for char in ("%", "\r", "\n", *more):
        text = text.replace(char, f"%{ord(char):02X}")
    return text
