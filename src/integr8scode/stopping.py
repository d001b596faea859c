"""How a process is told to stop: by SIGTERM or SIGINT, from the first moment of its work."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """What a signal does: it cancels the block, or what ``instead`` says. One that comes after a cancellation kills.

    So a block that has nothing yet, waits for a broker or clears up is left in an orderly way, and one that hangs can
    still be ended.
    """

    def __init__(self, scope: anyio.CancelScope) -> None:
        self._scope = scope
        self._act: Callable[[signal.Signals], object] = self._cancel

    def received(self, number: signal.Signals) -> None:
        logger.info("stopping on %s", number.name)
        if self._scope.cancel_called:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._act(number)

    @contextmanager
    def inside(self, scope: anyio.CancelScope) -> Generator[None, None, None]:
        """Cancel ``scope`` for the length of this block, so that what is held around it stands until it has been left."""
        before, self._scope = self._scope, scope
        try:
            yield
        finally:
            self._scope = before

    @contextmanager
    def instead(self, act: Callable[[signal.Signals], object]) -> Generator[None, None, None]:
        """Call ``act`` with each signal for the length of this block."""
        before, self._act = self._act, act
        try:
            yield
        finally:
            self._act = before

    def _cancel(self, _: signal.Signals) -> None:
        self._scope.cancel()


@contextmanager
def stopping() -> Generator[Stopping, None, None]:
    """A block that signals stop. Only in the main thread, on asyncio."""
    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as scope:
        handler = Stopping(scope)
        for number in SIGNALS:
            loop.add_signal_handler(number, handler.received, number)
        try:
            yield handler
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)
