"""Watching layers: wait for file events, and look at the layers in a worker thread.

If file events fail, the regular look does without them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TypeVar

import anyio

from .._concurrency.worker_thread import Worker
from .._layers.layer import Layer
from .._layers.status import PATIENCE, LayerStatus
from .._log import logger
from .consistent_read import Read, Stack, Unchanged, Unsettled
from .events import Kind, Wakeups, opener
from .events.polling import Looking
from .symlinks import Route

# Importing needs a free file descriptor. A watch has to go on when there are none left, so the modules that explain mistakes
# are imported here, in time.
for _name in ("html", "json", "traceback", "urllib.parse", "hotsettings._loading.problems"):
    import_module(_name)

R = TypeVar("R")

_STEADY = 60.0
"""Seconds without a failure after which the next failure of file events is a new one, with a warning of its own. Also the longest
time between two attempts to open them again."""


class Watcher:
    """Watches some layers. Call ``wake`` and ``hint`` on the event loop."""

    def __init__(self, layers: Sequence[Layer], settle: float, rescan_interval: float, kind: Kind) -> None:
        self._open = opener(kind)
        self.settle = settle
        self._rescan = rescan_interval
        self._wakeups: Wakeups = Looking()
        self._stack = Stack(layers, settle)
        self._opened = anyio.Event()
        self._woken = anyio.Event()
        self._told = True
        self._mounts_due = 0.0
        self._lost = anyio.CancelScope()
        self._blind = False
        self._warned = False
        self._delay = rescan_interval
        self._worker = Worker("hotsettings-looks", PATIENCE)

    def wake(self) -> None:
        """Make ``woken`` return, and let the next look read all files, however unchanged they look."""
        self._stack.reread()
        self.hint()

    def hint(self) -> None:
        """Make ``woken`` return, and let the next look be thorough: something may have changed."""
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
        """Keep file events coming. If they fail in any way, try to open them again after some time."""
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
            self.hint()  # events that nobody has read yet are lost
            if time.monotonic() - opened > _STEADY:
                self._delay, self._warned = self._rescan, False
            await anyio.sleep(self._delay)
            self._delay = min(2 * self._delay, max(_STEADY, self._rescan))

    async def observe(
        self, evaluate: Callable[[Read], R], slow: Callable[[list[str]], None], *, hasty: bool = False
    ) -> Unchanged | Unsettled | tuple[Read, R]:
        """Look at the layers in the worker thread, and evaluate there what was read.

        If ``hasty``, a file that has stood still for ``settle`` is read, even if somebody has it open for writing.

        If that takes longer than ``PATIENCE``, call ``slow`` with the names of the layers that may hang.
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
            if started >= self._mounts_due:
                self._mounts_due = started + self._rescan
                self._stack.look_at_mounts()
            if not told and self._stack.unmoved():
                return Unchanged()
            seen = self._stack.observe(arm, wakeups.told, wakeups.confirm, hasty=hasty)
            return (seen, evaluate(seen)) if isinstance(seen, Read) else seen

        try:
            seen = await self._worker.run(work, lambda: slow(self._stack.visited()))
            self._drain(wakeups)
        except _NoMoreEvents as failure:
            self._lose(failure.reason)
            self._wakeups = Looking()
            self._lost.cancel()
            return Unsettled(0.0)
        # A writer that was active during the read may have closed the file by now, so half of a file may have been read.
        if isinstance(seen, tuple) and any(
            wakeups.told(path).written >= started for path in self._stack.complete_targets
        ):
            self._stack.distrust()
            return Unsettled(0.0)
        self._regain(wakeups)
        return seen

    def accepted(self) -> None:
        """Note that what was read last is live."""
        self._stack.accepted()

    def distrust(self) -> None:
        """Drop what was read last, and read all layers again at the next look: it could not be judged."""
        self._stack.distrust()

    def writing(self) -> dict[str, float]:
        """The names of the layers that somebody was writing at the last look, and since when, in monotonic seconds."""
        return self._stack.writing()

    def close(self) -> None:
        """End the thread. If a look hangs in it, leave it alone."""
        self._worker.close()

    def statuses(self) -> list[LayerStatus]:
        """The state of each layer when it was read last."""
        return self._stack.statuses()

    @property
    def stale_mounts(self) -> dict[str, str]:
        """The mount points through which edits from outside do not arrive any more, and the label of a file behind each."""
        return self._stack.stale_mounts

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
    """The source of file events has failed."""

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason
