"""The event loop that runs here, and calls into it from other threads and from signal handlers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress

import anyio

Call = Callable[[Callable[[], object]], object]
"""Schedules a function in an event loop, and does not wait for it."""


def running_loop() -> object | None:
    """Return an object that identifies the event loop of this thread, to compare it by ``is``; None if none runs."""
    if (trio := sys.modules.get("trio")) is not None:
        with suppress(RuntimeError):
            token: object = trio.lowlevel.current_trio_token()
            return token
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def into_this_loop() -> Call:
    """Return a function that schedules calls in the current event loop.

    It can be called from any thread, and does not wait.

    That function raises RuntimeError if the event loop has ended.
    """
    if issubclass(anyio.get_cancelled_exc_class(), asyncio.CancelledError):
        return asyncio.get_running_loop().call_soon_threadsafe
    import trio

    return trio.lowlevel.current_trio_token().run_sync_soon
