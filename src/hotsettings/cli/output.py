"""Prints text, problems and JSON: for a person at a terminal, and plain for a pipe."""

from __future__ import annotations

import errno
import math
import os
import sys
from typing import Any, NoReturn

import msgspec
import typer
from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from .._layers.file import NAME_THE_BASE
from .._layers.toml.values import toml
from .._loading.explain import Setting
from .._schema.masking import Hidden
from ..errors import NO_PROBLEMS, SHOWN_PROBLEMS, Origin, Problem, Problems, SettingsError, UnforeseenError, unshown

_MARGIN = 9
"""Columns before the source in an excerpt: six for the line number, three for the bar."""


class _Console(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, but what goes into a pipe without it: rich takes fifty times as long to write the same."""
        match objects:
            case [Text() as text] if not (options or self.is_terminal):
                self.file.write(f"{text.plain.expandtabs()}\n")
            case _:
                super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        """Let ``main`` report it. rich would exit with 1 and say nothing."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(*, stderr: bool = False) -> Console:
    """Return a console for a standard stream. It uses colours only on a terminal, and not if NO_COLOR is set."""
    plain = bool(os.environ.get("NO_COLOR"))
    return _Console(stderr=stderr, highlight=False, soft_wrap=True, color_system=None if plain else "auto")


def interactive() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def line(text: str = "") -> None:
    """Print a line as it is."""
    sys.stdout.write(text + "\n")


def plain(text: str) -> str:
    """Put a text of others on one line, and replace everything that a terminal could obey."""
    return "".join(char if char.isprintable() else " " for char in text)


def hanging(console: Console, prefix: str, text: Text, indent: int) -> None:
    """Print a text after a prefix. On a terminal, wrap what does not fit and indent it."""
    if not console.is_terminal:
        console.print(Text(prefix).append_text(text))
        return
    before = prefix
    for part in text.wrap(console, max(20, console.width - max(len(prefix), indent))):
        part.rstrip()
        console.print(Text(before).append_text(part))
        before = " " * indent


def problems(console: Console, title: str, found: Problems, colour: str) -> None:
    """Print a title in colour, then the first 100 problems, and how many more there are."""
    console.print(Text(title, style=f"bold {colour}"))
    for each in found.first[:SHOWN_PROBLEMS]:
        problem(console, each, colour)
    for text in unshown(found.total):
        console.print(Text(f"  {text}"))


def problem(console: Console, what: Problem, colour: str) -> None:
    """Print the line of a problem, and its excerpt, cut to the width of the terminal."""
    text = Text(str(what))
    place = what.place
    key = len(place) + 2 if place else 0  # as str() writes them, with two spaces between them
    text.stylize("bold", 0, len(place))
    text.stylize(f"bold {colour}", key, key + len(what.key))
    hanging(console, "  ", text, 6)
    if len(what.excerpt) == 2:
        source, carets = _fitted(*what.excerpt, console.width - 3 if console.is_terminal else sys.maxsize)
        console.print(Text(f"  {source}", style="dim"))
        console.print(Text(f"  {carets}", style=colour))


def fail(error: SettingsError, *, json: bool = False) -> NoReturn:
    """Print an error on standard error, or as JSON on standard output, and exit with 1.

    An UnforeseenError is raised again: ``main`` reports it in the same way for every command.
    """
    if isinstance(error, UnforeseenError):
        raise error
    if json:
        problems_json(problems_of(error))
    else:
        problems(console(stderr=True), error.heading, problems_of(error), "red")
    raise typer.Exit(1)


def problems_of(error: SettingsError) -> Problems:
    """The problems of an error, with hints that name options of the command line instead of arguments in Python."""
    hint = "create it, or name the file to read with --config"
    first = [replace(each, hint=hint) if each.hint == NAME_THE_BASE else each for each in error.problems]
    return Problems(tuple(first), error.total)


def _fitted(source: str, carets: str, width: int) -> tuple[str, str]:
    """Cut an excerpt that is wider than the terminal so that its carets are still seen."""
    if len(source) <= width:
        return source, carets
    room = max(20, width - _MARGIN)
    start = len(carets) - len(carets[_MARGIN:].lstrip())
    skip = max(0, min(start - _MARGIN - room // 3, len(source) - _MARGIN - room))
    shown = source[_MARGIN + skip : _MARGIN + skip + room]
    shown = ("…" + shown[1:] if skip else shown)[: room - 1] + ("…" if _MARGIN + skip + room < len(source) else "")
    return source[:_MARGIN] + shown, (carets[:_MARGIN] + carets[_MARGIN + skip :])[: _MARGIN + room]


def json(value: Any) -> None:
    """Print a value as indented JSON."""
    line(json_text(value, indent=2))


def json_text(value: Any, indent: int = -1) -> str:
    """Return a value as JSON: on one line, or indented. ``inf`` and ``nan``, which JSON does not have, are strings."""
    return msgspec.json.format(msgspec.json.encode(_finite(value), enc_hook=_hidden), indent=indent).decode()


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return toml(value)
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return list(map(_finite, value))
        case _:
            return value


def _hidden(value: Any) -> str:
    if isinstance(value, Hidden):
        return repr(value)
    raise NotImplementedError(type(value).__name__)


def origin_json(origin: Origin) -> dict[str, Any]:
    """The layer, file, line, column and kind of an origin, its revision if it is in a store, its keys if it is derived.

    A file name that is not Unicode is written with escapes.
    """
    values = msgspec.structs.asdict(origin)
    if origin.revision is None:
        del values["revision"]
    if not origin.keys:
        del values["keys"]
    if origin.file is not None:
        values["file"] = origin.file.encode(errors="backslashreplace").decode()
    return values


def setting_json(setting: Setting) -> dict[str, Any]:
    """The value of a setting, and its origin."""
    return {"value": setting.value, **origin_json(setting.origin)}


def problems_json(found: Problems, warnings: Problems = NO_PROBLEMS) -> None:
    """Print an object with the first 1,000 ``problems`` and ``warnings``, and the number of each."""
    json(
        {
            "problems": [problem_json(each) for each in found.first],
            "total": found.total,
            "warnings": [problem_json(each) for each in warnings.first],
            "total_warnings": warnings.total,
        }
    )


def problem_json(problem: Problem) -> dict[str, Any]:
    """The parts of a problem. ``line`` and ``column`` count from 1, and ``kind`` is that of the origin."""
    return {
        "key": problem.key,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        **origin_json(problem.origin),
        "excerpt": list(problem.excerpt),
    }


def github(problem: Problem, level: str) -> str:
    """A problem as an annotation for a GitHub workflow. ``level`` is "error" or "warning"."""
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
    """The path of a file from the root of the checkout, as annotations need it, wherever the command was run."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if not workspace:
        return file
    path = os.path.relpath(os.path.realpath(file), os.path.realpath(workspace))
    return file if path.startswith(os.pardir) else path.replace(os.sep, "/")


def _escaped(text: str, more: str = "") -> str:
    for char in ("%", "\r", "\n", *more):
        text = text.replace(char, f"%{ord(char):02X}")
    return text
