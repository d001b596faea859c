"""Task groups that belong to a block, and not to the code in it; and what becomes of exceptions that are not ours."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint


@asynccontextmanager
async def background_tasks() -> AsyncGenerator[TaskGroup, None]:
    """A task group whose tasks are cancelled when the block ends; an exception of the block leaves it as itself."""
    failure: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # here it would be put into a group
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        try:
            raise failure
        finally:
            del failure


def failure_of(error: BaseException) -> BaseException:
    """What code that is not ours has failed with, whatever it raised. Call it in an ``except BaseException``.

    Raises the exception itself where it is none of a failure: the cancellation of this task, and Ctrl-C.

    On asyncio, awaiting what somebody else has cancelled raises the same as being cancelled; a RuntimeError stands for that.
    Only for tasks that nobody cancels but by their cancel scopes. The type is asked, since ``__class__`` may say anything.
    """
    if issubclass(type(error), anyio.get_cancelled_exc_class()):
        if anyio.current_effective_deadline() > -math.inf:
            return stray_cancellation(error)
        raise error
    if issubclass(type(error), KeyboardInterrupt):
        raise error
    return error


def beyond_exceptions(error: BaseException) -> BaseException | None:
    """What of an exception is no ``Exception``, such as SystemExit, and no cancellation; None if there is nothing."""
    members: Any = BaseExceptionGroup.exceptions  # that of a derived class may say anything
    waiting, found, cancelled = [error], list[BaseException](), False
    while waiting:
        each = waiting.pop()
        if issubclass(type(each), BaseExceptionGroup):
            waiting += members.__get__(each)
        elif issubclass(type(each), anyio.get_cancelled_exc_class()):
            cancelled = True
        elif not issubclass(type(each), Exception):
            found.append(each)
    if not found:
        return None
    return found[-1] if cancelled else error


def stray_cancellation(error: BaseException) -> RuntimeError:
    """What stands for a cancellation that nobody has asked for."""
    stray = RuntimeError("something that it waited for was cancelled")
    stray.__cause__ = error
    return stray


async def sheltered(work: Callable[..., Awaitable[object]], *arguments: Any) -> None:
    """Run what calls the code of others, as a task of a group that must not end.

    A task that ends cancelled, while nobody has cancelled its group, ends that group in anyio. The code of others may cancel
    the task in which it runs, which takes effect at the next await or at the return: so there is one more await.
    """
    try:
        await work(*arguments)
        await checkpoint()
    except anyio.get_cancelled_exc_class() as error:
        failure_of(error)  # raises it only where the group is cancelled
