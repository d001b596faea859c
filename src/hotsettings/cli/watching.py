"""What `watch` prints: each change and each rejection as it happens."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

import anyio
import msgspec
from msgspec import Struct
from rich.text import Text

from .._layers.toml.values import toml
from .._live.live import Live
from .._live.status import Applied, Rejection
from .._loading.explain import Explanation, Setting, effective
from .._log import NAME
from .._schema.schema import Schema
from .._watching.events import Kind
from ..errors import SHOWN_PROBLEMS, SettingsError, unshown
from . import output
from .target import Files


class News(Struct, frozen=True):
    """An accepted edit: settings that are other than before, and those that wait for a restart."""

    event: Applied
    changes: tuple[tuple[Setting, Setting], ...]
    waiting: tuple[Explanation, ...]


class Reporter:
    """Prints for a person at a terminal."""

    def start(self, files: Sequence[str]) -> None:
        """Say what is watched."""
        output.console().print(
            Text("Watching ").append(", ".join(files), style="bold").append("  (Ctrl+C ends)", "dim")
        )

    def accepted(self, news: News) -> None:
        """Print what has changed."""
        console = output.console()
        what = f"generation {news.event.generation}" + ("" if news.changes else ": no value has changed")
        console.print(_time(news.event).append(what, style="bold green"))
        for old, new in news.changes:
            console.print(
                Text(f"    {new.leaf.key}  ", style="bold")
                .append(toml(old.value), style="red")
                .append(" → ")
                .append(toml(new.value), style="green")
                .append(f"  {new.origin}", style="dim")
            )
        for explained in news.waiting:
            console.print(Text(f"    {explained.key}  {_waits(explained)}", style="yellow"))

    def rejected(self, event: Rejection, generation: int) -> None:
        """Print why an edit was not accepted."""
        console = output.console()
        console.print(_time(event).append(f"rejected, generation {generation} stays live", style="bold red"))
        for problem in event.problems[:SHOWN_PROBLEMS]:
            output.problem(console, problem, "red")
        for text in unshown(event.total) if event.problems else [event.reason]:
            console.print(Text(f"  {text}", style="red"))

    def note(self, message: str) -> None:
        """Print a warning of the watcher."""
        output.console().print(Text(message, style="yellow"))


class PlainReporter(Reporter):
    """Prints a line for each event, for a pipe."""

    def start(self, files: Sequence[str]) -> None:
        _line(f"watching {', '.join(files)}")

    def accepted(self, news: News) -> None:
        changes = [
            f"{new.leaf.key} = {toml(new.value)} (was {toml(old.value)}, {new.origin})" for old, new in news.changes
        ]
        waits = [f"{explained.key} {_waits(explained)}" for explained in news.waiting]
        what = "; ".join([*changes, *waits]) or "no value has changed"
        _line(f"{_stamp(news.event)} generation {news.event.generation}: {what}")

    def rejected(self, event: Rejection, generation: int) -> None:
        reasons = [str(problem) for problem in event.problems[:SHOWN_PROBLEMS]] or [event.reason]
        reasons += unshown(event.total)
        _line(f"{_stamp(event)} rejected, generation {generation} stays live: {' | '.join(reasons)}")

    def note(self, message: str) -> None:
        _line(message)


class JsonReporter(Reporter):
    """Prints a JSON object for each event, for a program."""

    def start(self, files: Sequence[str]) -> None:
        _json({"event": "watching", "files": list(files)})

    def accepted(self, news: News) -> None:
        changes = {
            new.leaf.key: {"old": old.value, "new": new.value, **output.origin_json(new.origin)}
            for old, new in news.changes
        }
        waiting = {explained.key: explained.winner.value for explained in news.waiting}
        event = news.event
        _json(
            {"event": "applied", "at": event.at, "generation": event.generation, "changes": changes, "waiting": waiting}
        )

    def rejected(self, event: Rejection, generation: int) -> None:
        problems = [output.problem_json(problem) for problem in event.problems]
        _json(
            {
                "event": "rejected",
                "at": event.at,
                "generation": generation,
                "by": event.by,
                "reason": event.reason,
                "problems": problems,
                "total": event.total,
            }
        )

    def note(self, message: str) -> None:
        _json({"event": "warning", "message": message})


def run(schema: Schema, files: Files, watcher: Kind, json: bool) -> None:
    """Watch and print until interrupted. Exits with 1 if the files cannot be loaded at the start."""
    reporter = JsonReporter() if json else Reporter() if output.console().is_terminal else PlainReporter()
    logging.getLogger(NAME).addHandler(WarningsOnly(reporter))
    try:
        anyio.run(_watch, schema, files, watcher, reporter)
    except KeyboardInterrupt:
        pass
    except SettingsError as error:
        output.fail(error, json=json)


async def _watch(schema: Schema, files: Files, watcher: Kind, reporter: Reporter) -> None:
    cls: Any = schema.cls
    paths = {"config_path": files.config, "secrets_path": files.secrets, "override_path": files.override}
    async with cls.watch(**paths, watcher=watcher) as live:
        await report(live, [path for path in paths.values() if path is not None], reporter)


async def report(live: Live[Any], files: Sequence[str], reporter: Reporter) -> None:
    """Print until cancelled."""
    events = live.events()
    reporter.start(files)
    before, waited = effective(live.snapshot.loaded), frozenset[str]()
    async for event in events:
        if isinstance(event, Rejection):
            reporter.rejected(event, live.snapshot.generation)
            continue
        after = effective(live.snapshot.loaded)
        changes = tuple(pair for pair in zip(before, after, strict=True) if pair[1].leaf.key in event.keys)
        waiting = tuple(live.explain(key) for key in sorted(event.pending_restart - waited))
        before, waited = after, event.pending_restart
        reporter.accepted(News(event, changes, waiting))


class WarningsOnly(logging.Handler):
    """Passes on what the watcher warns of, apart from what is told as an event."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        if not hasattr(record, "as_event"):
            self._reporter.note(record.getMessage())


def _waits(explained: Explanation) -> str:
    if explained.kept is None:  # applied meanwhile
        return "is live"
    return f"waits for a restart: {toml(explained.winner.value)}, until then {toml(explained.kept.value)}"


def _time(event: Applied | Rejection) -> Text:
    return Text.assemble((f"{event.at.astimezone():%H:%M:%S}  ", "dim"))  # dim itself, but not what follows it


def _stamp(event: Applied | Rejection) -> str:
    return event.at.isoformat(timespec="seconds")


def _json(value: dict[str, Any]) -> None:
    _line(msgspec.json.encode(value, enc_hook=repr).decode())


def _line(text: str) -> None:
    """Write a line at once: whoever reads along in a pipe must not wait for the buffer."""
    output.line(text)
    sys.stdout.flush()
