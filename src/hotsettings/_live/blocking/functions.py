"""Functions of the application that may block, called in threads. The event loop goes on meanwhile."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from functools import partial
from typing import Any, Generic, TypeVar

import anyio

from ..._concurrency.loop_calls import Call, into_this_loop, thread_context
from ..._concurrency.tasks import unless_cancelled
from ..._concurrency.worker_thread import Workers
from ..._log import name_of
from ..registering import is_async
from ..snapshot import Change

T = TypeVar("T")

_ASYNC = "watch with `async with`, or give a plain function, which may block"


class InThreads:
    """A callback or hook that may block, as an async function, which calls it in a thread.

    If that is cancelled, the call goes on, and the next one waits until it has returned.

    Args:
        workers: Returns the threads.
        call: The name of the method that it was given to.
        function: The callback or hook. An async function raises TypeError.
    """

    def __init__(self, workers: Callable[[], Workers], call: str, function: Callable[[Change[Any]], Any]) -> None:
        if is_async(function):
            raise TypeError(f"{call}() of a blocking watch cannot await {name_of(function)}: {_ASYNC}")
        self.__wrapped__ = function
        self._workers = workers
        self._running = False
        self._returned: anyio.Event
        self._in_loop: Call
        self._thread: int | None = None
        """The thread that calls it now."""

    async def __call__(self, change: Change[Any]) -> Any:
        while self._running:  # since a call that was given up, for a newer change or because it took too long
            await self._returned.wait()
        return await self._workers().run(partial(self._work, change), self._begin)

    def _begin(self) -> None:
        self._running, self._returned, self._in_loop = True, anyio.Event(), into_this_loop()

    def _work(self, change: Change[Any]) -> Any:
        self._thread = threading.get_ident()
        in_loop, told = self._in_loop, self._returned  # as soon as it is not running, the next call has its own
        try:
            returned = self.__wrapped__(change)
        finally:
            self._thread, self._running = None, False
            with suppress(RuntimeError):  # the event loop has ended
                in_loop(told.set)
        if inspect.isawaitable(returned):
            if inspect.iscoroutine(returned):
                returned.close()  # or Python warns of one that was never awaited
            raise TypeError(f"{name_of(self.__wrapped__)} returned something to be awaited: {_ASYNC}")
        return returned

    def forked(self) -> bool:
        """In a forked process: no call goes on but the one in which the process was forked; return whether there is one."""
        inside = self._thread == threading.get_ident()
        self._running = inside
        return inside


class InOneThread(AbstractAsyncContextManager[T], Generic[T]):
    """Enters, holds and leaves a plain context manager in a thread of its own, always the same one.

    If entering it is cancelled, the thread leaves it again as soon as it has been entered.

    Args:
        name: The name of what is built, for errors and for the thread.
        build: Makes the context manager, in the thread.
    """

    def __init__(self, name: str, build: Callable[[], AbstractContextManager[T]]) -> None:
        self._name = name
        self._build = build
        self._call = into_this_loop()
        self._entered, self._ended = anyio.Event(), anyio.Event()
        self._leave = threading.Event()
        self._value: T
        self._failure: BaseException | None = None

    async def __aenter__(self) -> T:
        run = partial(thread_context().run, self._hold)
        threading.Thread(target=run, name=f"hotsettings: {self._name}", daemon=True).start()
        try:
            await self._entered.wait()
        except BaseException:
            self._leave.set()
            raise
        self._raise_failure()
        return self._value

    async def __aexit__(self, *_: object) -> None:
        self._leave.set()
        await self._ended.wait()
        self._raise_failure()

    def _hold(self) -> None:
        try:
            with self._made() as self._value:
                self._tell(self._entered)
                self._leave.wait()
        except BaseException as error:
            self._failure = error
        finally:
            self._tell(self._entered, self._ended)

    def _made(self) -> AbstractContextManager[T]:
        made: Any = self._build()
        if hasattr(type(made), "__enter__"):
            return made  # type: ignore[no-any-return]
        if inspect.iscoroutine(made):
            made.close()
        raise TypeError(
            f"{self._name} must return a context manager, not {type(made).__name__}; "
            "decorate it with contextlib.contextmanager, or watch with `async with`"
        )

    def _tell(self, *events: anyio.Event) -> None:
        with suppress(RuntimeError):  # the event loop has ended
            for event in events:
                self._call(event.set)

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise unless_cancelled(failure)
            finally:
                del failure
