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
from .consistent_read import ConsistentReader, Read, Unchanged, Unsettled
from .events import Kind, Notifier, opener
from .events.polling import Polling
from .symlinks import ResolvedPath

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
        self._notifier: Notifier = Polling()
        self._reader = ConsistentReader(layers, settle)
        self._opened = anyio.Event()
        self._woken = anyio.Event()
        self._hinted = True
        self._mounts_due = 0.0
        self._lost = anyio.CancelScope()
        self._without_events = False
        self._warned = False
        self._delay = rescan_interval
        self._worker = Worker("hotsettings-looks", PATIENCE)

    def wake(self) -> None:
        """Make ``woken`` return, and let the next look read all files, however unchanged they look."""
        self._reader.force_read()
        self.hint()

    def hint(self) -> None:
        """Make ``woken`` return, and let the next look be thorough: something may have changed."""
        self._hinted = True
        self._woken.set()

    async def woken(self, within: float) -> None:
        """Wait until something may have changed, or for so many seconds."""
        if (due := self._reader.due) is not None:
            within = min(within, due - time.monotonic())
        with anyio.move_on_after(max(0.0, within)):
            await self._woken.wait()
        self._woken = anyio.Event()

    async def run(self) -> None:
        """Keep file events coming. If they fail in any way, try to open them again after some time."""
        while True:
            opened = time.monotonic()
            try:
                async with self._open() as notifier:
                    self._notifier = notifier
                    self._opened.set()
                    self.hint()
                    with anyio.CancelScope() as self._lost:
                        await notifier.run(self.hint)
            except Exception as error:
                self._events_failed(error)
            self._notifier = Polling()
            self._opened.set()
            self.hint()  # events that nobody has read yet are lost
            if time.monotonic() - opened > _STEADY:
                self._delay, self._warned = self._rescan, False
            await anyio.sleep(self._delay)
            self._delay = min(2 * self._delay, max(_STEADY, self._rescan))

    async def observe(
        self, evaluate: Callable[[Read], R], slow: Callable[[list[str]], None], *, accept_open: bool = False
    ) -> Unchanged | Unsettled | tuple[Read, R]:
        """Look at the layers in the worker thread, and evaluate there what was read.

        If ``hasty``, a file that has stood still for ``settle`` is read, even if somebody has it open for writing.

        If that takes longer than ``PATIENCE``, call ``slow`` with the names of the layers that may hang.
        """
        await self._opened.wait()
        notifier, started = self._notifier, time.monotonic()
        hinted, self._hinted = self._hinted, False

        def watch(resolved: Sequence[ResolvedPath]) -> bool:
            try:
                return notifier.watch(resolved)
            except Exception as error:
                raise _EventsFailed(error) from error

        def work() -> Unchanged | Unsettled | tuple[Read, R]:
            if started >= self._mounts_due:
                self._mounts_due = started + self._rescan
                self._reader.check_mounts()
            if not hinted and self._reader.unchanged():
                return Unchanged()
            seen = self._reader.observe(watch, notifier.last_event, notifier.event_delay, accept_open=accept_open)
            return (seen, evaluate(seen)) if isinstance(seen, Read) else seen

        try:
            seen = await self._worker.run(work, lambda: slow(self._reader.in_progress()))
            self._read_pending(notifier)
        except _EventsFailed as failure:
            self._events_failed(failure.reason)
            self._notifier = Polling()
            self._lost.cancel()
            return Unsettled(0.0)
        # A writer that was active during the read may have closed the file by now, so half of a file may have been read.
        if isinstance(seen, tuple) and any(
            notifier.last_event(path).written_at >= started for path in self._reader.complete_targets
        ):
            self._reader.invalidate()
            return Unsettled(0.0)
        self._events_back(notifier)
        return seen

    def accepted(self) -> None:
        """Note that what was read last is live."""
        self._reader.accepted()

    def invalidate(self) -> None:
        """Drop what was read last, and read all layers again at the next look: it could not be judged."""
        self._reader.invalidate()

    def writing(self) -> dict[str, float]:
        """The names of the layers that somebody was writing at the last look, and since when, in monotonic seconds."""
        return self._reader.writing()

    def close(self) -> None:
        """End the thread. If a look hangs in it, leave it alone."""
        self._worker.close()

    def statuses(self) -> list[LayerStatus]:
        """The state of each layer when it was read last."""
        return self._reader.statuses()

    @property
    def stale_mounts(self) -> dict[str, str]:
        """The mount points through which edits from outside do not arrive any more, and the label of a file behind each."""
        return self._reader.stale_mounts

    @property
    def targets(self) -> list[str]:
        """The files that the layers' paths lead to."""
        return self._reader.targets

    def _read_pending(self, notifier: Notifier) -> None:
        try:
            notifier.read_pending()
        except Exception as error:
            raise _EventsFailed(error) from error

    def _events_failed(self, error: Exception) -> None:
        if not self._without_events:
            tell = logger.info if self._warned else logger.warning
            tell("no more file events (%s): looking every %g s until they can be had again", error, self._rescan)
            self._without_events = self._warned = True

    def _events_back(self, notifier: Notifier) -> None:
        if self._without_events and not notifier.blind:
            self._without_events = False
            logger.info("file events can be had again")


class _EventsFailed(Exception):
    """The source of file events has failed."""

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason
