"""What `check` finds, and its three ways to report it."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct
from rich.text import Text

from ..errors import Problem, SettingsError
from ..explain import origins
from ..load import Loaded
from ..problems import tolerated
from ..schema import Schema
from . import output
from .target import Files
from .warnings import warnings


class Found(Struct, frozen=True):
    """The outcome of a check. ``text`` is the summary, or the problems as their exception prints them."""

    text: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def check(schema: Schema, files: Files) -> Found:
    """Load, and look for what is wrong or unwise."""
    try:
        loaded = files.load(schema)
    except SettingsError as error:
        return Found(str(error), problems=error.problems)
    return Found(_summary(loaded), warnings=(*warnings(loaded), *tolerated(schema, loaded.documents)))


def _summary(loaded: Loaded) -> str:
    counts = Counter(origin.file for origin in origins(loaded).values())
    files = [document.layer.label for document in loaded.documents]
    parts = [f"{counts[file]} from {file}" for file in files if counts[file]]
    return f"Valid: {', '.join([*parts, f'{counts[None]} by default'])}"


def as_text(found: Found) -> None:
    """For a person: the problems or a summary, then the warnings."""
    console = output.console()
    if found.problems:
        console.print(Text(found.text.partition("\n")[0], style="bold red"))
        for problem in found.problems:
            console.print(output.problem_text(problem, "red"))
    else:
        console.print(Text(found.text, style="green"))
    if found.warnings:
        console.print(Text(f"Warnings: {len(found.warnings)}", style="bold yellow"))
    for warning in found.warnings:
        console.print(output.problem_text(warning, "yellow"))


def as_json(found: Found) -> None:
    """For a program: an object with ``problems`` and ``warnings``."""
    output.json(
        {
            "problems": [output.problem_json(problem) for problem in found.problems],
            "warnings": [output.problem_json(warning) for warning in found.warnings],
        }
    )


def as_github(found: Found) -> None:
    """For a GitHub workflow: annotations in the files, and the summary where nothing is wrong."""
    for level, problems in (("error", found.problems), ("warning", found.warnings)):
        for problem in problems:
            output.line(output.github(problem, level))
    if not found.problems:
        output.line(found.text)
