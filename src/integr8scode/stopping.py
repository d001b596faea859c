"""How SIGTERM and SIGINT stop a process, and how long that may take.

A stop has two steps. First, work that has begun is finished: the current batch, and requests that are being answered.
Then all resources are closed at the same time. Brokers, collectors and clients may answer slowly or never, so each step
has a time limit. Code that waits for them does so in ``shielded``, which applies the limits. They count from the signal
on, so they also hold for a consumer that was already being replaced. If even that does not help (a hanging thread, a
blocking handler), the process kills itself.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVarTuple

import anyio

logger = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")

SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE = 10.0
"""Seconds within which a process ends after a signal, whatever happens."""
FINISHING = 5.0
"""Seconds of GRACE for finishing work that has begun."""
CLOSING = 3.0
"""Seconds of GRACE for closing resources."""
HARD_END = GRACE - 0.5
"""Seconds after the signal at which the process kills itself."""

_in_force: ContextVar[Stopping | None] = ContextVar("_in_force", default=None)
_may_end_hard: ContextVar[bool] = ContextVar("_may_end_hard", default=False)


class Stopping:
    """What a signal does: it cancels the block, or what ``instead`` says. One that comes after a cancellation kills.

    So a block that is starting, waiting for a broker or cleaning up ends in order, and one that hangs can still be ended.
    """

    def __init__(self, scope: anyio.CancelScope) -> None:
        self.left = False
        """Whether the block has been left, with all resources closed."""
        self._scope = scope
        self._act: Callable[[signal.Signals], object] = self._cancel
        self._told_at = math.inf
        self._shields: dict[anyio.CancelScope, float] = {}
        self._timer: threading.Timer | None = None

    def received(self, number: signal.Signals) -> None:
        logger.info("stopping on %s", number.name)
        if self._scope.cancel_called:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if self._told_at == math.inf:
            self._told_at = asyncio.get_running_loop().time()
            for scope in self._shields:
                self._shorten(scope)
        self._act(number)

    @contextmanager
    def inside(self, scope: anyio.CancelScope) -> Generator[None, None, None]:
        """A signal during this block cancels ``scope``, so that resources around the block stay open until it has ended."""
        before, self._scope = self._scope, scope
        try:
            yield
        finally:
            self._scope = before

    @contextmanager
    def instead(self, act: Callable[[signal.Signals], object]) -> Generator[None, None, None]:
        """Each signal during this block calls ``act``."""
        before, self._act = self._act, act
        try:
            yield
        finally:
            self._act = before

    @contextmanager
    def limiting(self, scope: anyio.CancelScope, seconds: float) -> Generator[None, None, None]:
        """After a signal, ``scope`` may last for at most so many seconds, and no longer than the two steps together."""
        self._shields[scope] = seconds
        try:
            if self._told_at < math.inf:
                self._shorten(scope)
            yield
        finally:
            del self._shields[scope]

    def _shorten(self, scope: anyio.CancelScope) -> None:
        now = asyncio.get_running_loop().time()
        scope.deadline = min(scope.deadline, now + self._shields[scope], self._told_at + FINISHING + CLOSING)

    def _cancel(self, _: signal.Signals) -> None:
        self._scope.cancel()

    def end_hard_later(self, *_: object) -> None:
        """Kill the process after HARD_END seconds, whatever it does then."""
        if self._timer is None:
            self._timer = threading.Timer(HARD_END, self._end_hard)
            self._timer.daemon = True
            self._timer.start()

    def _end_hard(self) -> None:
        # Not through the logger: a thread that hangs may hold its lock.
        os.write(2, b"still not ended %g s after the signal; ending hard\n" % HARD_END)
        os._exit(0 if self.left else 1)


@contextmanager
def stopping() -> Generator[Stopping, None, None]:
    """A block that signals stop. It works in the main thread only, and on asyncio."""
    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as scope:
        handler = Stopping(scope)
        token = _in_force.set(handler)
        for number in SIGNALS:
            loop.add_signal_handler(number, handler.received, number)
            if _may_end_hard.get():
                # A blocked loop does not run its own signal handlers, but Python still runs this one.
                signal.signal(number, handler.end_hard_later)
                signal.siginterrupt(number, False)
        try:
            yield handler
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)
            _in_force.reset(token)
            handler.left = True


@contextmanager
def shielded(seconds: float = math.inf, *, once_stopping: float = CLOSING) -> Generator[anyio.CancelScope, None, None]:
    """Shield this block from cancellation for a limited time; after that, the block is cancelled.

    Args:
        seconds: The limit while the process is running.
        once_stopping: The limit in seconds from the signal to stop on.
    """
    in_force = _in_force.get()
    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + seconds) as scope:
        if in_force is None:
            yield scope
        else:
            with in_force.limiting(scope, once_stopping):
                yield scope


def run(main: Callable[[*Arguments], Awaitable[object]], *arguments: *Arguments) -> None:
    """Run ``main`` until it ends, at most GRACE seconds after a signal. Raises what ``main`` raises."""
    token = _may_end_hard.set(True)
    try:
        anyio.run(main, *arguments)
    finally:
        _may_end_hard.reset(token)
