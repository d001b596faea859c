"""`fleet`: what every process has applied, and whether they agree."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..errors import LayerError
from . import output
from .instance_status import Standing, said, standings
from .store_options import Store, ask

if TYPE_CHECKING:
    from ..nats.report_reader import Gathered
    from ..nats.reports import ReportedProblem

_EVERY = 1.0
"""Seconds between two looks."""
_COLUMNS = ("INSTANCE", "SERVICE", "GENERATION", "APPLIED", "DIGEST", "STATE", "AGE")
_DIGEST = 8


def show(store: Store, service: str | None, json: bool) -> None:
    """Print all reports: live on a terminal, else once."""
    if not json and output.interactive():
        ask(lambda: _stay(store, service))
        return
    found = _chosen(ask(lambda: _once(store), json=json), service)
    if json:
        output.json(list(map(_json, found)))
    else:
        _as_lines(found)


async def _once(store: Store) -> Gathered:
    from ..nats.bucket import reached
    from ..nats.report_reader import read_reports

    async with reached(store.where, store.bucket) as bucket:
        return await read_reports(bucket)


def _chosen(gathered: Gathered, service: str | None) -> list[Standing]:
    return standings(each for each in gathered.reports.values() if service in (None, each.report.service))


def _row(standing: Standing) -> tuple[str, ...]:
    report = standing.report
    digest = ("≠" if standing.differs else "") + said(report.digest[:_DIGEST])
    state = f"{standing.state}: {standing.detail}" if standing.detail else standing.state
    age = f"{standing.age:.0f} s"
    names = said(report.instance), said(report.service)
    return *names, str(report.generation), _revisions(report.applied), digest, state, age


def _revisions(applied: Mapping[str, int]) -> str:
    return " ".join(f"{said(key)}@{revision}" for key, revision in sorted(applied.items()))


def _as_lines(found: Sequence[Standing]) -> None:
    """For a pipe: columns, the state last, as it may be long."""
    rows = [_COLUMNS, *map(_row, found)]
    lines = [(*row[:5], row[6], row[5]) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    if found:
        for line in lines:
            output.line("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[6]]))
    output.line(_summary(found))


def _summary(found: Sequence[Standing]) -> str:
    if not found:
        return "No instance reports."
    trouble = [standing.state for standing in found if standing.state != "ok"]
    parts = [f"{len(found)} instance" + ("" if len(found) == 1 else "s")]
    parts += [f"{trouble.count(state)} {state}" for state in dict.fromkeys(trouble)]
    if differing := sum(standing.differs for standing in found):
        parts.append(f"{differing} with other settings than most of their service (≠)")
    return ", ".join(parts)


def _json(standing: Standing) -> dict[str, Any]:
    report = standing.report
    return {
        "instance": said(report.instance),
        "service": said(report.service),
        "state": standing.state,
        "differs": standing.differs,
        "age": round(standing.age, 3),
        "generation": report.generation,
        "digest": said(report.digest),
        "healthy": report.healthy,
        "applied": {said(key): revision for key, revision in report.applied.items()},
        "tried": {said(key): revision for key, revision in report.tried.items()},
        "rejection": None if report.rejection is None else said(report.rejection),
        "rejected_by": said(report.rejected_by),
        "problems": [_problem_json(each) for each in report.problems],
        "pending_restart": [said(key) for key in report.pending_restart],
        "source": report.source,
        "started_at": report.started_at,
        "at": report.at,
    }


def _problem_json(problem: ReportedProblem) -> dict[str, Any]:
    origin = output.origin_json(problem.origin)
    origin.update({name: said(value) for name, value in origin.items() if isinstance(value, str)})
    return {"key": said(problem.key), "code": said(problem.code), "message": said(problem.message), **origin}


async def _stay(store: Store, service: str | None) -> None:
    """Keep the table up to date until q is pressed."""
    with _keys(), Live(console=output.console(), auto_refresh=False) as live:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_q, tasks.cancel_scope)
            await _draw(store, service, live)


async def _draw(store: Store, service: str | None, live: Live) -> None:
    from ..nats.report_reader import regularly

    found: list[Standing] = []
    async with aclosing(regularly(store.where, store.bucket, _EVERY)) as looks:
        async for gathered in looks:
            if isinstance(gathered, LayerError):
                note = Text(output.plain(str(gathered.problems[0])), style="yellow")
            else:
                note, found = Text("q ends", style="dim"), _chosen(gathered, service)
            live.update(Group(_table(found), Text(_summary(found)), note), refresh=True)


def _table(found: Sequence[Standing]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(Text(column.capitalize()), overflow="fold")
    for standing in found:
        styles = ("bold", "", "", "", "bold red" if standing.differs else "dim", standing.colour, "dim")
        table.add_row(*(Text(cell, style=style) for cell, style in zip(_row(standing), styles, strict=True)))
    return table


async def _until_q(scope: anyio.CancelScope) -> None:
    """Cancel when q is pressed; without a terminal to type at, or on Windows, Ctrl+C ends it."""
    while os.name == "posix" and sys.stdin.isatty():
        await anyio.wait_readable(sys.stdin)
        typed = os.read(sys.stdin.fileno(), 1024)
        if not typed or b"q" in typed.lower():
            scope.cancel()
            return


@contextlib.contextmanager
def _keys() -> Generator[None, None, None]:
    """Get each key as it is pressed, and do not show it."""
    if os.name != "posix" or not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
