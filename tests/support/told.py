"""Everything that an error tells, shown in any way, or holds within reach."""

import copy
import io
import logging
import pickle
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

import hotsettings
from hotsettings import Rejected, SettingsError

LIBRARY = str(Path(hotsettings.__file__).parent)


def library_frames(error: BaseException) -> Iterator[types.FrameType]:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(LIBRARY):
            yield trace.tb_frame
        trace = trace.tb_next


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def reachable(value: Any, seen: set[int]) -> Iterator[str | bytes]:
    """Every text that can be reached from a value by attributes and items; classes, modules and functions left out."""
    if id(value) in seen or isinstance(value, type | types.ModuleType | types.FunctionType | types.MethodType):
        return
    seen.add(id(value))
    if isinstance(value, str | bytes):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from reachable(key, seen)
            yield from reachable(item, seen)
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from reachable(item, seen)
    else:
        names = {
            *(getattr(value, "__dict__", None) or ()),
            *(getattr(value, "__slots__", None) or ()),
            *(getattr(value, "__struct_fields__", None) or ()),
        }
        for name in names:
            yield from reachable(getattr(value, name, None), seen)


def everything_told(error: BaseException) -> Iterator[str]:
    """All that can be made of an exception by those who print, log, render, store or send it."""
    yield from (
        str(error),
        repr(error),
        f"{error}",
        f"{error!s:>9}",
        ascii(error),
        pretty_repr(error),
        pretty_repr(error.args),
    )
    yield from traceback.format_exception(error)
    yield from traceback.TracebackException.from_exception(error, capture_locals=True).format()
    stream = io.StringIO()
    Console(file=stream, width=250).print(error, getattr(error, "problems", ()))
    yield stream.getvalue()
    for each in chain(error):
        yield from map(str, getattr(each, "__notes__", ()))
        for frame in library_frames(each):
            yield from map(repr, frame.f_locals.values())
            for value in frame.f_locals.values():
                yield from (
                    found if isinstance(found, str) else found.decode("latin-1") for found in reachable(value, set())
                )
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.setFormatter(logging.Formatter("%(message)s %(extra)s %(exc_text)s"))
    logger = logging.getLogger("told")
    logger.propagate = False
    logger.handlers = [handler]
    for message, argument in (("%r", error), ("%s", error), ("%s", error.args), ("%s", vars(error))):
        logger.error(message, argument, extra={"extra": error}, exc_info=error)
    yield stream.getvalue()
    yield from (repr(record) for record in (vars(error), error.__reduce__(), copy.copy(error)))
    if isinstance(error, SettingsError):
        yield pickle.dumps(error).decode("latin-1")
        yield pickle.dumps(error, 0).decode("latin-1")
        yield from everything_of(error)
        rejected = Rejected(error)
        yield from (str(rejected), repr(rejected), pickle.dumps(rejected).decode("latin-1"))


def rich_traceback(error: BaseException) -> str:
    stream = io.StringIO()
    trace = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=10_000
    )
    Console(file=stream, width=250).print(trace)
    return stream.getvalue()


def everything_of(error: SettingsError) -> Iterator[str]:
    for problem in error.problems:
        yield from (repr(problem), str(problem), *problem.lines(), repr(problem.origin))
