"""`check`: every problem in the files, and what is unwise."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from msgspec import Struct
from rich.text import Text

from ..._loading.explain import leaves_by_layer
from ..._loading.load import Loaded, collector_paused, ignored, read_all, validated, warnings_about
from ..._loading.prepare import prepare
from ...errors import (
    DEFAULT,
    NO_PROBLEMS,
    SHOWN_PROBLEMS,
    Problems,
    SettingsError,
    UnforeseenError,
    joined,
)
from .. import output
from ..options import Files, Json, SettingsClass
from ..secret_warnings import warnings
from ..settings_class import import_schema

Format = Annotated[
    Literal["text", "json", "github"],
    typer.Option("--format", metavar="text|json|github", help="How to report what was found."),
]


def check(settings_class: SettingsClass, files: Files, report: Format = "text", json: Json = False) -> None:
    """Validate the files and report every problem.

    Also warns of secrets in a file that others can read, that git tracks, or that is not meant for secrets. Exits with 1 if
    there are problems. Warnings do not change the exit code.
    """
    found = _check(settings_class, files)
    {"text": as_text, "json": as_json, "github": as_github}["json" if json else report](found)
    raise typer.Exit(1 if found.problems.total else 0)


class Found(Struct, frozen=True):
    """What a check has found. ``title`` is the first line of the report."""

    title: str
    problems: Problems = NO_PROBLEMS
    warnings: Problems = NO_PROBLEMS


def _check(settings_class: str, files: Files) -> Found:
    unwise, layers = NO_PROBLEMS, files.layers()
    try:
        schema = import_schema(settings_class, layers)
        documents = read_all(schema, layers)
        with collector_paused(documents):
            prepared = prepare(schema, documents)
            others = warnings_about(schema, documents, prepared), ignored(documents)
            unwise = joined(warnings(schema, documents), *others)
            settings = validated(schema, documents, prepared)
    except UnforeseenError:
        raise
    except SettingsError as error:
        return Found(error.heading, output.problems_of(error), unwise)
    return Found(_summary(Loaded(schema, documents, settings)), warnings=unwise)


def _summary(loaded: Loaded) -> str:
    counts = leaves_by_layer(loaded)
    layers = [document.layer for document in loaded.documents]
    parts = [f"{counts[layer.name]} from {layer.label}" for layer in layers if counts[layer.name]]
    return f"Valid: {', '.join([*parts, f'{counts[DEFAULT.layer]} by default'])}"


def as_text(found: Found) -> None:
    """Print the problems or a summary, then the warnings, for a person."""
    console = output.console()
    if found.problems.total:
        output.problems(console, found.title, found.problems, "red")
    else:
        output.hanging(console, "", Text(found.title, style="green"), 2)
    if unwise := found.warnings.first:
        colour = "red" if any(warning.code == "misplaced-secret" for warning in unwise) else "yellow"
        output.problems(console, f"Warnings: {found.warnings.total}", found.warnings, colour)


def as_json(found: Found) -> None:
    """Print an object with ``problems`` and ``warnings``, and the number of each, for a program."""
    output.problems_json(found.problems, found.warnings)


def as_github(found: Found) -> None:
    """Print annotations for a GitHub workflow, after the first line of the report for its log."""
    output.line(" ".join(found.title.splitlines()))  # a line break in a file's name could begin a workflow command
    for level, problems in (("error", found.problems), ("warning", found.warnings)):
        for problem in problems.first[:SHOWN_PROBLEMS]:
            output.line(output.github(problem, level))
