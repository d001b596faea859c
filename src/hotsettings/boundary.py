"""Where this package ends: whatever goes wrong inside, what comes out is a SettingsError that holds nothing of the layers.

`guarded` stands around whatever handles the bytes or the values of layers, and makes of an exception that nobody foresaw an
error of ours. `cleanly` stands around what users call, and takes the frames away: their locals hold what the files say.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar

from .errors import Origin, Problem, SettingsError, UnforeseenError

P = ParamSpec("P")
T = TypeVar("T")

_HERE: Final = os.path.dirname(__file__) + os.sep

# What the interpreter knows of an exception, whatever its class answers when it is asked.
_EXCEPTION: Final[Any] = BaseException
_NAME: Final[Callable[[type], str]] = type.__dict__["__name__"].__get__
_TRACEBACK: Final[Callable[[BaseException], TracebackType | None]] = _EXCEPTION.__traceback__.__get__
_MEMBERS: Final[Callable[[BaseException], Sequence[BaseException]]] = BaseExceptionGroup.__dict__["exceptions"].__get__
_ERRNO: Final[Callable[[BaseException], int | None]] = OSError.__dict__["errno"].__get__

_OUT_OF: Final[dict[type[BaseException], str]] = {
    MemoryError: "the process has no memory left",
    RecursionError: "the stack of the thread is used up",
}


def guarded(origins: Sequence[Origin], work: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> T:
    """Call ``work``, which handles what these layers hold.

    Raises:
        SettingsError: As ``work`` did; or UnforeseenError, whatever else it raised.
    """
    try:
        return work(*args, **named)
    except SettingsError as error:
        raised: Exception = error
    except Exception as error:
        raised = error
    # Not in the handler, or what is raised next would have this one as its context.
    failure = raised if issubclass(type(raised), SettingsError) else unforeseen(raised, origins)
    del raised
    try:
        raise failure
    finally:
        del failure


def cleanly(function: Callable[P, T]) -> Callable[P, T]:
    """Let a SettingsError through without frames and chain, and let the end of stack or memory be one too."""

    @functools.wraps(function)
    def clean(*args: P.args, **named: P.kwargs) -> T:
        try:
            return function(*args, **named)
        except (SettingsError, RecursionError, MemoryError) as error:
            raised: Exception = error.with_traceback(None)
            raised.__cause__ = raised.__context__ = None
        del args, named
        failure = raised if isinstance(raised, SettingsError) else unforeseen(raised, ())
        del raised
        try:
            raise failure
        finally:
            del failure

    return clean


def unforeseen(error: BaseException, origins: Sequence[Origin]) -> UnforeseenError:
    """What to raise or to tell instead of an exception that nobody foresaw while these layers were handled."""
    message = f"unforeseen {fault(error)}"
    hint = _OUT_OF.get(type(error), "no known mistake in the files; if it lasts, please report it")
    if len(origins) == 1 and origins[0].file:
        return UnforeseenError([Problem("", message, origins[0], hint)])
    if origins:
        message += f" with {', '.join(map(str, origins))}"
    return UnforeseenError([Problem("", message, Origin(""), hint)])


def fault(error: BaseException) -> str:
    """The type of an exception, and the last place in this package that it came through. Nothing of what it says."""
    while issubclass(type(error), BaseExceptionGroup):
        error = _MEMBERS(error)[0]
    name = _NAME(type(error))
    if issubclass(type(error), OSError) and (number := _ERRNO(error)) is not None:
        name += f" ({os.strerror(number)})"
    way = way_of(error)
    return f"{name} at {way[-1]}" if way else name


def way_of(error: BaseException) -> list[str]:
    """The places in this package that an exception came through, the innermost last. Source lines could quote something."""
    places: list[str] = []
    trace = _TRACEBACK(error)
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(_HERE) and file != __file__:
            places.append(f"{file.removeprefix(_HERE).replace(os.sep, '/')}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places
