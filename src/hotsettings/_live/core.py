"""What subscribers, resources and transactions of one live object share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from .._concurrency.tasks import beyond_exceptions, failure_of, sheltered
from .._log import logger, name_of
from .._redaction import Redactor
from .._schema.schema import Schema
from .audit import EventLog
from .changes import Board, Changes
from .resource import Resource
from .snapshot import Change, Snapshot
from .waits import Waits

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
        self.waits = Waits(tasks)
        self.context = copy_context()
        """That of whoever began to watch. Hooks, builds and callbacks run in copies of it, whoever calls them."""
        self.escaped: BaseException | None = None
        """What a callback raised first that is no Exception, such as SystemExit: for whoever watches, at the end."""

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

    def call_back(self, handle: Handle, changes: Changes[S]) -> None:
        """Call back for each change from now on. Whatever it raises is logged and counted, and hurts nobody."""
        self._call_back_in(self.context.copy(), handle, changes)

    def _call_back_in(self, context: Context, handle: Handle, changes: Changes[S]) -> None:
        context.run(self.tasks.start_soon, sheltered, self._call_back, context, handle, changes)

    async def _call_back(self, context: Context, handle: Handle, changes: Changes[S]) -> None:
        used = False
        try:
            with handle.scope():
                async for change in changes:
                    used = True
                    await called(handle.function, change)
        except BaseException as error:
            # Its task may be in any state by now: cancelled by itself, or in a cancel scope that was never left. So it goes
            # on in another one, which learns at its first await whether all of this is over.
            if not used:
                failure_of(error)  # raises what ends all of this
            self._call_back_in(context, handle, changes)
            self._note(handle, failure_of(error))
        else:
            await changes.aclose()

    def _note(self, handle: Handle, failure: BaseException) -> None:
        handle.failures += 1
        self.callback_failures += 1
        logger.error("callback %s raised:\n%s", handle.name, self.redactor.trace(failure))
        if self.escaped is None:
            self.escaped = beyond_exceptions(failure)


async def called(function: Callback, change: Change[Any]) -> None:
    """Call a sync or async function."""
    result = function(change)
    if isinstance(result, Awaitable):
        await result
