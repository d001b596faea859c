"""What `check` finds, and its three ways to report it."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct
from rich.text import Text

from .._loading.explain import origins
from .._loading.load import Loaded, collector_paused, read_all, validated
from .._loading.merge import merge
from .._loading.problems import tolerated
from ..errors import MOST_PROBLEMS, NO_PROBLEMS, SHOWN_PROBLEMS, Problems, SettingsError, UnforeseenError
from . import output
from .target import Files, find_schema
from .warnings import warnings


class Found(Struct, frozen=True):
    """The outcome of a check. ``title`` is the first line of the report."""

    title: str
    problems: Problems = NO_PROBLEMS
    warnings: Problems = NO_PROBLEMS


def check(target: str, files: Files) -> Found:
    """Load, and look for what is wrong or unwise."""
    unwise = NO_PROBLEMS
    try:
        schema = find_schema(target, files.secrets)
        documents = read_all(schema, files.layers())
        loud, unknown = tuple(warnings(schema, documents)), tolerated(schema, documents)
        unwise = Problems((*loud, *unknown.first)[:MOST_PROBLEMS], len(loud) + unknown.total)
        with collector_paused(documents):
            settings = validated(schema, documents, merge([document.values for document in documents]))
    except UnforeseenError:
        raise
    except SettingsError as error:
        return Found(error.heading, Problems(output.problems_of(error), error.total), unwise)
    return Found(_summary(Loaded(schema, documents, settings)), warnings=unwise)


def _summary(loaded: Loaded) -> str:
    counts = Counter(origin.file for origin in origins(loaded).values())
    files = dict.fromkeys(document.layer.label for document in loaded.documents)
    parts = [f"{counts[file]} from {file}" for file in files if counts[file]]
    return f"Valid: {', '.join([*parts, f'{counts[None]} by default'])}"


def as_text(found: Found) -> None:
    """For a person: the problems or a summary, then the warnings."""
    console = output.console()
    if found.problems.total:
        output.problems(console, found.title, found.problems.first, "red", found.problems.total)
    else:
        output.hanging(console, "", Text(found.title, style="green"), 2)
    if unwise := found.warnings.first:
        colour = "red" if any(warning.code == "misplaced-secret" for warning in unwise) else "yellow"
        output.problems(console, f"Warnings: {found.warnings.total}", unwise, colour, found.warnings.total)


def as_json(found: Found) -> None:
    """For a program: an object with ``problems`` and ``warnings``, and how many there are of each."""
    output.problems_json(found.problems, found.warnings)


def as_github(found: Found) -> None:
    """For a GitHub workflow: annotations in the files, and the first line of the report for its log."""
    output.line(" ".join(found.title.splitlines()))  # a file's name may have lines, and one could be a command
    for level, problems in (("error", found.problems), ("warning", found.warnings)):
        for problem in problems.first[:SHOWN_PROBLEMS]:
            output.line(output.github(problem, level))
