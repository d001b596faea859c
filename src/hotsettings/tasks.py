"""Task groups that belong to a block, and not to the code in it; cancellations that belong to somebody else."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup


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


class StrayCancellations:
    """Turn a cancellation that nobody has asked for into a RuntimeError: a task must not end unnoticed because of it.

    On asyncio, awaiting what somebody else has cancelled raises the same as being cancelled. Only for tasks that nobody
    cancels but by their cancel scopes. Not a ``contextmanager``, which fails at exceptions that refuse assignments.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, frames: object) -> None:
        if isinstance(error, anyio.get_cancelled_exc_class()) and anyio.current_effective_deadline() > -math.inf:
            raise RuntimeError("something that it waited for was cancelled") from error
