"""Waiting until every instance that has a key applies a revision of it, or saying which do not, and why."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Protocol

import anyio
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from ..errors import LayerError
from . import output
from .instance_status import age_of, is_silent, rejection_of
from .store_options import Store, ask

if TYPE_CHECKING:
    from ..nats.report_reader import Gathered, Reported

_EVERY = 0.5
"""Seconds between two looks at the reports."""
_FIRST_REPORTS = 12.0
"""Seconds after which every instance has reported, should the store have lost its reports."""
_SETTLED = 3.0
"""Seconds for which all others have to stand by their rejection until there is nothing more to wait for."""


class Roll(Protocol):
    """Shows how far it is."""

    def show(self, done: int, total: int) -> None: ...

    def note(self, message: str) -> None: ...


class Waiting:
    """Who has applied a revision so far."""

    def __init__(self, key: str, revision: int) -> None:
        self._key = key
        self._revision = revision
        self._known: dict[str, Reported] = {}
        self._since: float | None = None
        self.heard = False

    def take(self, gathered: Gathered) -> None:
        """Take note of the newest reports. Who has ended in order is waited for no longer."""
        self.heard = True
        for instance in gathered.withdrawn:
            self._known.pop(instance, None)
        for instance, reported in gathered.reports.items():
            if self._key in reported.report.applied or self._key in reported.report.tried:
                self._known[instance] = reported

    @property
    def total(self) -> int:
        return len(self._known)

    @property
    def pending(self) -> list[Reported]:
        """Those who have not applied it, by name."""
        return [
            reported
            for _, reported in sorted(self._known.items())
            if reported.report.applied.get(self._key, 0) < self._revision
        ]

    def ended(self, now: float, started: float) -> bool:
        """Whether there is nothing more to wait for."""
        pending = self.pending
        if not self._known:
            return now - started >= _FIRST_REPORTS
        if not all(map(self._has_rejected, pending)):
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        return not pending or now - self._since >= _SETTLED

    def _has_rejected(self, reported: Reported) -> bool:
        report = reported.report
        return report.rejection is not None and report.tried.get(self._key, 0) >= self._revision

    def why(self, reported: Reported) -> str:
        """Why an instance has not applied it, as far as it says."""
        report = reported.report
        has = report.applied.get(self._key, 0)
        kept = f"it has revision {has}" if has else "it has none"
        if is_silent(reported):
            return f"has not reported since {reported.at:%H:%M:%S} UTC, {age_of(reported):.0f} s ago; {kept}"
        if self._has_rejected(reported):
            return f"has rejected it: {rejection_of(reported)}"
        if report.source == "store":
            return f"is at it; {kept}" if report.tried.get(self._key, 0) >= self._revision else kept
        return f"cannot reach the store; {kept}"


def wait(store: Store, key: str, revision: int, seconds: float) -> None:
    """Wait at most so long. Exits with 1 if not every instance has applied it."""
    waiting = Waiting(key, revision)
    label = f"{store.label(key)}@{revision}"

    async def look() -> None:
        with _roll(label) as roll, anyio.move_on_after(seconds):
            await _look(store, waiting, roll)

    try:
        ask(look)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; it stays published.\n")
    _conclude(waiting, label, key)


async def _look(store: Store, waiting: Waiting, roll: Roll) -> None:
    from ..nats.report_reader import regularly

    started = anyio.current_time()
    async with aclosing(regularly(store.where, store.bucket, _EVERY)) as looks:
        async for gathered in looks:
            if isinstance(gathered, LayerError):
                roll.note(output.plain(str(gathered.problems[0])))
                continue
            waiting.take(gathered)
            roll.show(waiting.total - len(waiting.pending), waiting.total)
            if waiting.ended(anyio.current_time(), started):
                return


def _conclude(waiting: Waiting, label: str, key: str) -> None:
    pending = waiting.pending
    if not waiting.heard:
        sys.stderr.write(f"The store has not told who has applied {label}; hotsettings fleet asks again.\n")
        raise typer.Exit(1)
    if not waiting.total:
        output.line(f"No instance reports {key}: there is nobody to wait for.")
    elif not pending:
        every = "The one instance has" if waiting.total == 1 else f"All {waiting.total} instances have"
        output.console().print(Text(f"{every} applied {label}.", style="green"))
    else:
        console = output.console(stderr=True)
        sys.stdout.flush()
        console.print(Text(f"{len(pending)} of {waiting.total} have not applied {label}:", style="bold red"))
        for reported in pending:
            text = Text.assemble((output.plain(reported.report.instance), "bold"), f"  {waiting.why(reported)}")
            output.hanging(console, "  ", text, 6)
        raise typer.Exit(1)


class _Lines:
    """For a pipe: a line whenever something is new."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._last = ""

    def show(self, done: int, total: int) -> None:
        self.note(f"{done} of {total} have applied {self._label}" if total else "waiting for the first report")

    def note(self, message: str) -> None:
        if message != self._last:
            output.line(message)
            sys.stdout.flush()
        self._last = message


class _Bar:
    """For a person."""

    def __init__(self, progress: Progress, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=None)

    def show(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total or None)

    def note(self, message: str) -> None:
        self._progress.console.print(Text(message, style="yellow"))


@contextmanager
def _roll(label: str) -> Generator[Roll, None, None]:
    if not output.interactive():
        yield _Lines(label)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=output.console(), transient=True) as progress:
        yield _Bar(progress, label)
