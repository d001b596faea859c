"""Functions of the application that a live object calls: callbacks after a change, and hooks before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

import anyio

from .._concurrency.tasks import Tasks, failure_of, reraise_own_cancellation
from .._log import logger, name_of
from .._redaction import Redactor
from .changes import Changes
from .snapshot import Change

Callback = Callable[[Change[Any]], Awaitable[object] | object]


class Handle:
    """A registered callback or hook. ``failures`` counts how often a callback has raised."""

    def __init__(self, function: Callback, keys: frozenset[str] | None, forget: Callable[[Handle], object]) -> None:
        self.function = function
        self.name = name_of(function)
        self.keys = keys
        self.failures = 0
        self._forget = forget
        self._cancelled = False
        self._scope = anyio.CancelScope()

    def __dir__(self) -> list[str]:
        return ["cancel", "failures", *(name for name in object.__dir__(self) if name.startswith("_"))]

    def cancel(self) -> None:
        """End it: it is not called again, and a call under way is cancelled."""
        self._cancelled = True
        self._forget(self)
        self._scope.cancel()

    def scope(self) -> anyio.CancelScope:
        """Return a new scope for the next call. ``cancel`` cancels it; after a ``cancel``, it is cancelled already."""
        self._scope = anyio.CancelScope()
        if self._cancelled:
            self._scope.cancel()
        return self._scope

    def concerned(self, keys: frozenset[str]) -> bool:
        """Whether a change of these keys concerns it."""
        return self.keys is None or not self.keys.isdisjoint(keys)


class Callbacks:
    """Calls callbacks, each in a task of its own. Whatever one raises is logged and counted; the others go on."""

    def __init__(self, tasks: Tasks, redactor: Redactor) -> None:
        self._tasks = tasks
        self._redactor = redactor
        self.failures = 0

    def start(self, handle: Handle, changes: Changes[Any], context: Context | None = None) -> None:
        """Call back for each of these changes from now on, in this context or in a copy of our own."""
        context = self._tasks.context.copy() if context is None else context
        self._tasks.start_soon(self._follow, context, handle, changes, context=context)

    async def _follow(self, context: Context, handle: Handle, changes: Changes[Any]) -> None:
        called_once = False
        try:
            with handle.scope():
                async for change in changes:
                    called_once = True
                    await called(handle.function, change)
        except BaseException as error:
            # Its task may be in any state by now: cancelled by itself, or in a cancel scope that was never left.
            # The callback continues in a new task; if the live object is closing, that task is cancelled at its
            # first await.
            if not called_once:
                reraise_own_cancellation(error)
            self.start(handle, changes, context)
            failure = failure_of(error)
            handle.failures += 1
            self._count(handle.name, failure)
        else:
            await changes.aclose()

    def accompany(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run something once, in a task of its own."""

        async def accompanying() -> None:
            try:
                await work()
            except BaseException as error:
                self._count(name_of(work), failure_of(error))

        self._tasks.start_soon(accompanying)

    def _count(self, name: str, failure: BaseException) -> None:
        self.failures += 1
        logger.error("callback %s raised:\n%s", name, self._redactor.trace(failure))
        self._tasks.escape(failure)


async def called(function: Callback, change: Change[Any]) -> object:
    """Call a sync or async function, and return what it returns."""
    result = function(change)
    return await result if isinstance(result, Awaitable) else result
