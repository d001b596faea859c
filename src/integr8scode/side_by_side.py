"""Things that are opened one after the other, and closed all at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup, TaskStatus

T = TypeVar("T")


class SideBySide:
    """Enters context managers, each in a task of its own, which leaves it at the end of the block."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.over = anyio.Event()
        self._tasks = tasks

    async def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enter it, and return what it holds. Raises what entering it raises."""
        value: T = await self._tasks.start(self._hold, manager)
        return value

    async def _hold(self, manager: AbstractAsyncContextManager[T], *, task_status: TaskStatus[T]) -> None:
        async with manager as value:
            task_status.started(value)
            with anyio.CancelScope(shield=True):  # the block may be cancelled and still need it
                await self.over.wait()


@asynccontextmanager
async def side_by_side() -> AsyncGenerator[SideBySide, None]:
    """What is entered stands until the end of the block. Then all of it is left at the same time."""
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        entered = SideBySide(tasks)
        try:
            yield entered
        except Exception as error:  # here it would be put into a group
            failure = error
        finally:
            entered.over.set()
    if failure is not None:
        raise failure
