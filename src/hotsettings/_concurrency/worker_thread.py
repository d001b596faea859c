"""A thread for calls that may never return, such as a ``stat`` on a dead mount.

It is a daemon, so that a hanging call does not keep the process from ending. At exit Python joins all other threads, and so those
of anyio's pool.
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

from .loop_calls import into_this_loop

T = TypeVar("T")

_ENDS = 0.1
"""Seconds that ``close`` waits for an idle thread to end."""


class Worker:
    """One thread, started at the first call, which runs one function after the other.

    Args:
        name: What the thread is called.
        patience: Seconds after which a call is slow.
    """

    def __init__(self, name: str, patience: float) -> None:
        self._name = name
        self._patience = patience
        self._orders: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T], slow: Callable[[], None]) -> T:
        """Run ``work`` in the thread, and return its result or raise its exception.

        If that takes longer than ``patience``, call ``slow`` on the event loop. If this call is cancelled, ``work`` goes on in
        its thread, and its outcome is dropped.
        """
        if self._thread is None:
            # The thread refers to the queue only, so that it keeps no more than that alive.
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
            with anyio.move_on_after(self._patience):
                await done.wait()
            if not done.is_set():
                slow()
                await done.wait()
        except BaseException:
            self._abandon()  # the thread may hang: the next call gets a new one
            raise
        if failure:
            try:
                raise failure.pop()
            finally:
                del failure, order, work
        return outcome[0]

    def close(self) -> None:
        """End the thread. If it is at work, it ends afterwards."""
        thread = self._thread
        self._abandon()
        if thread is not None:
            thread.join(_ENDS)

    def _abandon(self) -> None:
        """Let the thread end after its current call."""
        self._orders.put(None)
        self._orders, self._thread = SimpleQueue(), None


def _serve(orders: SimpleQueue[Callable[[], object] | None]) -> None:
    while (order := orders.get()) is not None:
        order()
        del order
