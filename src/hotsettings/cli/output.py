"""Writing for a person at a terminal, and plainly into a pipe."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from ..errors import Origin, Problem
from ..secrecy import Hidden


def console() -> Console:
    """A console on the current standard output; colour only on a terminal, and not under NO_COLOR."""
    return Console(highlight=False, soft_wrap=True)


def line(text: str = "") -> None:
    """Write a line as it is."""
    sys.stdout.write(text + "\n")


def problem_text(problem: Problem, colour: str) -> Text:
    """A problem in colours, as it is printed without them."""
    head, *excerpt = problem.lines()
    place = str(problem.origin) if problem.origin.file else ""
    text = Text("  ").append(head)
    text.stylize("bold", 2, 2 + len(place))
    if problem.key and (start := head.find(problem.key, len(place))) >= 0:
        text.stylize(f"bold {colour}", 2 + start, 2 + start + len(problem.key))
    for shown in excerpt:
        text.append("\n  ").append(shown, style=colour if shown.rstrip().endswith("^") else "dim")
    return text


def json(value: Any) -> None:
    """Write a value as indented JSON."""
    line(msgspec.json.format(msgspec.json.encode(value, enc_hook=_hidden), indent=2).decode())


def _hidden(value: Any) -> str:
    if isinstance(value, Hidden):
        return repr(value)
    raise NotImplementedError(type(value).__name__)


def origin_json(origin: Origin) -> dict[str, Any]:
    return msgspec.structs.asdict(origin)


def problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "key": problem.key,
        "message": problem.message,
        "hint": problem.hint,
        **origin_json(problem.origin),
        "excerpt": list(problem.excerpt),
    }


def github(problem: Problem, level: str) -> str:
    """A problem as an annotation of a GitHub workflow. ``level`` is "error" or "warning"."""
    origin = problem.origin
    places = {"file": origin.file, "line": origin.line, "col": origin.column, "title": problem.key or None}
    properties = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in places.items() if value is not None)
    message = "; ".join(filter(None, (problem.message, problem.hint)))
    text = f"{problem.key}: {message}" if problem.key else message
    return f"::{level} {properties}::{_escaped(text)}" if properties else f"::{level}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for char in ("%", "\r", "\n", *more):
        text = text.replace(char, f"%{ord(char):02X}")
    return text
