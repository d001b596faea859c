"""A command that fails unexpectedly prints one line on standard error and no value, and exits with 3."""

from __future__ import annotations

import errno
import importlib
import os
import types
from collections.abc import Iterator

import pytest
from support.command import CLASS, Run
from support.examples import some_of
from support.seams import CANARY, FAULTS, SEAMS, Seam, reached, spoil

COMMANDS = [
    ("check", CLASS),
    ("check", CLASS, "--format", "json"),
    ("show", CLASS),
    ("show", CLASS, "--json"),
    ("explain", CLASS, "db.port"),
    ("diff", CLASS, "--to-override", "worker.toml"),
    ("schema", CLASS),
    ("reference", CLASS),
    ("template", CLASS),
]


def of_the_commands() -> Iterator[Seam]:
    for name in (
        "commands.check",
        "commands.show",
        "commands.explain",
        "commands.diff",
        "commands.schema",
        "commands.reference",
        "commands.template",
        "secret_warnings",
        "output",
        "changes",
    ):
        module = importlib.import_module(f"hotsettings.cli.{name}")
        for key, value in vars(module).items():
            if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
                yield Seam(f"cli.{name}.{key}", value)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_at_any_seam(run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    inner = some_of(SEAMS.values()) if command[0] == "show" else ()
    called = reached(lambda: run(*command), [*inner, *of_the_commands()])
    before = run(*command)
    assert before.code == 0
    ended = 0
    for number, seam in enumerate(called):
        error = FAULTS[number % len(FAULTS)]
        with monkeypatch.context() as patch:
            calls = spoil(patch, seam, error)
            result = run(*command)
        assert CANARY not in result.out + result.err
        assert "Traceback" not in result.err
        if result.code == 3:
            ended += 1
            [line] = result.err.splitlines()
            assert "unforeseen " in line
        elif result != before:  # a mistake in the class, for one, is something else
            assert calls
            assert result.code in (0, 1, 2)
    assert ended >= 1


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EPIPE])
def test_output_that_cannot_be_written_is_no_fault(run: Run, monkeypatch: pytest.MonkeyPatch, fault: int) -> None:
    def broken(*_: object) -> None:
        raise OSError(fault, os.strerror(fault), CANARY)

    monkeypatch.setattr("hotsettings.cli.commands.show.as_toml", broken)
    said = f"hotsettings: the output cannot be written: {os.strerror(fault)}\n"
    assert run("show", CLASS) == (3, "", said)
