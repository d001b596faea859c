"""Context managers that are entered one after the other, and left concurrently."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup, TaskStatus

T = TypeVar("T")


class SideBySide:
    """Enters context managers, each in a task of its own. The task leaves it at the end of the block."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.over = anyio.Event()
        self._tasks = tasks

    async def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enter a context manager, and return its value. Raises what entering it raises."""
        value: T = await self._tasks.start(self._hold, manager)
        return value

    async def _hold(self, manager: AbstractAsyncContextManager[T], *, task_status: TaskStatus[T]) -> None:
        async with manager as value:
            task_status.started(value)
            with anyio.CancelScope(shield=True):  # even a cancelled block may still need it
                await self.over.wait()


@asynccontextmanager
async def side_by_side() -> AsyncGenerator[SideBySide, None]:
    """Leave everything that was entered concurrently, at the end of the block."""
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        entered = SideBySide(tasks)
        try:
            yield entered
        except Exception as error:  # raised here, it would end up in an exception group
            failure = error
        finally:
            entered.over.set()
    if failure is not None:
        raise failure
