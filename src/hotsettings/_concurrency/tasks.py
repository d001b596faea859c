"""The tasks of the library: where they live, and what becomes of exceptions that are not ours.

A live object needs tasks that run beside the code in its block. A plain task group around the block would have three faults. It may
only be left in the task that entered it, but fixtures and notebooks enter a block in one task and leave it in another. It puts
exceptions of the block into a group. And it belongs to the cancel scopes around the block: cancelling one of those would reach
the tasks that hold resources at the same time as the code which still uses these resources to clean up.

So the task group is entered and left in a task that belongs to the library: see `hosted`. On asyncio that is a task of the loop, on trio
a system task. The block and that task have only events in common.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context, ContextVar, copy_context
from types import TracebackType
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup, TaskStatus
from anyio.lowlevel import checkpoint

from .._boundary import type_and_place
from .._log import logger
from .loop_calls import running_loop

T = TypeVar("T")

_host: ContextVar[asyncio.Task[Any] | None] = ContextVar("_host", default=None)
"""On asyncio, the task that hosts the tasks of the live object to which the current code belongs."""

_inside: ContextVar[tuple[_Hosted[Any], ...]] = ContextVar("_inside", default=())
"""The blocks whose context managers have called the current code. The ends of these blocks may have to wait for it."""


class Tasks:
    """Tasks that end together. If code that one of them calls cancels this task, the others go on."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self.context = copy_context()
        """That of the code which has entered the block. Each task runs in a copy of it, whoever starts it."""
        self.escaped: BaseException | None = None
        """What is raised where the block ends, if nothing else is."""

    def start_soon(
        self, work: Callable[..., Awaitable[object]], *arguments: Any, context: Context | None = None
    ) -> None:
        """Start a task, in a copy of the given context or of our own."""
        context = self.context if context is None else context
        context.run(self._start, work, arguments)

    async def start(self, work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
        """Start a task, and wait until it calls ``task_status.started()``."""
        await self._group.start(_starting, work, *arguments)

    def _start(self, work: Callable[..., Awaitable[object]], arguments: tuple[Any, ...]) -> None:
        name = getattr(work, "__qualname__", type(work).__name__)
        self._group.start_soon(sheltered, work, *arguments, name=f"hotsettings: {name}")

    def failure_keeping_ctrl_c(self, error: BaseException) -> BaseException:
        """Return `failure_of` an exception of other code. A Ctrl-C is kept, and raised where the block ends."""
        failure = failure_of(error)
        if any(issubclass(type(each), KeyboardInterrupt) for each in _leaves(failure)):
            self.escape(failure)
        return failure

    def escape(self, failure: BaseException) -> None:
        """Keep what is no ``Exception`` in a failure, such as SystemExit. It is raised where the block ends."""
        if self.escaped is None:
            self.escaped = beyond_exceptions(failure)


@asynccontextmanager
async def background_tasks() -> AsyncGenerator[Tasks, None]:
    """Tasks that are cancelled when the block ends.

    An exception of the block leaves it as itself, and in no group. If there is none, the end of the block raises what
    ``Tasks.escape`` has kept.
    """
    group, failure = anyio.create_task_group(), None
    tasks = Tasks(group)
    async with group:
        try:
            yield tasks
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # here it would be put into a group
            failure = error
        group.cancel_scope.cancel()
    failure = failure or tasks.escaped
    if failure is not None:
        try:
            raise failure
        finally:
            del failure, tasks


def hosted(manager: AbstractAsyncContextManager[T]) -> AbstractAsyncContextManager[T]:
    """Enter and leave a context manager in a task that belongs to the library, and not to the code in the block.

    The block may be entered in one task and left in another, of the same event loop. An exception in the block leaves it as
    itself, and is not shown to the context manager. Leaving waits until the context manager has been left, even if it is cancelled
    meanwhile. What the context manager raises is raised where the block begins or ends; an exception of the block comes first.

    Code that the context manager calls may leave the block too. That code is then cancelled, as all that belongs to the block is.
    """
    return _Hosted(manager)


class _Hosted(AbstractAsyncContextManager[T], Generic[T]):
    def __init__(self, manager: AbstractAsyncContextManager[T]) -> None:
        self._manager = manager
        self._loop: object = None
        self._value: T
        self._failure: BaseException | None = None

    async def __aenter__(self) -> T:
        if self._loop is not None:
            raise RuntimeError("this block has been entered already: make another one")
        self._loop = running_loop()
        self._scope = anyio.CancelScope()
        self._entered, self._leave, self._gone = anyio.Event(), anyio.Event(), anyio.Event()
        self._task = _spawn(self._run)
        try:
            await self._entered.wait()
        except BaseException:
            self._scope.cancel()
            await until(self._gone)
            raise
        if self._gone.is_set():
            self._raise_failure()
            raise RuntimeError("it was left, or the event loop has ended, before it had begun")
        return self._value

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is None:
            raise RuntimeError("this block has not been entered")
        if not self._gone.is_set():
            if self._loop is not running_loop():
                raise RuntimeError("this block was entered in another event loop, and can be left only there")
            self._leave.set()
            if any(block is self for block in _inside.get()):
                await self._gone.wait()  # not shielded: the end may wait for the task in which this is called
            else:
                await until(self._gone)
        if error is None:
            self._raise_failure()

    async def _run(self) -> None:
        _inside.set((*(block for block in _inside.get() if not block._gone.is_set()), self))
        try:
            with self._scope:
                async with self._manager as self._value:
                    self._entered.set()
                    await self._leave.wait()
        except BaseException as error:
            try:
                self._failure = failure_of(error)
            except anyio.get_cancelled_exc_class():
                return  # the event loop ends, and nobody has left the block
            if self._entered.is_set() and not self._leave.is_set():
                logger.error("watching has ended by a fault of hotsettings: %s", type_and_place(self._failure))
        finally:
            self._gone.set()
            self._entered.set()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure


async def until(event: anyio.Event, within: float = math.inf, late: Callable[[], object] = lambda: None) -> None:
    """Wait for an event. If it is not set within so many seconds, call ``late`` and wait on.

    Shielded; asyncio's own cancellation, which knows no shield, is raised afterwards.
    """
    cancellation: BaseException | None = None
    deadline = anyio.current_time() + within
    with anyio.CancelScope(shield=True):
        while not event.is_set():
            try:
                with anyio.CancelScope(deadline=deadline) as scope:
                    await event.wait()
            except anyio.get_cancelled_exc_class() as error:
                cancellation = error
            else:
                if scope.cancelled_caught:
                    deadline = math.inf
                    late()
    if cancellation is not None:
        raise cancellation


def _spawn(work: Callable[[], Awaitable[None]]) -> object:
    """Run something in a task that belongs to nobody else, in a copy of the current context. Return the task."""
    if not issubclass(anyio.get_cancelled_exc_class(), asyncio.CancelledError):
        import trio

        # Ctrl-C belongs to the main task, and not to whichever task it meets.
        for around in (sheltered, _starting):
            trio.lowlevel.enable_ki_protection(around)
        return trio.lowlevel.spawn_system_task(work, name="host of hotsettings", context=copy_context())

    async def known_as_host() -> None:
        _host.set(asyncio.current_task())
        await work()

    return asyncio.get_running_loop().create_task(known_as_host(), name="host of hotsettings")


async def _starting(
    work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, task_status: TaskStatus[Any]
) -> None:
    await work(*arguments, task_status=task_status)


def failure_of(error: BaseException) -> BaseException:
    """Return the failure of other code, given what it raised. Call it in an ``except BaseException``.

    Raises the exception itself if it is the cancellation of this task, which is no failure. A RuntimeError stands for the
    cancellation of something that was awaited.
    """
    reraise_own_cancellation(error)
    return unless_cancelled(error)


def unless_cancelled(error: BaseException) -> BaseException:
    """Return an exception, or a RuntimeError in the place of a cancellation, which is none of this task."""
    if not issubclass(type(error), anyio.get_cancelled_exc_class()):
        return error
    stray = RuntimeError("something that it waited for was cancelled")
    stray.__cause__ = error
    return stray


def reraise_own_cancellation(error: BaseException) -> None:
    """Raise an exception again if it is the cancellation of this task. Call it in an ``except BaseException``.

    On asyncio, awaiting what somebody else has cancelled raises the same as being cancelled. So the cancel scopes of
    this task decide, and whether its host is being cancelled: call it in tasks of the library only, which nothing else
    cancels. It looks at the type, since ``__class__`` may say anything.
    """
    if issubclass(type(error), anyio.get_cancelled_exc_class()):
        host = _host.get()
        if anyio.current_effective_deadline() == -math.inf or (host is not None and host.cancelling()):
            raise error


def beyond_exceptions(error: BaseException) -> BaseException | None:
    """Return what is neither an ``Exception`` nor a cancellation in an exception, such as SystemExit; or None."""
    found, cancelled = list[BaseException](), False
    for each in _leaves(error):
        if issubclass(type(each), anyio.get_cancelled_exc_class()):
            cancelled = True
        elif not issubclass(type(each), Exception):
            found.append(each)
    if not found:
        return None
    return found[-1] if cancelled else error


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group and in the groups in it, or the exception itself."""
    members: Any = BaseExceptionGroup.exceptions  # that of a derived class may say anything
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if issubclass(type(each), BaseExceptionGroup):
            waiting += members.__get__(each)
        else:
            yield each


async def sheltered(work: Callable[..., Awaitable[object]], *arguments: Any) -> None:
    """Run work that calls other code, as a task of a group. If that code cancels the task, the group goes on.

    In anyio, a task that ends cancelled ends its group, even if nobody has cancelled the group. A cancellation by other
    code takes effect at the next await or at the return: so there is one more await here, to catch it.
    """
    try:
        await work(*arguments)
        await checkpoint()
    except anyio.get_cancelled_exc_class() as error:
        reraise_own_cancellation(error)  # it is one only where the group is cancelled
