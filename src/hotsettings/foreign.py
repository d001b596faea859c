"""Texts of exceptions that are not ours: cleared of secrets before they are kept, shown or logged."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .errors import SettingsError
from .load import Loaded
from .problems import secret_texts
from .secrecy import Scrubber

_REMEMBERED = 4
"""Loads whose secrets are still looked for: an old connection may quote an old password when it is closed."""


class Cleared(Exception):
    """What somebody else's exception said, with its type, and without the secrets that it quoted."""


class ForeignTexts:
    """Knows the secrets of the current and the last few settings and candidates, and clears texts of them."""

    def __init__(self, first: Loaded) -> None:
        self._first = first  # what only a restart changes is still what it says
        self._live: deque[Loaded] = deque(maxlen=_REMEMBERED)
        self._candidates: deque[Loaded] = deque(maxlen=_REMEMBERED)
        self._secrets: Scrubber | None = None

    def candidate(self, loaded: Loaded) -> None:
        """Look for the secrets of these settings too. However many candidates there are, what is live stays known."""
        self._know(self._candidates, loaded)

    def live(self, loaded: Loaded) -> None:
        """Look for the secrets of these settings, which are live now."""
        self._know(self._live, loaded)

    def _know(self, loads: deque[Loaded], loaded: Loaded) -> None:
        if not any(known is loaded for known in loads):  # the same candidate may be tried again and again
            loads.append(loaded)
            self._secrets = None

    def clear(self, text: str) -> str:
        """Return the text with every known secret masked."""
        if self._secrets is None:
            self._secrets = Scrubber(
                text
                for loaded in (self._first, *self._live, *self._candidates)
                for text in secret_texts(loaded.schema, loaded.documents)
            )
        return self._secrets.clear(text)

    def describe(self, error: BaseException) -> str:
        """An exception in one line, cleared."""
        text = self.clear(_text(error))
        if isinstance(error, BaseExceptionGroup):
            return f"{text}: {'; '.join(map(self.describe, error.exceptions))}"
        return text if isinstance(error, SettingsError | Cleared) else f"{type(error).__name__}: {text}".rstrip(": ")

    def trace(self, error: BaseException) -> str:
        """An exception with its traceback, cleared, for the log."""
        return self.clear("".join(traceback.format_exception(error)))

    def cleared(self, error: BaseException) -> BaseException:
        """Return the exception without frames and chain, or one that says the same cleared if its text quotes a secret."""
        parts = list(_parts(error))
        for part in parts:
            part.with_traceback(None)
            # Not by plain assignment, which a frozen dataclass refuses.
            BaseException.__setattr__(part, "__cause__", None)
            BaseException.__setattr__(part, "__context__", None)
        if all(self.clear(text) == text for part in parts for text in _texts(part)):
            return error
        return Cleared(self.describe(error))


def _parts(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, and all that it groups."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _parts(part)


def _texts(error: BaseException) -> Iterator[str]:
    yield _text(error)
    yield _text(error, repr)
    yield from map(str, getattr(error, "__notes__", ()))


def _text(error: BaseException, show: Callable[[BaseException], str] = str) -> str:
    try:
        return show(error)
    except Exception:
        return "(it fails to say what it is)"


def name_of(function: Callable[..., Any]) -> str:
    """What a log calls a callback, hook or build."""
    named = getattr(function, "func", function)  # of a functools.partial
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', type(named).__qualname__)}"
