"""Calls into the event loop from other threads and from signal handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio

Call = Callable[[Callable[[], object]], object]


def into_this_loop() -> Call:
    """Return a function that schedules calls in the current event loop.

    It can be called from any thread, and does not wait.

    That function raises RuntimeError if the event loop has ended.
    """
    if issubclass(anyio.get_cancelled_exc_class(), asyncio.CancelledError):
        return asyncio.get_running_loop().call_soon_threadsafe
    import trio

    return trio.lowlevel.current_trio_token().run_sync_soon
