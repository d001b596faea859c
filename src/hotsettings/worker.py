"""A thread for what may never return, such as a look at a dead mount.

It is a daemon, so that the process can end whatever hangs in it: Python waits for other threads, those of anyio among them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

import anyio

from .calling import into_this_loop
from .waits import PATIENCE

T = TypeVar("T")

_ENDS = 0.1
"""Seconds that an idle thread may take to end."""


class Worker:
    """One thread, started when it is needed, which does one thing after the other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._orders: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T], slow: Callable[[], None]) -> T:
        """Do this in the thread, and return or raise what comes of it; if it takes long, call ``slow`` meanwhile.

        When this is cancelled, the work goes on by itself, and nobody hears of what comes of it.
        """
        if self._thread is None:
            # The thread keeps none of this alive but its queue.
            self._thread = threading.Thread(target=_serve, args=(self._orders,), name=self._name, daemon=True)
            self._thread.start()
        done, call = anyio.Event(), into_this_loop()
        outcome: list[T] = []
        failure: list[BaseException] = []

        def order() -> None:
            try:
                outcome.append(work())
            except BaseException as error:
                failure.append(error)
            with suppress(RuntimeError):  # the loop has ended
                call(done.set)

        self._orders.put(partial(copy_context().run, order))
        try:
            with anyio.move_on_after(PATIENCE):
                await done.wait()
            if not done.is_set():
                slow()
                await done.wait()
        except BaseException:
            self._abandon()  # it may hang: whatever comes next gets another one
            raise
        if failure:
            try:
                raise failure.pop()
            finally:
                del failure, order, work
        return outcome[0]

    def close(self) -> None:
        """End the thread, if it is not at work."""
        thread = self._thread
        self._abandon()
        if thread is not None:
            thread.join(_ENDS)

    def _abandon(self) -> None:
        """Let the thread end when it has finished what it does."""
        self._orders.put(None)
        self._orders, self._thread = SimpleQueue(), None


def _serve(orders: SimpleQueue[Callable[[], object] | None]) -> None:
    while (order := orders.get()) is not None:
        order()
        del order
