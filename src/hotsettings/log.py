"""The one logger: quiet below WARNING by default, and useful at INFO."""

import logging
from collections.abc import Callable
from typing import Any

AS_EVENT = {"as_event": True}
"""Marks records whose content is also told as an event, so that whoever prints both can leave one out."""

logger = logging.getLogger("hotsettings")


def name_of(function: Callable[..., Any]) -> str:
    """What a log calls a callback, hook or build."""
    named = getattr(function, "func", function)  # of a functools.partial
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', type(named).__qualname__)}"
