"""A rollout: wait until every instance that has a key applies a revision of it, or say which do not, and why."""

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
from . import NOT_THE_FILES, output
from .instance_status import age_of, is_silent, rejection_of
from .store_access import BucketAddress, ask

if TYPE_CHECKING:
    from ..nats.report_reader import ReceivedReport, Reports

_INTERVAL = 0.5
"""Seconds between two readings of the reports."""
_FIRST_REPORTS = 12.0
"""Seconds within which every instance reports again if the store has lost the reports."""
_SETTLED = 3.0
"""Seconds for which all remaining instances have to report a rejection before waiting ends."""


class Display(Protocol):
    """Shows how many instances have applied the revision."""

    def show(self, done: int, total: int) -> None: ...

    def note(self, message: str) -> None: ...


class Rollout:
    """Which instances have applied a revision so far."""

    def __init__(self, key: str, revision: int) -> None:
        self._key = key
        self._revision = revision
        self._known: dict[str, ReceivedReport] = {}
        self._all_rejected_since: float | None = None
        self.has_reports = False
        """The reports could be read at least once."""

    def update(self, reports: Reports) -> None:
        """Take the newest reports. An instance that has withdrawn its report has ended, and is no longer waited for."""
        self.has_reports = True
        for instance in reports.withdrawn:
            self._known.pop(instance, None)
        for instance, received in reports.received.items():
            if self._key in received.report.applied or self._key in received.report.tried:
                self._known[instance] = received

    @property
    def total(self) -> int:
        return len(self._known)

    @property
    def pending(self) -> list[ReceivedReport]:
        """The reports of the instances that have not applied it, sorted by instance."""
        return [
            received
            for _, received in sorted(self._known.items())
            if received.report.applied.get(self._key, 0) < self._revision
        ]

    def ended(self, now: float, started: float) -> bool:
        """Whether there is nothing left to wait for. Both times are in seconds, of the clock of anyio."""
        pending = self.pending
        if not self._known:
            return now - started >= _FIRST_REPORTS
        if not all(map(self._has_rejected, pending)):
            self._all_rejected_since = None
            return False
        self._all_rejected_since = now if self._all_rejected_since is None else self._all_rejected_since
        return not pending or now - self._all_rejected_since >= _SETTLED

    def _has_rejected(self, received: ReceivedReport) -> bool:
        report = received.report
        return report.rejection is not None and report.tried.get(self._key, 0) >= self._revision

    def why(self, received: ReceivedReport) -> str:
        """Why an instance has not applied it, as far as its report says."""
        report = received.report
        has = report.applied.get(self._key, 0)
        kept = f"it has revision {has}" if has else "it has none"
        if is_silent(received):
            return f"has not reported since {received.at:%H:%M:%S} UTC, {age_of(received):.0f} s ago; {kept}"
        if self._has_rejected(received):
            return f"has rejected it: {rejection_of(received)}"
        if report.source == "store":
            return f"is applying it; {kept}" if report.tried.get(self._key, 0) >= self._revision else kept
        return f"cannot reach the store; {kept}"


def wait(address: BucketAddress, key: str, revision: int, timeout: float) -> None:
    """Wait for at most ``timeout`` seconds.

    Exits with 1 if not every instance has applied the revision, and with 3 if the store did not say who has.
    """
    rollout = Rollout(key, revision)
    label = f"{address.label(key)}@{revision}"

    async def look() -> None:
        with _display(label) as display, anyio.move_on_after(timeout):
            await _watch(address, rollout, display)

    try:
        ask(look)
    except KeyboardInterrupt:
        sys.stderr.write(f"Interrupted. {label} stays published.\n")
    _conclude(rollout, label, key)


async def _watch(address: BucketAddress, rollout: Rollout, display: Display) -> None:
    from ..nats.report_reader import poll_reports

    started = anyio.current_time()
    async with aclosing(poll_reports(address.servers, address.name, _INTERVAL)) as polled:
        async for reports in polled:
            if isinstance(reports, LayerError):
                display.note(output.plain(str(reports.problems[0])))
                continue
            rollout.update(reports)
            display.show(rollout.total - len(rollout.pending), rollout.total)
            if rollout.ended(anyio.current_time(), started):
                return


def _conclude(rollout: Rollout, label: str, key: str) -> None:
    pending = rollout.pending
    if not rollout.has_reports:
        sys.stderr.write(f"The reports could not be read. To see who has applied {label}: hotsettings fleet\n")
        raise typer.Exit(NOT_THE_FILES)
    if not rollout.total:
        output.line(f"No instance reports {key}: there is nobody to wait for.")
    elif not pending:
        every = "The one instance has" if rollout.total == 1 else f"All {rollout.total} instances have"
        output.console().print(Text(f"{every} applied {label}.", style="green"))
    else:
        console = output.console(stderr=True)
        sys.stdout.flush()
        console.print(Text(f"{len(pending)} of {rollout.total} have not applied {label}:", style="bold red"))
        for received in pending:
            text = Text.assemble((output.plain(received.report.instance), "bold"), f"  {rollout.why(received)}")
            output.hanging(console, "  ", text, 6)
        raise typer.Exit(1)


class _Lines:
    """Prints a line for a pipe when something has changed."""

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
    """Draws a progress bar for a person."""

    def __init__(self, progress: Progress, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=None)

    def show(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total or None)

    def note(self, message: str) -> None:
        self._progress.console.print(Text(message, style="yellow"))


@contextmanager
def _display(label: str) -> Generator[Display, None, None]:
    if not output.interactive():
        yield _Lines(label)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=output.console(), transient=True) as progress:
        yield _Bar(progress, label)
