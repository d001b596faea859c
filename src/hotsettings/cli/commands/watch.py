"""`watch`: each change and each rejection as it happens."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import anyio
import typer
from msgspec import Struct
from rich.text import Text

from ..._layers.layer import Layer
from ..._live.live import Live
from ..._live.status import Applied, Rejection
from ..._loading.explain import Explanation
from ..._log import NAME
from ..._watching.events import Kind
from ...errors import SHOWN_PROBLEMS, SettingsError, unshown
from .. import output
from ..changes import KeyChange, between_settings
from ..options import Files, Json, SettingsClass
from ..settings_class import schema_or_exit

Watcher = Annotated[
    Kind, typer.Option("--watcher", metavar="auto|inotify|watchfiles|poll", help="What notices changes to the files.")
]


def watch(settings_class: SettingsClass, files: Files, watcher: Watcher = "auto", json: Json = False) -> None:
    """Print changes and rejections as they happen.

    A change shows its keys with their old and new values, where the new ones are written, and what waits for a restart. In a
    pipe each event is one line.
    """
    layers = files.layers()
    cls = schema_or_exit(settings_class, layers).cls
    printer = JsonPrinter() if json else Printer() if output.console().is_terminal else LinePrinter()
    warnings = _Warnings(printer)
    logging.getLogger(NAME).addHandler(warnings)
    try:
        anyio.run(_watch, cls, layers, watcher, printer)
    except KeyboardInterrupt:
        pass
    except SettingsError as error:
        output.fail(error, json=json)
    finally:
        logging.getLogger(NAME).removeHandler(warnings)


async def _watch(cls: Any, layers: Sequence[Layer], watcher: Kind, printer: Printer) -> None:
    async with cls.watch(layers=layers, watcher=watcher) as live:
        await _print_events(live, [layer.label for layer in layers], printer)


async def _print_events(live: Live[Any], files: Sequence[str], printer: Printer) -> None:
    """Print events until cancelled."""
    events = live.events()
    printer.start(files)
    before, waited = live.snapshot.loaded, frozenset[str]()
    async for event in events:
        if isinstance(event, Rejection):
            printer.rejected(event, live.snapshot.generation)
            continue
        after = live.snapshot.loaded
        changes = tuple(between_settings(before, after))
        waiting = tuple(live.explain(key) for key in sorted(event.pending_restart - waited))
        before, waited = after, event.pending_restart
        printer.applied(Edit(event, changes, waiting))


class _Warnings(logging.Handler):
    """Prints the warnings of hotsettings, except those that are printed as an event."""

    def __init__(self, printer: Printer) -> None:
        super().__init__(logging.WARNING)
        self._printer = printer

    def emit(self, record: logging.LogRecord) -> None:
        if not hasattr(record, "as_event"):
            self._printer.warning(record.getMessage())


class Edit(Struct, frozen=True):
    """An applied edit: the keys that have changed, and those that now wait for a restart."""

    event: Applied
    changes: tuple[KeyChange, ...]
    waiting: tuple[Explanation, ...]


class Printer:
    """Prints for a person at a terminal."""

    def start(self, files: Sequence[str]) -> None:
        """Print the names of the watched files."""
        output.console().print(
            Text("Watching ").append(", ".join(files), style="bold").append("  (Ctrl+C ends)", "dim")
        )

    def applied(self, edit: Edit) -> None:
        """Print what has changed."""
        console = output.console()
        what = f"generation {edit.event.generation}" + ("" if edit.changes else ": no value has changed")
        console.print(_time(edit.event).append(what, style="bold green"))
        for change in edit.changes:
            old, new = change.old.text, change.new.text
            sides = (old, "red"), " → ", (new, "green"), (f"  {change.new.origin}".rstrip(), "dim")
            console.print(Text.assemble((f"    {change.key}  ", "bold"), *sides))
        for explained in edit.waiting:
            console.print(Text(f"    {explained.key}  {_waits(explained)}", style="yellow"))

    def rejected(self, event: Rejection, generation: int) -> None:
        """Print why an edit was rejected."""
        console = output.console()
        console.print(_time(event).append(f"rejected, generation {generation} stays live", style="bold red"))
        for problem in event.problems[:SHOWN_PROBLEMS]:
            output.problem(console, problem, "red")
        for text in unshown(event.total) if event.problems else [event.reason]:
            console.print(Text(f"  {text}", style="red"))

    def warning(self, message: str) -> None:
        """Print a warning."""
        output.console().print(Text(message, style="yellow"))


class LinePrinter(Printer):
    """Prints a line for each event, for a pipe."""

    def start(self, files: Sequence[str]) -> None:
        _line(f"watching {', '.join(files)}")

    def applied(self, edit: Edit) -> None:
        changes = [
            f"{each.key} = {each.new.text} (was {', '.join(filter(None, (each.old.text, str(each.new.origin))))})"
            for each in edit.changes
        ]
        waits = [f"{explained.key} {_waits(explained)}" for explained in edit.waiting]
        what = "; ".join([*changes, *waits]) or "no value has changed"
        _line(f"{_stamp(edit.event)} generation {edit.event.generation}: {what}")

    def rejected(self, event: Rejection, generation: int) -> None:
        reasons = [str(problem) for problem in event.problems[:SHOWN_PROBLEMS]] or [event.reason]
        reasons += unshown(event.total)
        _line(f"{_stamp(event)} rejected, generation {generation} stays live: {' | '.join(reasons)}")

    def warning(self, message: str) -> None:
        _line(message)


class JsonPrinter(Printer):
    """Prints a JSON object for each event, for a program."""

    def start(self, files: Sequence[str]) -> None:
        _json("watching", files=list(files))

    def applied(self, edit: Edit) -> None:
        changes = {
            each.key: {"old": each.old.value, "new": each.new.value, **output.origin_json(each.new.origin)}
            for each in edit.changes
        }
        waiting = {explained.key: explained.winner.value for explained in edit.waiting}
        event = edit.event
        _json("applied", at=event.at, generation=event.generation, changes=changes, waiting=waiting)

    def rejected(self, event: Rejection, generation: int) -> None:
        problems = list(map(output.problem_json, event.problems))
        why = {"by": event.by, "reason": event.reason, "problems": problems, "total": event.total}
        _json("rejected", at=event.at, generation=generation, **why)

    def warning(self, message: str) -> None:
        _json("warning", message=message)


def _waits(explained: Explanation) -> str:
    if explained.kept is None:  # applied meanwhile
        return "is live"
    new, kept = explained.winner.text, explained.kept.text
    return f"waits for a restart: {new}, until then {kept}"


def _time(event: Applied | Rejection) -> Text:
    return Text.assemble((f"{event.at.astimezone():%H:%M:%S}  ", "dim"))  # only the time is dim, not what is appended


def _stamp(event: Applied | Rejection) -> str:
    return event.at.isoformat(timespec="seconds")


def _json(event: str, **values: object) -> None:
    _line(output.json_text({"event": event, **values}))


def _line(text: str) -> None:
    """Print a line at once: a reader of the pipe must not wait for the buffer."""
    output.line(text)
    sys.stdout.flush()
