"""Signals that mean ``reload()``. Any number of live objects may share one, on any event loops of the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import anyio
from anyio.abc import TaskStatus

from .._concurrency.loop_calls import Call, into_this_loop
from ..errors import Rejected

_QUIET = 0.1
"""Seconds without another signal, after which a burst is over."""
_LONGEST_BURST = 1.0
"""Seconds after which a burst is answered although it goes on."""


class _Shared:
    """One signal, its receivers, and the one Python handler that serves all of them."""

    def __init__(self, number: signal.Signals) -> None:
        self.receivers: list[tuple[Call, Callable[[], object]]] = []
        self.handler = self._handle  # kept for comparison: each access to a method makes a new object
        self.before: Any = signal.signal(number, self.handler)

    def _handle(self, number: int, frame: object) -> None:
        for call, receive in self.receivers[:]:
            with suppress(RuntimeError):  # the receiver's loop has ended
                call(receive)


_shared: dict[signal.Signals, _Shared] = {}


def checked_signal(number: int) -> signal.Signals:
    """Return the signal. Raises ValueError outside of the main thread, where no signals can be received."""
    if threading.current_thread() is not threading.main_thread():
        raise ValueError(
            "reload_signal works in the main thread only, where Python handles signals: "
            "watch there, or leave it out and call reload() yourself"
        )
    return signal.Signals(number)


@contextmanager
def received(number: signal.Signals, call: Call, receive: Callable[[], object]) -> Generator[None]:
    """Receive a signal for the length of a block.

    The end of the last block for a signal restores the former handler. Python allows that only in the main thread: if
    the block ends in another one, our handler stays, and does nothing.

    Args:
        number: The signal.
        call: Schedules ``receive`` in an event loop.
        receive: Called there at each signal.
    """
    shared = _shared.get(number)
    if shared is None:
        shared = _shared[number] = _Shared(number)
    receiver = (call, receive)
    shared.receivers.append(receiver)
    try:
        yield
    finally:
        shared.receivers.remove(receiver)
        if not shared.receivers:
            del _shared[number]
            here = threading.current_thread() is threading.main_thread()
            if here and signal.getsignal(number) is shared.handler:  # else somebody has set another one meanwhile
                # None stands for a handler that was not set from Python, and cannot be restored.
                signal.signal(number, shared.before or signal.SIG_DFL)


async def reload_at(
    number: signal.Signals,
    reload: Callable[[], Any],
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Reload at each signal until cancelled; a burst of signals is one reload."""
    bursts = Bursts()
    with received(number, into_this_loop(), bursts.receive):
        task_status.started()
        await bursts.answer(reload)


class Bursts:
    """Turns signals into reloads: a burst of signals is one reload."""

    def __init__(self) -> None:
        self._news = anyio.Event()

    def receive(self) -> None:
        """Note a signal. Called in the event loop."""
        self._news.set()

    async def answer(self, reload: Callable[[], Any]) -> None:
        """Reload at each burst until cancelled."""
        while True:
            await self._news.wait()
            with anyio.move_on_after(_LONGEST_BURST):
                while self._news.is_set():
                    self._news = anyio.Event()
                    with anyio.move_on_after(_QUIET):
                        await self._news.wait()
            self._news = anyio.Event()
            with suppress(Rejected):  # the reloader has logged it
                await reload()
