"""Iterators of changes and of events, for threads that may wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import anyio

from ..._concurrency.loop_thread import Ended
from ..barrier import delivered_by
from ..changes import Changes
from ..core import Core
from ..events import Event, Events
from ..snapshot import Change

if TYPE_CHECKING:
    from .live import BlockingLive

S = TypeVar("S")
E = TypeVar("E")


class _Waiting(Iterator[E], Generic[E]):
    """A plain iterator over an async one, which is in the event loop. Threads that share it take turns.

    Args:
        live: The live object.
        inner: The iterator in the event loop.
        timeout: Seconds after which it raises TimeoutError. None: it waits for as long as it takes.
    """

    def __init__(self, live: BlockingLive[Any], inner: Any, timeout: float | None) -> None:
        self.inner = inner
        self._live = live
        self._timeout = timeout
        self._one_at_a_time = threading.Lock()
        self._undelivered: list[E] = []
        """What was given up by Ctrl-C when it had come already."""

    def __dir__(self) -> list[str]:
        return ["close", *(name for name in object.__dir__(self) if name.startswith("_"))]

    def __iter__(self) -> Iterator[E]:
        return self

    def __aiter__(self) -> NoReturn:
        raise TypeError("a blocking watch has plain iterators: use `for`, or watch with `async with`")

    def __next__(self) -> E:
        if not self._one_at_a_time.acquire(timeout=-1 if self._timeout is None else self._timeout):
            raise TimeoutError(self._late)
        try:
            found = self._live.call(self._wait)
        except Ended:
            found = []
        finally:
            self._one_at_a_time.release()
        if not found:
            raise StopIteration
        return found.pop()

    def close(self) -> None:
        """End the iteration. A thread that waits in it gets StopIteration."""
        try:
            self._live.call(self.inner.aclose)
        except Ended:
            pass

    def forked(self) -> None:
        """Forget the threads that are not in this process."""
        self._one_at_a_time = threading.Lock()

    async def _wait(self) -> list[E]:
        if not self._undelivered:
            with anyio.move_on_after(self._timeout) as scope:
                try:
                    self._undelivered.append(await anext(self.inner))
                except StopAsyncIteration:
                    pass
            if scope.cancelled_caught:
                raise TimeoutError(self._late)
        return self._undelivered

    @property
    def _late(self) -> str:
        return f"nothing has come for {self._timeout:g} s"


class BlockingChanges(_Waiting[Change[S]], Generic[S]):
    """The changes of some keys, newest state only. It starts when it is made: ``for change in live.changes()``.

    Dropping it, ``break`` included, is enough to end it; one that is kept in a variable can be closed with ``close()``.
    After a TimeoutError it goes on: ask for the next change again.
    """

    inner: Changes[S]

    def go_on(self, core: Core[S]) -> None:
        """Go on in a forked process. Called in the event loop."""
        self.inner = core.subscribers.go_on(self.inner)
        self.forked()

    def __next__(self) -> Change[S]:
        change = super().__next__()
        delivered_by(self.inner)  # so that `wait_applied` does not wait for the loop that it is called in
        return change


class BlockingEvents(_Waiting[Event]):
    """Events in order, from the moment it was made. ``dropped`` counts those that a slow reader has lost."""

    inner: Events

    def go_on(self, core: Core[Any]) -> None:
        """Go on in a forked process. Called in the event loop."""
        self.inner = core.events.go_on(self.inner)
        self.forked()

    def __dir__(self) -> list[str]:
        return ["dropped", *super().__dir__()]

    @property
    def dropped(self) -> int:
        """How many events were lost, because they were read too slowly."""
        return self.inner.dropped
