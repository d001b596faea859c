"""Exceptions of others as texts. Their own objects may hold secrets, and their methods may do anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeGuard, TypeVar

from ..errors import SettingsError

E = TypeVar("E", bound=BaseException)

_MOST = 30
"""Exceptions of a group that are described."""

# Of a group itself, whatever its class puts in their place.
_GROUP: Any = BaseExceptionGroup
_MESSAGE: Callable[[BaseException], str] = _GROUP.message.__get__
_EXCEPTIONS: Callable[[BaseException], tuple[BaseException, ...]] = _GROUP.exceptions.__get__

_SILENT = "(it fails to say what it is)"


class Redacted(Exception):
    """Stands for an exception of somebody else: what it said, redacted, and ``kind``, the name of its type."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text, kind)
        self.kind = kind

    def __str__(self) -> str:
        return str(self.args[0]) or self.kind


def _is(error: BaseException, kind: type[E]) -> TypeGuard[E]:
    """Like isinstance, which asks an object for its class and gets any answer."""
    return issubclass(type(error), kind)


def said(error: BaseException) -> str:
    """What an exception says, and all that it groups, in one text."""
    first, *others = _members(error)
    return ": ".join(filter(None, (_message(first), "; ".join(map(described, others)))))


def described(error: BaseException) -> str:
    """What an exception says, after its type."""
    text, kind = (error.args[0] if _is(error, Redacted) else said(error)), kind_of(error)
    return ": ".join(filter(None, (kind, text)))


def traced(error: BaseException) -> str:
    """An exception with its traceback, as the log shows it."""
    import traceback  # slow to import, and needed only where something has failed

    return asked(lambda: "".join(traceback.format_exception(error))) or described(error)


def kind_of(error: BaseException) -> str:
    """The name of its type; "" for errors of settings, whose texts need none."""
    if _is(error, Redacted):
        return error.kind
    return "" if _is(error, SettingsError) else asked(lambda: type(error).__name__) or "Exception"


def asked(say: Callable[[], str]) -> str | None:
    """What a foreign object says; None where it fails to, whatever it raises."""
    try:
        return "".join(say())  # a plain str, whatever its class would do
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def _message(error: BaseException) -> str:
    text = asked(lambda: _MESSAGE(error) if _is(error, BaseExceptionGroup) else str(error))
    return _SILENT if text is None else text


def _members(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, and what it groups, as far as that is worth telling."""
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
