"""An event loop in a thread of its own, for programs that have none.

It is a daemon thread, so it keeps no process alive. When the interpreter exits, the context managers that are open in
such threads are left first, within ``_AT_EXIT`` seconds.

anyio's ``BlockingPortal`` is not used for the calls into the event loop: there, a call that comes while the event loop
ends may wait for ever.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import selectors
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from contextvars import Context
from typing import Any, Generic, TypeVar

import anyio

from .._log import logger
from .forks import told_of_forks
from .loop_calls import thread_context
from .tasks import failure_of

T = TypeVar("T")
R = TypeVar("R")

_AT_EXIT = 5.0
"""Seconds that all threads together get to end when the interpreter exits."""
_JOIN_TIMEOUT = 0.1
"""Seconds for the thread to end when its loop has ended."""

_running: dict[LoopThread[Any], None] = {}
"""The threads that have been started and have not ended."""
_inherited: list[LoopThread[Any]] = []
"""In a forked process: those of the parent. They are kept, because collecting them would close what the parent uses."""

_ENDED = "the watching has ended"


class Ended(RuntimeError):
    """Raised by calls that the event loop does not take any more, or has cancelled at its end."""


class LoopThread(Generic[T]):
    """Enters an async context manager in an event loop of its own, and holds it open until ``stop``.

    Args:
        name: The name of the thread.
        manager: What is entered and left in the event loop.
        context: The context that the thread runs in.
        on_entered: Called in the event loop with what the context manager gives, before anybody else can use it.
        on_failure: Called in the thread with what has ended it, unless it was stopped.
        on_fork: Called in forked processes, where the event loop has ended.
        still_open: Names what the context manager has not left yet, for the log.
    """

    def __init__(
        self,
        name: str,
        manager: AbstractAsyncContextManager[T],
        context: Context,
        on_entered: Callable[[T], object] = lambda _: None,
        on_failure: Callable[[BaseException], object] = lambda _: None,
        on_fork: Callable[[], object] = lambda: None,
        still_open: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.name = name
        self.process = os.getpid()
        self._manager = manager
        self._on_entered = on_entered
        self._on_failure = on_failure
        self._on_fork = on_fork
        self._thread = threading.Thread(target=context.run, args=(self._run,), name=name, daemon=True)
        self.still_open = still_open
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._lock = threading.Lock()
        """Held while a call is scheduled, and to end the calls: so each call is either refused or answered."""
        self._open = False
        """Whether calls are taken: from when the context manager is entered until it has been left."""
        self._calls: set[asyncio.Task[None]] = set()
        self._leave = asyncio.Event()
        self._scope: anyio.CancelScope | None = None
        self._value: T
        self._failure: BaseException | None = None
        self._settled = threading.Event()
        """Set when the context manager is entered, or will never be."""
        self._gone = threading.Event()
        """Set when the event loop has ended."""
        self._told_of_forks = ExitStack()

    def start(self) -> None:
        """Start the thread, and do not wait for it."""
        _running[self] = None
        # By this thread: in a process that is forked before the other one runs, calls would wait for it for ever.
        self._told_of_forks.enter_context(told_of_forks(self._abandon))
        try:
            self._thread.start()
        except BaseException:
            self._told_of_forks.close()
            del _running[self]
            self._loop.close()
            raise

    def wait_until_entered(self) -> T:
        """Wait until the context manager is entered, and return what it gives. Raises what entering it raises."""
        self._settled.wait()
        if not hasattr(self, "_value"):
            self._gone.wait()
            self.raise_failure()
            raise Ended("it was stopped before it had begun")
        return self._value

    def call(self, work: Callable[[], Awaitable[R]]) -> R:
        """Run an async function in the event loop, in a copy of the current context; return its result.

        Raises what it raises, Ended if the event loop has ended, and RuntimeError in the thread of the event loop.
        """
        self._refuse_own_thread()
        self._settled.wait()
        future: Future[R] = Future()
        scope: list[anyio.CancelScope] = []

        async def run() -> None:
            try:
                with anyio.CancelScope() as own:
                    scope.append(own)
                    result = await work()
                    with suppress(InvalidStateError):  # by Ctrl-C, nobody waits for it any more
                        future.set_result(result)
            except BaseException as error:
                failure = failure_of(error) if self._open else Ended(_ENDED)
                with suppress(InvalidStateError):
                    future.set_exception(failure)

        def start() -> None:
            task = self._loop.create_task(run())
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

        with self._lock:
            if not self._open:
                raise Ended(_ENDED)
            self._loop.call_soon_threadsafe(start, context=thread_context())
        try:
            return future.result()
        except BaseException:
            if future.cancel():  # Ctrl-C
                for own in scope:
                    self.call_soon(own.cancel)
            raise

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call a function in the event loop, and do not wait for it. If the event loop has ended, do nothing."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def stop(self, within: float | None = None) -> bool:
        """Leave the context manager and end the thread. Return whether it has ended within so many seconds."""
        self._refuse_own_thread()
        self.begin_to_stop()
        ended = self._gone.wait(within)
        if ended:
            self._thread.join(_JOIN_TIMEOUT)
        return ended

    def raise_failure(self) -> None:
        """Raise what the context manager has raised, if it has. A second call raises nothing."""
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure.with_traceback(None)  # the frames would be those of the event loop
            finally:
                del failure

    @property
    def is_current(self) -> bool:
        """Whether the current code runs in this thread."""
        return threading.current_thread() is self._thread

    @property
    def ended(self) -> bool:
        """Whether the event loop has ended."""
        return self._gone.is_set()

    def _abandon(self) -> None:
        """In a forked process: close the descriptors of the event loop, and touch nothing else of it. Here it has ended.

        The event loop itself must not be closed. That would take its pipe out of the ``epoll`` object, which parent and child
        share. So it and its tasks are kept for as long as the process lives.
        """
        _running.pop(self, None)
        _inherited.append(self)
        # Those that there are may be locked by a thread of the parent.
        self._lock, self._settled, self._gone = threading.Lock(), threading.Event(), threading.Event()
        self._open = False
        self._settled.set()
        self._gone.set()
        loop: Any = self._loop
        with suppress(OSError):  # of another kind than epoll, which is not inherited
            self._selector.close()
        for owned in (loop._ssock, loop._csock, *(each._sock for each in loop._transports.values())):
            if owned is not None:
                owned.close()
        self._on_fork()

    def _refuse_own_thread(self) -> None:
        if self.is_current:
            raise RuntimeError("this would wait for the thread in which it was called")

    def begin_to_stop(self) -> None:
        """Have the context manager left, or not entered at all. Do not wait for that."""

        def leave() -> None:
            self._leave.set()
            if not self._settled.is_set() and self._scope is not None:
                self._scope.cancel()

        self.call_soon(leave)

    def _run(self) -> None:
        try:
            # Not anyio.run: functions in worker threads, which run in copies of this context, may call that themselves.
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._hold())
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            self._told_of_forks.close()
            self._loop.close()  # or it has not run at all
            _running.pop(self, None)
            if self._failure is not None and not self._leave.is_set():
                self._on_failure(self._failure)
            self._settled.set()
            self._gone.set()

    async def _hold(self) -> None:
        try:
            with anyio.CancelScope() as self._scope:
                async with self._manager as self._value:
                    self._on_entered(self._value)
                    self._open = True
                    self._settled.set()
                    await self._leave.wait()
        except BaseException as error:
            self._failure = error
        with self._lock:
            self._open = False
        await asyncio.sleep(0)  # calls that were scheduled before become tasks now
        while self._calls:
            for call in self._calls:
                call.cancel()
            await asyncio.wait(self._calls)


def _stop_all() -> None:
    """End all threads at the exit of the interpreter. The log names each that takes too long, and is left behind."""
    threads = [thread for thread in list(_running) if thread.process == os.getpid()]
    for thread in threads:
        thread.begin_to_stop()
    deadline = time.monotonic() + _AT_EXIT
    for thread in threads:
        if not thread.stop(max(0.0, deadline - time.monotonic())):
            still_open = ", ".join(thread.still_open()) or thread.name
            logger.warning("the process ends, and does not wait any longer for %s to be closed", still_open)


atexit.register(_stop_all)
