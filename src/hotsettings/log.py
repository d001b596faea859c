"""The one logger: quiet below WARNING by default, and useful at INFO."""

import logging
from collections.abc import Callable
from typing import Any

AS_EVENT = {"as_event": True}
"""Marks records whose content is also told as an event, so that whoever prints both can leave one out."""

logger = logging.getLogger("hotsettings")


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a callback, hook or build for the log."""
    named = getattr(function, "func", function)  # a functools.partial has none of its own
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', type(named).__qualname__)}"
