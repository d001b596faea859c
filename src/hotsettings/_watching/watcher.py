"""Watching layers: wait for file events, and check the layers in a worker thread.

``Watcher`` runs on the event loop. Only what ``check`` reads and evaluates runs in a worker thread, with the
``ConsistentReader``, because a call to a stalled mount may never return. Only one check runs at a time, so neither side
needs a lock; ``Notifier`` says which of its methods are called where.

If file events fail, the watcher still finds every change: it checks the layers every ``rescan_interval``.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import Generic, TypeVar

import anyio
from msgspec import Struct

from .._concurrency.backoff import Backoff
from .._concurrency.worker_thread import Worker
from .._layers.layer import CollectorPaused, Layer
from .._layers.status import PATIENCE
from .._log import logger
from .._schema.schema import Schema
from .consistent_read import CheckResult, ConsistentReader, Read, Unchanged, Unsettled
from .events import Kind, Notifier, opener
from .events.polling import Polling
from .symlinks import ResolvedPath

# An import needs a free file descriptor. A watch has to go on when there is none left, so the modules that explain
# mistakes are imported now.
for _name in ("html", "json", "traceback", "urllib.parse", "hotsettings._loading.problems"):
    import_module(_name)

R = TypeVar("R")
T = TypeVar("T")

_STEADY = 60.0
"""Seconds without a failure after which a failure of file events is a new one, with a warning and a backoff of its own.
Also the longest time between two attempts to open them again."""


class Evaluated(Struct, Generic[R], frozen=True):
    """What a check has read, and what ``evaluate`` returned for it."""

    read: Read
    outcome: R


class Watcher:
    """Watches layers. Call its methods on the event loop.

    Args:
        schema: What the settings class declares.
        layers: The layers, in rising precedence.
        settle: Seconds without a change after which a file counts as complete, if nothing else shows that it is.
        rescan_interval: Seconds between two checks if there are no events.
        kind: The kind of notifier.
    """

    def __init__(
        self, schema: Schema, layers: Sequence[Layer], settle: float, rescan_interval: float, kind: Kind
    ) -> None:
        self._open = opener(kind)
        self.settle = settle
        self._rescan = rescan_interval
        self._notifier: Notifier = Polling()
        self.reader = ConsistentReader(schema, layers, settle)
        """Reads the layers, in the worker thread. Between two checks, the event loop may ask it what was read."""
        self._opened = anyio.Event()
        self._woken = anyio.Event()
        self._check_thoroughly = True
        """Something may have changed: equal fingerprints are not enough for the next check."""
        self._mounts_due = 0.0
        self._lost = anyio.CancelScope()
        """Cancelled to open another notifier, since a call of this one has failed."""
        self._without_events = False
        self._warned = False
        """The log has a warning of this failure; what follows is logged as info."""
        self._reopen_backoff = Backoff(rescan_interval, max(_STEADY, rescan_interval))
        self._worker = Worker("hotsettings-reader", PATIENCE)

    def wake_and_reread(self) -> None:
        """Like ``wake``, and let the next check read all files, even if their fingerprints are unchanged."""
        self.reader.force_read()
        self.wake()

    def wake(self) -> None:
        """Make ``wait_until_woken`` return, and let the next check be thorough: something may have changed."""
        self._check_thoroughly = True
        self._woken.set()

    async def wait_until_woken(self, within: float) -> None:
        """Wait until something may have changed, or for so many seconds."""
        if (due := self.reader.due) is not None:
            within = min(within, due - time.monotonic())
        with anyio.move_on_after(max(0.0, within)):
            await self._woken.wait()
        self._woken = anyio.Event()

    async def run(self) -> None:
        """Open a notifier and run it. If it fails in any way, try again after some time."""
        while True:
            opened = time.monotonic()
            try:
                async with self._open() as notifier:
                    self._notifier = notifier
                    self._opened.set()
                    self.wake()
                    with anyio.CancelScope() as self._lost:
                        await notifier.run(self.wake)
            except Exception as error:
                self._events_failed(error)
            self._notifier = Polling()
            self._opened.set()
            self.wake()  # events that were not read yet are lost
            if time.monotonic() - opened > _STEADY:
                self._reopen_backoff.reset()
                self._warned = False
            await anyio.sleep(self._reopen_backoff.next())

    async def check(
        self, evaluate: Callable[[Read], R], slow: Callable[[list[str]], None], *, accept_open: bool = False
    ) -> Unchanged | Unsettled | Evaluated[R]:
        """Check the layers in the worker thread, and read those that have changed once no writer is at work on them.

        Args:
            evaluate: Called in the worker thread with what was read, unless that may hold half a file; its result is returned.
            slow: Called with the names of the layers that may hang if all of this takes longer than ``PATIENCE``.
            accept_open: Read a file that has not changed for ``settle`` seconds, even if somebody has it open for
                writing.
        """
        await self._opened.wait()
        notifier, started = self._notifier, time.monotonic()
        thorough, self._check_thoroughly = self._check_thoroughly, False

        def watch(resolved: Sequence[ResolvedPath]) -> bool:
            try:
                return notifier.watch(resolved)
            except Exception as error:
                raise _EventsFailed(error) from error

        def read() -> CheckResult:
            if started >= self._mounts_due:
                self._mounts_due = started + self._rescan
                self.reader.check_mounts()
            if not thorough and self.reader.unchanged():
                return Unchanged()
            with CollectorPaused() as collector:
                return self.reader.check(
                    watch, notifier.last_event, notifier.event_delay, collector, accept_open=accept_open
                )

        def judge(read: Read) -> R:
            with CollectorPaused(self.reader.size):
                return evaluate(read)

        def in_worker(work: Callable[[], T]) -> Awaitable[T]:
            return self._worker.run(work, lambda: slow(self.reader.in_progress()))

        try:
            result = await in_worker(read)
            self._read_pending(notifier)
        except _EventsFailed as failure:
            self._events_failed(failure.reason)
            self._notifier = Polling()
            self._lost.cancel()
            return Unsettled(0.0)
        if not isinstance(result, Read):
            self._events_back(notifier)
            return result
        # If a write event arrived after the check began, the read may hold half a file. Then it is dropped before code
        # of the user sees it, and the check is repeated at once.
        if any(notifier.last_event(path).written_at >= started for path in self.reader.complete_targets):
            self.reader.invalidate()
            return Unsettled(0.0)
        self._events_back(notifier)
        return Evaluated(result, await in_worker(lambda: judge(result)))

    def close(self) -> None:
        """End the worker thread. If a check hangs in it, leave it alone."""
        self._worker.close()

    def _read_pending(self, notifier: Notifier) -> None:
        try:
            notifier.read_pending()
        except Exception as error:
            raise _EventsFailed(error) from error

    def _events_failed(self, error: Exception) -> None:
        if not self._without_events:
            log = logger.info if self._warned else logger.warning
            log("no more file events (%s): checking every %g s, and trying to get events again", error, self._rescan)
            self._without_events = self._warned = True

    def _events_back(self, notifier: Notifier) -> None:
        if self._without_events and notifier.reports_events:
            self._without_events = False
            logger.info("file events are available again")


class _EventsFailed(Exception):
    """The notifier has failed."""

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason
