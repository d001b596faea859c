"""`fleet`: what every process has applied, and whether they agree."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer
from msgspec.structs import asdict
from rich.text import Text

from ...errors import LayerError
from .. import output
from ..instance_status import InstanceStatus, instance_statuses, printable
from ..options import Json
from ..store_access import BucketAddress, StoreOptions, ask, ask_bucket

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from ...nats.report_reader import Reports

_INTERVAL = 1.0
"""Seconds between two readings of the reports."""
_COLUMNS = ("INSTANCE", "SERVICE", "GENERATION", "APPLIED", "DIGEST", "STATE", "AGE")
_DIGEST = 8
"""Characters of a digest that are shown."""


def fleet(
    store: StoreOptions,
    service: Annotated[
        str | None, typer.Option("--service", metavar="NAME", help="Show only the instances of this service.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what every process has applied.

    On a terminal it stays and updates the table until you press q. In a pipe it prints once. It needs no class and shows no
    values. ≠ marks instances whose settings differ from those of most instances of their service.
    """
    address = store.address()
    if not json and output.interactive():
        ask(lambda: _stay(address, service))
        return
    from ...nats.report_reader import read_reports

    found = _chosen(ask_bucket(address, read_reports, json=json), service)
    if json:
        output.json(list(map(_json, found)))
    else:
        _as_lines(found)


def _chosen(reports: Reports, service: str | None) -> list[InstanceStatus]:
    return instance_statuses(each for each in reports.received.values() if service in (None, each.report.service))


def _row(status: InstanceStatus) -> tuple[str, ...]:
    report = status.report
    digest = ("≠" if status.differs else "") + printable(report.digest[:_DIGEST])
    state = f"{status.state}: {status.detail}" if status.detail else status.state
    age = f"{status.age:.0f} s"
    names = printable(report.instance), printable(report.service)
    return *names, str(report.generation), _revisions(report.applied), digest, state, age


def _revisions(applied: Mapping[str, int]) -> str:
    return " ".join(f"{printable(key)}@{revision}" for key, revision in sorted(applied.items()))


def _as_lines(found: Sequence[InstanceStatus]) -> None:
    """Print columns for a pipe, with the state last, since it may be long."""
    rows = [_COLUMNS, *map(_row, found)]
    lines = [(*row[:5], row[6], row[5]) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    if found:
        for line in lines:
            output.line("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[6]]))
    output.line(_summary(found))


def _summary(found: Sequence[InstanceStatus]) -> str:
    if not found:
        return "No instance reports."
    trouble = [status.state for status in found if status.state != "ok"]
    parts = [f"{len(found)} instance" + ("" if len(found) == 1 else "s")]
    parts += [f"{trouble.count(state)} {state}" for state in dict.fromkeys(trouble)]
    if differing := sum(status.differs for status in found):
        parts.append(f"{differing} whose settings differ from most of their service (≠)")
    return ", ".join(parts)


def _json(status: InstanceStatus) -> Any:
    report = status.report
    judged = {"state": status.state, "differs": status.differs, "age": round(status.age, 3)}
    problems = [
        {"key": each.key, "code": each.code, "message": each.message, **output.origin_json(each.origin)}
        for each in report.problems
    ]
    named = {"instance": report.instance, "service": report.service}
    return _printable({**named, **judged, **asdict(report), "problems": problems})


def _printable(value: Any) -> Any:
    """Clean every text in tables and arrays, since a report is text of others."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(key): _printable(item) for key, item in value.items()}
    return list(map(_printable, value)) if isinstance(value, list | tuple) else value


async def _stay(address: BucketAddress, service: str | None) -> None:
    """Keep the table up to date until q is pressed."""
    from rich.live import Live  # slow to import

    with _keys(), Live(console=output.console(), auto_refresh=False) as live:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_q, tasks.cancel_scope)
            await _draw(address, service, live)


async def _draw(address: BucketAddress, service: str | None, live: Live) -> None:
    from rich.console import Group

    from ...nats.report_reader import poll_reports

    found: list[InstanceStatus] = []
    async with aclosing(poll_reports(address.servers, address.name, _INTERVAL)) as polled:
        async for reports in polled:
            if isinstance(reports, LayerError):
                note = Text(output.plain(str(reports.problems[0])), style="yellow")
            else:
                note, found = Text("q ends", style="dim"), _chosen(reports, service)
            live.update(Group(_table(found), Text(_summary(found)), note), refresh=True)


def _table(found: Sequence[InstanceStatus]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(Text(column.capitalize()), overflow="fold")
    for status in found:
        styles = ("bold", "", "", "", "bold red" if status.differs else "dim", status.colour, "dim")
        table.add_row(*(Text(cell, style=style) for cell, style in zip(_row(status), styles, strict=True)))
    return table


async def _until_q(scope: anyio.CancelScope) -> None:
    """Cancel when q is pressed. On Windows, or if standard input is no terminal, only Ctrl+C ends the command."""
    while os.name == "posix" and sys.stdin.isatty():
        await anyio.wait_readable(sys.stdin)
        typed = os.read(sys.stdin.fileno(), 1024)
        if not typed or b"q" in typed.lower():
            scope.cancel()
            return


@contextlib.contextmanager
def _keys() -> Generator[None, None, None]:
    """Read each key as it is pressed, without echo."""
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
