"""Threads for calls that may never return, such as ``stat`` on a stalled mount, or a hook.

They are daemon threads, so a call that hangs does not keep the process alive. Threads of anyio's pool would: Python joins
them at exit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

import anyio

from .loop_calls import into_this_loop, thread_context
from .tasks import unless_cancelled

T = TypeVar("T")

_JOIN_TIMEOUT = 0.1
"""Seconds that ``close`` waits for the thread to end."""


class Worker:
    """One thread, started by the first call, which runs functions one after the other.

    Args:
        name: The name of the thread.
        patience: Seconds after which a call counts as slow.
    """

    def __init__(self, name: str, patience: float) -> None:
        self._name = name
        self._patience = patience
        self._functions: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T], slow: Callable[[], None], begin: Callable[[], None] = lambda: None) -> T:
        """Run ``work`` in the thread, and return its result or raise its exception.

        If this call is cancelled, ``work`` goes on in its thread and its outcome is dropped; the next call gets a new
        thread.

        Args:
            work: Called in the thread.
            slow: Called on the event loop if ``work`` takes longer than ``patience``.
            begin: Called on the event loop just before ``work`` is handed to the thread, which will call it.
        """
        if self._thread is None:
            # The thread refers to the queue only, and so keeps nothing else alive.
            self._thread = threading.Thread(target=_serve, args=(self._functions,), name=self._name, daemon=True)
            self._thread.start()
        done, call = anyio.Event(), into_this_loop()
        outcome: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(work())
            except BaseException as error:
                failure.append(error)
            with suppress(RuntimeError):  # the event loop has ended
                call(done.set)

        begin()
        self._functions.put(partial(thread_context().run, run))
        try:
            with anyio.move_on_after(self._patience):
                await done.wait()
            if not done.is_set():
                slow()
                await done.wait()
        except BaseException:
            self._abandon()  # the thread may hang
            raise
        if failure:
            try:
                raise unless_cancelled(failure.pop())  # nothing is cancelled in a thread
            finally:
                del failure, run, work
        return outcome[0]

    def close(self) -> None:
        """End the thread. If it runs a function, it ends after that."""
        thread = self._thread
        self._abandon()
        if thread is not None:
            thread.join(_JOIN_TIMEOUT)

    def _abandon(self) -> None:
        """Let the thread end after its current function, and start a new one for the next call."""
        self._functions.put(None)
        self._functions, self._thread = SimpleQueue(), None


class Workers:
    """Threads that run functions side by side, at most ``limit`` at once; further calls wait for a place.

    A call that takes longer than ``patience`` gives up its place, so one that hangs blocks the others no longer than
    that.

    Args:
        name: The name of the threads.
        limit: How many calls run at once.
        patience: Seconds after which a call gives up its place.
    """

    def __init__(self, name: str, limit: int, patience: float) -> None:
        self._name = name
        self._patience = patience
        self._places = anyio.CapacityLimiter(limit)
        self._idle: list[Worker] = []

    async def run(self, work: Callable[[], T], begin: Callable[[], None] = lambda: None) -> T:
        """Run ``work`` in a thread, and return its result or raise its exception.

        If this call is cancelled, ``work`` goes on in its thread and its outcome is dropped.

        Args:
            work: Called in a thread.
            begin: Called when it is certain that ``work`` will be.
        """
        place = object()
        await self._places.acquire_on_behalf_of(place)
        worker = self._idle.pop() if self._idle else Worker(self._name, self._patience)
        has_place = True

        def slow() -> None:
            nonlocal has_place
            has_place = False
            self._places.release_on_behalf_of(place)

        try:
            return await worker.run(work, slow, begin)
        finally:
            if has_place:
                self._places.release_on_behalf_of(place)
            self._idle.append(worker)

    def close(self) -> None:
        """End the threads that run nothing. The others end after their functions."""
        while self._idle:
            self._idle.pop().close()


def _serve(functions: SimpleQueue[Callable[[], object] | None]) -> None:
    while (function := functions.get()) is not None:
        function()
        del function
