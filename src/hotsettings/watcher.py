"""Watching layers: being woken, and looking from a worker thread, whatever the system still has to give."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TypeVar

import anyio

from .layers import Layer
from .log import logger
from .routes import Route
from .stack import Read, Stack, Unchanged, Unsettled
from .status import LayerStatus
from .wakeups import Kind, Wakeups, opener
from .wakeups.looking import Looking
from .worker import Worker

# A watch outlives the last free descriptor. Nothing can be imported without one, so what is imported elsewhere only when there
# is a mistake to explain is imported here.
for _name in ("html", "json", "traceback", "urllib.parse", f"{__package__}.problems"):
    import_module(_name)

R = TypeVar("R")

_STEADY = 60.0
"""Seconds for which events have to come without a failure before the next failure is a new one. The longest time between two
attempts to have them again."""


class Watcher:
    """Watches some layers. ``wake`` and ``hint`` may be called by anybody on the event loop."""

    def __init__(self, layers: Sequence[Layer], settle: float, rescan_interval: float, kind: Kind) -> None:
        self._open = opener(kind)
        self._rescan = rescan_interval
        self._wakeups: Wakeups = Looking()
        self._stack = Stack(layers, settle)
        self._opened = anyio.Event()
        self._woken = anyio.Event()
        self._told = True
        self._lost = anyio.CancelScope()
        self._blind = False
        self._warned = False
        self._delay = rescan_interval
        self._worker = Worker("hotsettings-looks")

    def wake(self) -> None:
        """Make ``woken`` return, and the next look read all files, however unchanged they look."""
        self._stack.reread()
        self.hint()

    def hint(self) -> None:
        """Make ``woken`` return, and the next look be a thorough one: something may have changed."""
        self._told = True
        self._woken.set()

    async def woken(self, within: float) -> None:
        """Wait until something may have changed, or for so many seconds."""
        if (due := self._stack.due) is not None:
            within = min(within, due - time.monotonic())
        with anyio.move_on_after(max(0.0, within)):
            await self._woken.wait()
        self._woken = anyio.Event()

    async def run(self) -> None:
        """Keep wakeups open. Whatever they raise, the regular look has to do without them, until they can be had again."""
        while True:
            opened = time.monotonic()
            try:
                async with self._open() as wakeups:
                    self._wakeups = wakeups
                    self._opened.set()
                    self.hint()
                    with anyio.CancelScope() as self._lost:
                        await wakeups.run(self.hint)
            except Exception as error:
                self._lose(error)
            self._wakeups = Looking()
            self._opened.set()
            self.hint()  # what they had still to tell is lost
            if time.monotonic() - opened > _STEADY:
                self._delay, self._warned = self._rescan, False
            await anyio.sleep(self._delay)
            self._delay = min(2 * self._delay, max(_STEADY, self._rescan))

    async def observe(
        self, evaluate: Callable[[Read], R], slow: Callable[[list[str]], None]
    ) -> Unchanged | Unsettled | tuple[Read, R]:
        """Look at the layers, off the event loop; what was read is evaluated there too.

        ``slow`` is called with the names of the layers of which one may hang, if that takes longer than ``PATIENCE``.
        """
        await self._opened.wait()
        wakeups, started = self._wakeups, time.monotonic()
        told, self._told = self._told, False

        def arm(routes: Sequence[Route]) -> bool:
            try:
                return wakeups.arm(routes)
            except Exception as error:
                raise _NoMoreEvents(error) from error

        def work() -> Unchanged | Unsettled | tuple[Read, R]:
            if not told and self._stack.unmoved():
                return Unchanged()
            seen = self._stack.observe(arm, wakeups.told, wakeups.confirm)
            return (seen, evaluate(seen)) if isinstance(seen, Read) else seen

        try:
            seen = await self._worker.run(work, lambda: slow(self._stack.visited()))
            self._drain(wakeups)
        except _NoMoreEvents as failure:
            self._lose(failure.reason)
            self._wakeups = Looking()
            self._lost.cancel()
            return Unsettled(0.0)
        # Whoever has written while it was read may have closed it by now, and what was read is the half of it.
        if isinstance(seen, tuple) and any(
            wakeups.told(path).written >= started for path in self._stack.complete_targets
        ):
            self._stack.distrust()
            return Unsettled(0.0)
        self._regain(wakeups)
        return seen

    def live(self) -> None:
        """What was read last is live now."""
        self._stack.live()

    def distrust(self) -> None:
        """Read all layers again at the next look: what was read last could not be judged."""
        self._stack.distrust()

    def writing(self) -> list[str]:
        """The names of the layers that somebody was writing at the last look."""
        return self._stack.unsettled()

    def close(self) -> None:
        """End the thread. A look that hangs in it is left alone."""
        self._worker.close()

    def waiting(self) -> dict[str, float]:
        """The names of the layers that are waited for, as they are still being written, and since when (monotonic seconds)."""
        return self._stack.waiting()

    def statuses(self) -> list[LayerStatus]:
        """How each layer stood when it was read last."""
        return self._stack.statuses()

    @property
    def targets(self) -> list[str]:
        """The files that the layers' paths lead to."""
        return self._stack.targets

    def _drain(self, wakeups: Wakeups) -> None:
        try:
            wakeups.drain()
        except Exception as error:
            raise _NoMoreEvents(error) from error

    def _lose(self, error: Exception) -> None:
        if not self._blind:
            tell = logger.info if self._warned else logger.warning
            tell("no more file events (%s): looking every %g s until they can be had again", error, self._rescan)
            self._blind = self._warned = True

    def _regain(self, wakeups: Wakeups) -> None:
        if self._blind and not wakeups.blind:
            self._blind = False
            logger.info("file events can be had again")


class _NoMoreEvents(Exception):
    """What was to tell of changes has failed."""

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason
