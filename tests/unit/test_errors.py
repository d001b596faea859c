"""Errors read well, and survive being pickled, copied and raised again."""

import copy
import datetime
import pickle
import re
from collections.abc import Callable

import msgspec
import pytest

from hotsettings import (
    InvalidSettings,
    LayerError,
    Origin,
    Problem,
    Redacted,
    Rejected,
    Rejection,
    ResourceDown,
    SettingsError,
    Status,
    UnforeseenError,
)
from hotsettings.errors import CODES, DEFAULT, KEPT, NOWHERE, PROGRAM

AT = Origin("base", "config.toml", 21, 29)
PROBLEM = Problem(
    *("PORT", "expected int, got str", AT, "write it without quotes", "wrong-type"),
    excerpt=('    21 | PORT = "5"', "       |        ^^^"),
)


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (DEFAULT, "default"),
        (PROGRAM, "values"),
        (KEPT, "live until the restart"),
        (NOWHERE, ""),
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
        (Problem("PORT", "required", PROGRAM), "PORT: required"),
        (Problem("", "no such file", Origin("base", "c.toml"), "create it"), "c.toml  no such file; create it"),
        (Problem("", "they do not fit", NOWHERE), "they do not fit"),
    ],
)
def test_problems(problem: Problem, text: str) -> None:
    assert str(problem) == text
    assert problem.lines() == [text, *problem.excerpt]


def test_a_title_counts() -> None:
    assert InvalidSettings([]).heading == "Invalid settings: 0 problems"
    assert LayerError([PROBLEM]).heading == "Unreadable settings: 1 problem"
    assert str(UnforeseenError([PROBLEM, PROBLEM])).splitlines() == [
        "Unforeseen error: 2 problems",
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
    InvalidSettings([PROBLEM], 1001, while_waiting=True),
    Rejected(Redacted("no", "ConnectionError"), "app.hook"),
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
    assert (again.problems, again.total) == (error.problems, error.total)
    assert getattr(again, "by", None) == getattr(error, "by", None)
    assert getattr(again, "while_waiting", None) == getattr(error, "while_waiting", None)
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


@pytest.mark.parametrize(
    ("reason", "by"),
    [
        (LayerError([PROBLEM]), "layers"),
        (InvalidSettings([PROBLEM]), "settings"),
        (InvalidSettings([PROBLEM], while_waiting=True), "restart"),
        (UnforeseenError([PROBLEM]), "hotsettings"),
        (Redacted("no", "ValueError"), "hotsettings"),
    ],
)
def test_rejected_says_what_rejected(reason: Exception, by: str) -> None:
    assert Rejected(reason).by == by
    assert Rejected(reason, "app.hook").by == "app.hook"


def test_codes_are_words() -> None:
    assert len(set(CODES)) == len(CODES)
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", code) for code in CODES)


def test_problems_can_be_sent_as_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(PROBLEM), type=Problem) == PROBLEM


def test_what_is_told_of_reloads_can_be_sent_as_json() -> None:
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    rejection = Rejection.of(Rejected(InvalidSettings([PROBLEM])), at, "no", 2)
    assert rejection == Rejection(at, "no", (PROBLEM,), 2, 1, "settings")
    for told in (rejection, Status(1, False, at, at, "no", 2, frozenset({"A"}), (), rejection=rejection)):
        assert msgspec.json.decode(msgspec.json.encode(told), type=type(told)) == told
