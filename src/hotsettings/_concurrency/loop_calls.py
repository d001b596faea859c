"""The event loop that runs here, and calls into it from other threads and from signal handlers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context

import anyio

Call = Callable[[Callable[[], object]], object]


def running_loop() -> object | None:
    """What stands for the event loop that runs in this thread; None if there is none."""
    if (trio := sys.modules.get("trio")) is not None:
        with suppress(RuntimeError):
            token: object = trio.lowlevel.current_trio_token()
            return token
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def thread_context() -> Context:
    """Return a copy of the current context for another thread, which does not run the event loop that may run here.

    anyio and trio note in the context which kind of event loop runs. Where that is copied, ``anyio.run`` refuses to run.
    """
    context = copy_context()
    if (sniffio := sys.modules.get("sniffio")) is not None:
        context.run(sniffio.current_async_library_cvar.set, None)
    return context


def into_this_loop() -> Call:
    """Return a function that schedules calls in the current event loop.

    It can be called from any thread, and does not wait.

    That function raises RuntimeError if the event loop has ended.
    """
    if issubclass(anyio.get_cancelled_exc_class(), asyncio.CancelledError):
        return asyncio.get_running_loop().call_soon_threadsafe
    import trio

    return trio.lowlevel.current_trio_token().run_sync_soon
