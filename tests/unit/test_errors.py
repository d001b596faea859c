"""Errors read well, and survive being pickled, copied and raised again."""

import copy
import pickle
from collections.abc import Callable

import pytest

from hotsettings import (
    InvalidSettings,
    LayerError,
    Origin,
    Problem,
    Rejected,
    ResourceDown,
    SettingsError,
    UnforeseenError,
)
from hotsettings.errors import render

AT = Origin("base", "config.toml", 21, 29)
PROBLEM = Problem(
    "PORT", "expected int, got str", AT, "write it without quotes", ('    21 | PORT = "5"', "       |        ^^^")
)


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (Origin("default"), "default"),
        (Origin("values"), "values"),
        (Origin("base", "config.toml"), "config.toml"),
        (Origin("base", "config.toml", 3), "config.toml:3"),
        (AT, "config.toml:21:29"),
    ],
)
def test_origins(origin: Origin, text: str) -> None:
    assert str(origin) == text


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (PROBLEM, "config.toml:21:29  PORT: expected int, got str; write it without quotes"),
        (Problem("PORT", "required", Origin("values")), "PORT: required"),
        (Problem("", "no such file", Origin("base", "c.toml"), "create it"), "c.toml  no such file; create it"),
        (Problem("", "they do not fit", Origin("")), "they do not fit"),
    ],
)
def test_problems(problem: Problem, text: str) -> None:
    assert str(problem) == text
    assert problem.lines() == [text, *problem.excerpt]


def test_a_title_counts() -> None:
    assert render("Bad", ()) == "Bad: 0 problems"
    assert render("Bad", (PROBLEM,)).splitlines()[0] == "Bad: 1 problem"
    assert render("Bad", (PROBLEM, PROBLEM)).splitlines() == [
        "Bad: 2 problems",
        *[
            "  config.toml:21:29  PORT: expected int, got str; write it without quotes",
            '      21 | PORT = "5"',
            "         |        ^^^",
        ]
        * 2,
    ]


ERRORS = [
    LayerError([PROBLEM, Problem("", "no such file", Origin("secrets", "s.toml"))]),
    InvalidSettings(iter([PROBLEM])),
    Rejected(InvalidSettings([PROBLEM])),
    Rejected(LayerError([PROBLEM])),
    Rejected(TimeoutError("the hook did not finish within 10 s")),
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("duplicate", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_errors_survive(error: SettingsError, duplicate: Callable[[SettingsError], SettingsError]) -> None:
    again = duplicate(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert repr(again) == repr(error)
    assert again.problems == error.problems
    assert again.__cause__ is again.__context__ is None


def test_the_tree() -> None:
    kinds = {kind for kind in SettingsError.__subclasses__() if kind.__module__ == SettingsError.__module__}
    assert kinds - {ResourceDown} == {LayerError, InvalidSettings, Rejected, UnforeseenError}
    assert SettingsError().problems == ()


def test_layer_error_tells_where_the_first_problem_is() -> None:
    error = LayerError([PROBLEM, Problem("", "no such file", Origin("secrets", "s.toml"))])
    assert error.origin is AT
    assert str(error).startswith("Unreadable settings: 2 problems\n  config.toml:21:29  PORT: ")
    assert str(error).endswith("\n  s.toml  no such file")


def test_invalid_settings() -> None:
    assert str(InvalidSettings([PROBLEM])).startswith("Invalid settings: 1 problem\n  config.toml:21:29")


def test_rejected_tells_the_reason() -> None:
    reason = InvalidSettings([PROBLEM])
    rejected = Rejected(reason)
    assert rejected.reason is reason
    assert rejected.problems == (PROBLEM,)
    assert str(rejected) == f"Reload rejected: {reason}"


def test_rejected_names_the_kind_of_a_reason_that_says_nothing() -> None:
    assert str(Rejected(ConnectionError("no answer"))) == "Reload rejected: no answer"
    assert str(Rejected(ConnectionError())) == "Reload rejected: ConnectionError"


def test_rejected_takes_problems_only_from_our_own() -> None:
    class Foreign(Exception):
        problems = "many"

    assert Rejected(Foreign("no")).problems == ()
