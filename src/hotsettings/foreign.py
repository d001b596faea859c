"""Texts of exceptions that are not ours: cleared of secrets before they are kept, shown or logged."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from .errors import SettingsError
from .load import Loaded
from .problems import secret_texts
from .secrecy import scrub

_REMEMBERED = 4
"""Loads whose secrets are still looked for: an old connection may quote an old password when it is closed."""


class Cleared(Exception):
    """What somebody else's exception said, with its type, and without the secrets that it quoted."""


class ForeignTexts:
    """Knows the secrets of the current, the candidate and the last few settings, and clears texts of them."""

    def __init__(self) -> None:
        self._loads: deque[Loaded] = deque(maxlen=_REMEMBERED)
        self._secrets: frozenset[str] | None = None

    def know(self, loaded: Loaded) -> None:
        """Look for the secrets of these settings too, from now on."""
        self._loads.append(loaded)
        self._secrets = None

    def clear(self, text: str) -> str:
        """Return the text with every known secret masked."""
        if self._secrets is None:
            self._secrets = frozenset(
                text for loaded in self._loads for text in secret_texts(loaded.schema, loaded.documents)
            )
        return scrub(text, self._secrets)

    def describe(self, error: BaseException) -> str:
        """An exception in one line, cleared."""
        text = self.clear(str(error))
        return text if isinstance(error, SettingsError | Cleared) else f"{type(error).__name__}: {text}".rstrip(": ")

    def trace(self, error: BaseException) -> str:
        """An exception with its traceback, cleared, for the log."""
        return self.clear("".join(traceback.format_exception(error)))

    def cleared(self, error: BaseException) -> BaseException:
        """Return the exception without frames and chain, or one that says the same cleared if its text quotes a secret."""
        bare = error.with_traceback(None)
        bare.__cause__ = bare.__context__ = None
        shown = [str(bare), repr(bare), *getattr(bare, "__notes__", ())]
        if isinstance(error, SettingsError) or all(self.clear(text) == text for text in shown):
            return bare
        return Cleared(self.describe(error))


def name_of(function: Callable[..., Any]) -> str:
    """What a log calls a callback, hook or build."""
    named = getattr(function, "func", function)  # of a functools.partial
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', repr(type(named).__qualname__))}"
