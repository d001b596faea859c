"""Exceptions of others as texts. The objects themselves may hold secrets, and their methods may do anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeGuard, TypeVar

from ..errors import Redacted, SettingsError

E = TypeVar("E", bound=BaseException)

_MOST = 30
"""Exceptions of a group that are described."""

# Of a group itself, whatever its class puts in their place.
_GROUP: Any = BaseExceptionGroup
_MESSAGE: Callable[[BaseException], str] = _GROUP.message.__get__
_EXCEPTIONS: Callable[[BaseException], tuple[BaseException, ...]] = _GROUP.exceptions.__get__

_SILENT = "(it fails to say what it is)"


def _is(error: BaseException, kind: type[E]) -> TypeGuard[E]:
    """Do the same as isinstance, but without asking the object for its class: it may lie."""
    return issubclass(type(error), kind)


def message_of(error: BaseException) -> str:
    """Return the message of an exception, and the types and messages of all that it groups, in one text."""
    first, *others = _members(error)
    return ": ".join(filter(None, (_own_message(first), "; ".join(map(type_and_message, others)))))


def type_and_message(error: BaseException) -> str:
    """Return the name of an exception's type, and its message."""
    text = error.args[0] if _is(error, Redacted) else message_of(error)
    return ": ".join(filter(None, (type_name_of(error), text)))


def traceback_of(error: BaseException) -> str:
    """Return an exception with its traceback, as the log shows it."""
    import traceback  # slow to import, and needed only where something has failed

    return _text_or_none(lambda: "".join(traceback.format_exception(error))) or type_and_message(error)


def type_name_of(error: BaseException) -> str:
    """Return the name of an exception's type; "" for a SettingsError, whose text needs none."""
    if _is(error, Redacted):
        return error.kind
    return "" if _is(error, SettingsError) else _text_or_none(lambda: type(error).__name__) or "Exception"


def _own_message(error: BaseException) -> str:
    text = _text_or_none(lambda: _MESSAGE(error) if _is(error, BaseExceptionGroup) else str(error))
    return _SILENT if text is None else text


def _text_or_none(foreign: Callable[[], str]) -> str | None:
    """Call code of others that should return a text. Return None if it raises anything but KeyboardInterrupt."""
    try:
        return "".join(foreign())  # a plain str, even if it returned an instance of a subclass
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def _members(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, then the first 30 that it groups, at any depth."""
    yield error
    waiting, count = [*_inside(error)], 1
    while waiting and count < _MOST:
        member = waiting.pop(0)
        if _is(member, BaseExceptionGroup):
            waiting[:0] = _inside(member)
        else:
            count += 1
            yield member


def _inside(error: BaseException) -> Sequence[BaseException]:
    return _EXCEPTIONS(error)[:_MOST] if _is(error, BaseExceptionGroup) else ()
