"""What is done beside a live object that has layers of a store: a copy of what went live, and reports."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.kv import KeyValue

from .._concurrency.backoff import Backoff
from .._layers.store import StoreLayer
from .._live.status import Applied
from .._log import logger
from ..errors import Rejected
from .connection import described
from .reports import RENEWAL, encoded, report_on, reports_bucket

if TYPE_CHECKING:
    from .._live.live import Live
    from .._loading.load import Loaded
    from .store import NatsStore

_SPREAD = 0.25
"""Seconds over which processes spread their reports of the same change."""
_FIRST_RETRY = 1.0
"""Seconds, at most, after which a report that could not be written is tried again for the first time."""
_FAREWELL = 0.1
"""Seconds that it may take to withdraw the report at the end."""


class Companion:
    """Keeps the copy and the report of one live object up to date."""

    def __init__(self, store: NatsStore, live: Live[Any], accepted: Callable[[], Loaded], instance: str) -> None:
        self._store = store
        self._live = live
        self._accepted = accepted
        self.instance = instance
        self._service = store.service or type(live.current).__qualname__
        self._started_at = datetime.now(UTC)
        self._news = anyio.Event()
        self._moved = anyio.Event()
        self._complained = False
        self._client: Client | None = None
        self._reports: KeyValue

    async def run(self) -> None:
        """Do so until cancelled."""
        async with anyio.create_task_group() as tasks:
            with self._store.subscribed(self._store_moved):
                tasks.start_soon(self._settle)
                tasks.start_soon(self._listen)
                if self._store.reporting:
                    tasks.start_soon(self._report_for_ever)
                await anyio.sleep_forever()

    def _store_moved(self) -> None:
        self._moved.set()
        self._news.set()

    async def _settle(self) -> None:
        """Wait, after each change in the store, until it is live or refused, though no value of it may differ."""
        while True:
            await self._copy()
            self._news.set()
            await self._moved.wait()
            self._moved = anyio.Event()
            try:
                await self._live.reload()
            except Rejected:
                pass  # the report tells of it

    async def _listen(self) -> None:
        """Take note of what is applied later, and of what is refused."""
        async for event in self._live.events():
            self._news.set()
            if isinstance(event, Applied):
                self._moved.set()

    async def _copy(self) -> None:
        last_good = self._store.last_good
        if last_good is None:
            return
        loaded = self._accepted()
        layers = [
            document.layer
            for document in loaded.documents
            if isinstance(document.layer, StoreLayer) and document.layer.store is self._store and not document.missing
        ]
        try:
            await to_thread.run_sync(last_good.keep, loaded, layers)
        except OSError as error:
            logger.warning("the copy in %s could not be written: %s", last_good.path, error.strerror or error)

    async def _report_for_ever(self) -> None:
        backoff = Backoff(_FIRST_RETRY, RENEWAL, jitter=True)
        try:
            while True:
                self._news = anyio.Event()
                told = await self._try(self._report)
                with anyio.move_on_after(RENEWAL if told else backoff.next()):
                    await self._news.wait()
                    await anyio.sleep(_SPREAD * random.random())
                if told:
                    backoff.reset()
        finally:
            with anyio.move_on_after(_FAREWELL, shield=True):
                await self._try(self._withdraw)

    async def _try(self, work: Callable[[KeyValue], Awaitable[object]]) -> bool:
        """Do something with the reports; return whether it is done, or has to wait for another connection."""
        client = self._store.client
        if client is None or not client.is_connected:
            return True
        try:
            if client is not self._client:  # asking for it costs more than a report does
                self._reports = await reports_bucket(client.jetstream(timeout=RENEWAL / 2), self._store.bucket)
                self._client = client
            await work(self._reports)
        except (NatsError, TimeoutError) as error:
            self._client = None
            if not self._complained:
                why = described(error, self._store.servers)
                logger.warning("%s: what is applied cannot be reported: %s", self._store.bucket, why)
            self._complained = True
            return False
        self._complained = False
        return True

    async def _report(self, bucket: KeyValue) -> None:
        layers = tuple(document.layer for document in self._accepted().documents)
        report = report_on(self._live, layers, self._store, self.instance, self._service, self._started_at)
        await bucket.put(report.instance, encoded(report))

    async def _withdraw(self, bucket: KeyValue) -> None:
        await bucket.delete(self.instance)
