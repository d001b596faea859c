"""The reporter of one live object: it writes a report into the store after each change, and regularly."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.kv import KeyValue

from .._concurrency.backoff import Backoff
from .._layers.store import Store
from .._log import logger
from .connection import Servers, described
from .reports import RENEWAL, encoded, report_on, reports_bucket

if TYPE_CHECKING:
    from .._live.live import Live
    from .._loading.load import Loaded

_SPREAD = 0.25
"""Seconds over which processes spread their reports of the same change."""
_FIRST_RETRY = 1.0
"""Seconds, at most, until a report that could not be written is tried again for the first time."""
_WITHDRAWAL = 0.1
"""Seconds that it may take to withdraw the report at the end."""


class ReportedStore(Store, Protocol):
    """A store that reports can be written into."""

    servers: Servers
    bucket: str

    @property
    def client(self) -> Client | None:
        """The connection, while there is one."""
        ...


class Reporter:
    """Keeps the report of one live object up to date."""

    def __init__(
        self, store: ReportedStore, live: Live[Any], accepted: Callable[[], Loaded], service: str, instance: str
    ) -> None:
        self._store = store
        self._live = live
        self._accepted = accepted
        self._service = service
        self._instance = instance
        self._started_at = datetime.now(UTC)
        self._changed = anyio.Event()
        self._has_warned = False
        self._client: Client | None = None
        self._reports: KeyValue

    def wake(self) -> None:
        """Write a report soon, because something has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Write reports until cancelled. Then withdraw the report."""
        backoff = Backoff(_FIRST_RETRY, RENEWAL, jitter=True)
        try:
            while True:
                self._changed = anyio.Event()
                is_done = await self._try(self._write)
                with anyio.move_on_after(RENEWAL if is_done else backoff.next()):
                    await self._changed.wait()
                    await anyio.sleep(_SPREAD * random.random())
                if is_done:
                    backoff.reset()
        finally:
            with anyio.move_on_after(_WITHDRAWAL, shield=True):
                await self._try(self._withdraw)

    async def _try(self, work: Callable[[KeyValue], Awaitable[object]]) -> bool:
        """Do something with the bucket of reports. Return False if it should be tried again.

        Without a connection nothing is tried, and the result is True: the next connection wakes the reporter.
        """
        client = self._store.client
        if client is None or not client.is_connected:
            return True
        try:
            if client is not self._client:  # asking for the bucket takes longer than writing a report
                self._reports = await reports_bucket(client.jetstream(timeout=RENEWAL / 2), self._store.bucket)
                self._client = client
            await work(self._reports)
        except (NatsError, TimeoutError) as error:
            self._client = None
            if not self._has_warned:
                why = described(error, self._store.servers)
                logger.warning("%s: what is applied cannot be reported: %s", self._store.bucket, why)
            self._has_warned = True
            return False
        self._has_warned = False
        return True

    async def _write(self, bucket: KeyValue) -> None:
        layers = tuple(document.layer for document in self._accepted().documents)
        report = report_on(self._live, layers, self._store, self._instance, self._service, self._started_at)
        await bucket.put(report.instance, encoded(report))

    async def _withdraw(self, bucket: KeyValue) -> None:
        await bucket.delete(self._instance)
