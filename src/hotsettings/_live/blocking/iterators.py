"""Iterators of changes and of events, for threads that may wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import anyio

from ..._concurrency.loop_thread import Ended
from ..barrier import delivered_by
from ..changes import Changes
from ..events import Event, Events
from ..snapshot import Change

if TYPE_CHECKING:
    from .live import BlockingLive

S = TypeVar("S")
E = TypeVar("E")

_MOMENT = 1.0
"""Seconds that handing on takes at most: what is there already is handed on, however short the timeout is."""


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
        self._closed = False

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
            found = [] if self._closed else self._live.call(self._wait)
        except Ended:
            found = self._undelivered or self._rest()
        finally:
            self._one_at_a_time.release()
        if not found:
            raise StopIteration
        return found.pop()

    def close(self) -> None:
        """End the iteration. A thread that waits in it gets StopIteration."""
        self._closed = True
        with suppress(Ended):
            self._live.call(self.inner.aclose)

    def forked(self) -> None:
        """In a forked process: no other thread waits in it."""
        self._one_at_a_time = threading.Lock()

    async def _wait(self) -> list[E]:
        if not self._undelivered:
            seconds = self._timeout
            if seconds is not None and self.inner.ready:
                seconds = max(seconds, _MOMENT)
            with anyio.move_on_after(seconds) as scope:
                try:
                    self._undelivered.append(await anext(self.inner))
                except StopAsyncIteration:
                    pass
            if scope.cancelled_caught:
                raise TimeoutError(self._late)
        return self._undelivered

    def _rest(self) -> list[E]:
        """Take what was not read before the watching ended."""
        return []

    @property
    def _late(self) -> str:
        return f"nothing has come for {self._timeout:g} s"


class BlockingChanges(_Waiting[Change[S]], Generic[S]):
    """The changes of some keys, newest state only. It starts when it is made: ``for change in live.changes()``.

    Dropping it, ``break`` included, is enough to end it; one that is kept in a variable can be closed with ``close()``.
    After a TimeoutError it goes on: ask for the next change again.
    """

    inner: Changes[S]

    def __next__(self) -> Change[S]:
        change = super().__next__()
        delivered_by(self.inner)  # so that `wait_applied` does not wait for the loop that it is called in
        return change


class BlockingEvents(_Waiting[Event]):
    """Events in order, from the moment it was made. ``dropped`` counts those that a slow reader has lost."""

    inner: Events

    def _rest(self) -> list[Event]:
        return self.inner.take()

    def __dir__(self) -> list[str]:
        return ["dropped", *super().__dir__()]

    @property
    def dropped(self) -> int:
        """How many events were lost, because they were read too slowly."""
        return self.inner.dropped
