"""Watching layers: being woken, and looking from a worker thread, whatever the system still has to give."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import anyio
from anyio import to_thread

from .layers import Layer
from .log import logger
from .stack import Read, Stack, Unchanged, Unsettled
from .status import LayerStatus
from .wakeups import Kind, Wakeups, opener
from .wakeups.looking import Looking

R = TypeVar("R")


class Watcher:
    """Watches some layers. ``wake`` may be called by anybody on the event loop."""

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
        # One of its own: the default limiter belongs to the user, and a stalled mount must not use that up.
        self._limiter = anyio.CapacityLimiter(1)
        self._looking_since: float | None = None

    def wake(self) -> None:
        """Make ``woken`` return, and the next look be a thorough one."""
        self._told = True
        self._woken.set()

    async def woken(self, within: float) -> None:
        """Wait until something may have changed, or for so many seconds."""
        with anyio.move_on_after(max(0.0, within)):
            await self._woken.wait()
        self._woken = anyio.Event()

    async def run(self) -> None:
        """Keep wakeups open. Without them the regular look has to do, until they can be had again."""
        while True:
            try:
                async with self._open() as wakeups:
                    self._wakeups = wakeups
                    self._opened.set()
                    self.wake()
                    with anyio.CancelScope() as self._lost:
                        await wakeups.run(self.wake)
            except OSError as error:
                self._lose(error)
            self._wakeups = Looking()
            self._opened.set()
            await anyio.sleep(self._rescan)

    async def observe(self, evaluate: Callable[[Read], R]) -> Unchanged | Unsettled | tuple[Read, R]:
        """Look at the layers, off the event loop; what was read is evaluated there too."""
        await self._opened.wait()
        wakeups, started = self._wakeups, time.monotonic()
        told, self._told = self._told, False

        def work() -> Unchanged | Unsettled | tuple[Read, R]:
            if not told and self._stack.unmoved():
                return Unchanged()
            seen = self._stack.observe(wakeups.arm, wakeups.told, wakeups.confirm)
            return (seen, evaluate(seen)) if isinstance(seen, Read) else seen

        self._looking_since = started
        try:
            seen = await to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._limiter)
        except OSError as error:  # no more watches
            self._lose(error)
            self._wakeups = Looking()
            self._lost.cancel()
            return Unsettled(0.0)
        finally:
            self._looking_since = None
        wakeups.drain()
        # Whoever has written while it was read may have closed it by now, and what was read is the half of it.
        if isinstance(seen, tuple) and any(wakeups.told(path).written >= started for path in self._stack.targets):
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

    @property
    def looking_for(self) -> float:
        """For how many seconds a look has been under way; 0 if none is."""
        return 0.0 if self._looking_since is None else time.monotonic() - self._looking_since

    def statuses(self) -> list[LayerStatus]:
        """How each layer stood when it was read last."""
        return self._stack.statuses()

    @property
    def targets(self) -> list[str]:
        """The files that the layers' paths lead to."""
        return self._stack.targets

    def _lose(self, error: OSError) -> None:
        if not self._blind:
            self._blind = True
            logger.warning(
                "no more file events (%s): looking every %g s until they can be had again", error, self._rescan
            )

    def _regain(self, wakeups: Wakeups) -> None:
        if self._blind and not wakeups.blind:
            self._blind = False
            logger.info("file events can be had again")
