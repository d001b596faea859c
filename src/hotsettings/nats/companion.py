"""What runs beside a live object that has layers of a store: it keeps the copy on disk and the report up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from .._layers.store import Store, StoreLayer
from .._live.status import Applied
from .._log import logger
from ..errors import Rejected
from .disk_copy import DiskCopy
from .reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._live.live import Live
    from .._loading.load import Loaded


class Companion:
    """Waits until each change in the store is applied or rejected, then updates the copy on disk and the report.

    Args:
        store: The store.
        live: The live object.
        accepted: Returns what the layers said when they were accepted last.
        disk_copy: The copy on disk, if there is to be one.
        reporter: Writes the reports, if there are to be any.
    """

    def __init__(
        self,
        store: Store,
        live: Live[Any],
        accepted: Callable[[], Loaded],
        disk_copy: DiskCopy | None,
        reporter: Reporter | None,
    ) -> None:
        self._store = store
        self._live = live
        self._accepted = accepted
        self._disk_copy = disk_copy
        self._reporter = reporter
        self._changed = anyio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        async with anyio.create_task_group() as tasks:
            with self._store.subscribed(self._store_changed):
                tasks.start_soon(self._follow_store)
                tasks.start_soon(self._follow_events)
                if self._reporter is not None:
                    tasks.start_soon(self._reporter.run)
                await anyio.sleep_forever()

    def _store_changed(self) -> None:
        self._changed.set()
        self._wake_reporter()

    def _wake_reporter(self) -> None:
        if self._reporter is not None:
            self._reporter.wake()

    async def _follow_store(self) -> None:
        """After each change, reload: an edit that changes no value has no event, but its revision is reported too."""
        while True:
            await self._update_copy()
            self._wake_reporter()
            await self._changed.wait()
            self._changed = anyio.Event()
            try:
                await self._live.reload()
            except Rejected:
                pass  # the report says so

    async def _follow_events(self) -> None:
        async for event in self._live.events():
            self._wake_reporter()
            if isinstance(event, Applied):
                self._changed.set()

    async def _update_copy(self) -> None:
        if self._disk_copy is None:
            return
        loaded = self._accepted()
        layers = [
            document.layer
            for document in loaded.documents
            if isinstance(document.layer, StoreLayer) and document.layer.store is self._store and not document.missing
        ]
        try:
            await to_thread.run_sync(self._disk_copy.update, loaded, layers)
        except OSError as error:
            logger.warning("the copy in %s could not be written: %s", self._disk_copy.path, error.strerror or error)
