"""What subscribers, resources and transactions of one live object share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from ._redaction import Redactor
from .events import EventLog
from .log import logger, name_of
from .resources import Resource
from .schema import Schema
from .snapshot import Change, Snapshot
from .subscribers import Board, Changes
from .tasks import StrayCancellations

S = TypeVar("S")
Callback = Callable[[Change[Any]], Awaitable[object] | object]


class Head(Generic[S]):
    """The two slots that readers look at."""

    __slots__ = ("current", "snapshot")

    def __init__(self, snapshot: Snapshot[S]) -> None:
        self.snapshot = snapshot
        self.current: S = snapshot.settings


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

    def cancel(self) -> None:
        """End it: it is not called again, and a call under way is cancelled."""
        self._cancelled = True
        self._forget(self)
        self._scope.cancel()

    def scope(self) -> anyio.CancelScope:
        """Return what to call the function in: ``cancel`` ends it, before it is entered too."""
        self._scope = anyio.CancelScope()
        if self._cancelled:
            self._scope.cancel()
        return self._scope


class Hub(Generic[S]):
    """The parts behind a live object. All of it belongs to one event loop."""

    def __init__(
        self, schema: Schema, head: Head[S], tasks: TaskGroup, prepare_timeout: float, redactor: Redactor
    ) -> None:
        self.schema = schema
        self.head = head
        self.tasks = tasks
        self.prepare_timeout = prepare_timeout
        self.board: Board[S] = Board(schema, head.snapshot)
        self.log = EventLog()
        self.redactor = redactor
        self.hooks: dict[Handle, None] = {}
        self.resources: list[Resource[Any]] = []
        self.lock = anyio.Lock()
        """Held by whoever replaces resources."""
        self.closing = False
        self.callback_failures = 0

    def publish(self, snapshot: Snapshot[S], keys: frozenset[str]) -> Change[S]:
        """Swap: readers see the new settings from the next read on."""
        self.head.snapshot = snapshot
        self.head.current = snapshot.settings
        return self.board.publish(snapshot, keys)

    def close(self) -> None:
        """End all iterators; no resource is rebuilt any more."""
        self.closing = True
        self.board.close()
        self.log.close()

    async def run_callback(self, handle: Handle, changes: Changes[S]) -> None:
        """Call back for each change until cancelled. Whatever it raises is logged and counted, and hurts nobody."""
        with handle.scope():
            async for change in changes:
                try:
                    with StrayCancellations():
                        await called(handle.function, change)
                except Exception as error:
                    handle.failures += 1
                    self.callback_failures += 1
                    logger.error("callback %s raised:\n%s", handle.name, self.redactor.trace(error))
        await changes.aclose()


async def called(function: Callback, change: Change[Any]) -> None:
    """Call a sync or async function."""
    result = function(change)
    if isinstance(result, Awaitable):
        await result
