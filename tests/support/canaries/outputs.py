"""All that can be learnt of a live object, of an error and of the settings: every output with its name."""

from __future__ import annotations

import io
import logging
import pickle
import traceback
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

import anyio
import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from hotsettings import Live, Rejected, SettingsError
from hotsettings._live.events import Events
from hotsettings._live.status import Applied, Rejection
from hotsettings.cli import main
from hotsettings.integrations.page import settings_page
from hotsettings.integrations.prometheus import SettingsCollector
from support.asking import ask
from support.command import made_once
from support.told import everything_told, reachable, rich_traceback

Output = tuple[str, str]


async def rejection(reload: Awaitable[object]) -> Rejected | None:
    """What a reload is refused with. No frame above this one is in its traceback, so none of a test's own."""
    try:
        await reload
    except Rejected as error:
        return error
    return None


def of_error(error: BaseException, *, rich: bool = True) -> Iterator[Output]:
    """What can be made of an exception, and every text that it leads to.

    Its frames are shown with their locals, also by rich, which is slow. What these hold is not searched: the live object
    is among them.
    """
    name = "error"
    for line in traceback.TracebackException.from_exception(error, capture_locals=True).format():
        yield f"{name}, traceback with locals", line
    if rich:
        yield f"{name}, rich traceback", rich_traceback(error)
    error = error.with_traceback(None)
    for text in everything_told(error):
        yield name, text
    for found in reachable(error, set()):
        yield f"{name}, reachable", found if isinstance(found, str) else found.decode("latin-1")
    if isinstance(error, SettingsError):
        yield f"{name}, pickled", pickle.dumps(error).decode("latin-1")
        yield f"{name}, pickled and back", "".join(traceback.format_exception(pickle.loads(pickle.dumps(error))))


def of_settings(settings: Any) -> Iterator[Output]:
    """What settings, or a part of them, look like."""
    stream = io.StringIO()
    Console(file=stream, width=200).print(settings)
    yield from (("repr", repr(settings)), ("str", str(settings)), ("rich", stream.getvalue()))


def of_events(events: Iterable[Applied | Rejection]) -> Iterator[Output]:
    """The record, as an audit log would keep it."""
    for event in events:
        yield "event", repr(event)
        yield "event as JSON", msgspec.json.encode(event).decode()


async def of_live(live: Live[Any], *, page: Any = None) -> list[Output]:
    """What a live object tells of itself, on its page and in its figures too."""
    status = live.status
    told = [("status", repr(status)), ("status as JSON", msgspec.json.encode(status).decode())]
    told += [("live", repr(live)), ("snapshot", repr(live.snapshot)), ("origins", repr(dict(live.snapshot.origins)))]
    told += list(of_settings(live.current))
    for key in live.snapshot.origins:
        explanation = live.explain(key)
        told += [("explain()", str(explanation)), ("explain(), repr", repr(explanation))]
    registry = CollectorRegistry()
    registry.register(SettingsCollector(live))
    told.append(("Prometheus", generate_latest(registry).decode()))
    page = page if page is not None else settings_page(live, authorize=lambda _: True)
    told.append(("page", (await ask(page)).text))
    return told


async def so_far(events: Events) -> list[Output]:
    """What the record has told and nobody has read yet."""
    told: list[Output] = []
    while True:
        with anyio.move_on_after(0.001):
            told += of_events([await anext(events)])
            continue
        return told


class Log(logging.Handler):
    """Keeps all that is logged, as handlers write it: messages, arguments, exceptions, and every field of a record."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def outputs(self) -> Iterator[Output]:
        for record in self.records:
            yield "log", logging.Formatter().format(record)
            yield "log record", repr(vars(record))
            for found in reachable(record.args, set()):
                yield "log record, reachable", str(found)

    def __enter__(self) -> Log:
        logger = logging.getLogger("hotsettings")
        self._level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logger = logging.getLogger("hotsettings")
        logger.removeHandler(self)
        logger.setLevel(self._level)


def command(*args: str) -> Output:
    """Run the command in this process; what it prints under its name."""
    out = io.StringIO()
    with (
        patch("typer.main.get_command", made_once),
        patch("sys.argv", ["hotsettings", *args]),
        redirect_stdout(out),
        redirect_stderr(out),
    ):
        try:
            main()
        except SystemExit:
            pass
    return f"hotsettings {args[0]} {' '.join(arg for arg in args[2:] if not arg.startswith('/'))}", out.getvalue()
