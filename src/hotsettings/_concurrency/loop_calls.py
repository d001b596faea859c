"""Calls into the event loop from elsewhere: other threads, and handlers of signals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio

Call = Callable[[Callable[[], object]], object]


def into_this_loop() -> Call:
    """Return what calls a function soon in the event loop that runs here. It waits for nothing.

    Raises RuntimeError when the loop has ended.
    """
    if issubclass(anyio.get_cancelled_exc_class(), asyncio.CancelledError):
        return asyncio.get_running_loop().call_soon_threadsafe
    import trio

    return trio.lowlevel.current_trio_token().run_sync_soon
