"""The one logger: quiet below WARNING by default, and useful at INFO."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

NAME = "hotsettings"

AS_EVENT = {"as_event": True}
"""Marks records whose content is also told as an event, so that whoever prints both can leave one out."""

_CALLER = 3
"""Frames from the logging module to whoever calls one of the methods below."""


class Log:
    """Logs as ``hotsettings``. Handlers and filters are the application's own: what they raise changes nothing here."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def info(self, message: str, *values: object) -> None:
        """Log what happens."""
        self._log(logging.INFO, message, values, None)

    def warning(self, message: str, *values: object, extra: Mapping[str, object] | None = None) -> None:
        """Log what somebody should look at."""
        self._log(logging.WARNING, message, values, extra)

    def error(self, message: str, *values: object) -> None:
        """Log what has failed."""
        self._log(logging.ERROR, message, values, None)

    def _log(self, level: int, message: str, values: tuple[object, ...], extra: Mapping[str, object] | None) -> None:
        try:
            self._logger.log(level, message, *values, extra=extra, stacklevel=_CALLER)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # As logging itself does where it can tell; the text of the error may quote anything, the name of its type not.
            if logging.raiseExceptions and sys.stderr is not None:
                sys.stderr.write(f"hotsettings: a handler or filter of the log raised {type(error).__qualname__}\n")


logger = Log(logging.getLogger(NAME))


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a callback, hook or build for the log."""
    named = getattr(function, "__wrapped__", function)  # what runs it in a thread
    named = getattr(named, "func", named)  # a functools.partial has no name of its own
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', type(named).__qualname__)}"
