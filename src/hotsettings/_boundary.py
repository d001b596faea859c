"""Whatever fails inside this package, users get a SettingsError that holds nothing of what the layers say.

`guarded` calls what handles the bytes or the values of layers, and turns an unexpected exception into an UnforeseenError.
Such functions come in pairs with twin names: `parse` guards `_parsed`, which does the work.
`without_frames` decorates what users call, and removes the frames of this package from the traceback: their locals hold
values. Neither raises inside of an ``except`` block, because the exception that was caught would become the context of the
new one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar

from .errors import NOWHERE, Origin, Problem, SettingsError, UnforeseenError

P = ParamSpec("P")
T = TypeVar("T")

_HERE: Final = os.path.dirname(__file__) + os.sep

# The attributes of an exception as the interpreter has them. A class could override them, and what it returns is not trusted.
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
    """Call ``work``, which handles the layers that ``origins`` names, and turn an unexpected exception into our own error.

    Raises:
        SettingsError: What ``work`` raised, or an UnforeseenError in the place of any other Exception.
    """
    try:
        return work(*args, **named)
    except SettingsError as error:
        raised: Exception = error
    except Exception as error:
        raised = error
    failure = raised if issubclass(type(raised), SettingsError) else unforeseen(raised, origins)
    del raised
    try:
        raise failure
    finally:
        del failure


def without_frames(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function so that its SettingsErrors have no frames of this package, no cause and no context.

    Without stack or memory even `guarded` may fail. So RecursionError and MemoryError become an UnforeseenError here too.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **named: P.kwargs) -> T:
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

    return wrapper


def unforeseen(error: BaseException, origins: Sequence[Origin]) -> UnforeseenError:
    """Return the error that stands for an unexpected exception. It names the layers that were being handled."""
    message = f"unforeseen {type_and_place(error)}"
    hint = _OUT_OF.get(type(error), "no known mistake in the files; if it lasts, please report it")
    if len(origins) == 1 and origins[0].file:
        return UnforeseenError([Problem("", message, origins[0], hint, "unforeseen")])
    if origins:
        message += f" with {', '.join(map(str, origins))}"
    return UnforeseenError([Problem("", message, NOWHERE, hint, "unforeseen")])


def type_and_place(error: BaseException) -> str:
    """Return the type of an exception, and the last place in this package that it came through, but not its message."""
    while issubclass(type(error), BaseExceptionGroup):
        error = _MEMBERS(error)[0]
    name = _NAME(type(error))
    if issubclass(type(error), OSError) and (number := _ERRNO(error)) is not None:
        name += f" ({os.strerror(number)})"
    places = places_of(error)
    return f"{name} at {places[-1]}" if places else name


def places_of(error: BaseException) -> list[str]:
    """Return the files and lines in this package that an exception came through, the innermost last.

    Source lines are left out: an argument written in one could be quoted.
    """
    places: list[str] = []
    trace = _TRACEBACK(error)
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(_HERE) and file != __file__:
            places.append(f"{file.removeprefix(_HERE).replace(os.sep, '/')}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places
