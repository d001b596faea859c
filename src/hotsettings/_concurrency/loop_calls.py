"""The event loop that runs here, and calls into it from other threads and from signal handlers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context

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

    That function raises RuntimeError if the event loop has ended, and in a forked process, where its pipe is the parent's.
    """
    process, schedule = os.getpid(), _scheduler()

    def call(function: Callable[[], object]) -> None:
        if os.getpid() != process:
            raise RuntimeError("the event loop is in another process")
        schedule(function)

    return call


def _scheduler() -> Call:
    if issubclass(anyio.get_cancelled_exc_class(), asyncio.CancelledError):
        return asyncio.get_running_loop().call_soon_threadsafe
    import trio

    return trio.lowlevel.current_trio_token().run_sync_soon
