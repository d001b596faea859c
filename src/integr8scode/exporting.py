"""Sends spans: one exporter that stays, around one exporter for each collector that the settings name in turn.

Spans wait in one queue, in front of the exporter that stays. When the settings name another collector, the waiting spans
go to the new one, and so does a batch that the old one did not accept.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager

import anyio
import grpc
from anyio import to_thread
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from hotsettings import Resource, ResourceDown

from .settings import Settings
from .stopping import CLOSING, FINISHING, shielded

COLLECTOR = ("OTEL_EXPORTER_OTLP_ENDPOINT", "JAEGER_COLLECTOR_ENDPOINT")

EXPORT_TIMEOUT = 5.0
"""Seconds that a batch is tried for, retries included."""
HANDOVER_TIMEOUT = 2.0
"""Seconds that a collector which has been replaced gets for the batch that it is busy with."""

NO_HEADERS = ","
"""An empty list of headers, as the exporter reads it. With none at all it would look for some in the environment."""


def endpoint(settings: Settings) -> str | None:
    """Where to send spans. Jaeger accepts OTLP too, so its address is used where no other is given."""
    return settings.OTEL_EXPORTER_OTLP_ENDPOINT or settings.JAEGER_COLLECTOR_ENDPOINT


class Collector:
    """The stock exporter for one address. Its methods block, and may be called from any thread."""

    def __init__(self, address: str) -> None:
        # Everything that the exporter would otherwise read from the environment is said here.
        insecure = not address.startswith("https://")
        self._exporter = OTLPSpanExporter(
            endpoint=address,
            insecure=insecure,
            credentials=None if insecure else grpc.ssl_channel_credentials(),
            headers=NO_HEADERS,
            timeout=EXPORT_TIMEOUT,
            compression=grpc.Compression.NoCompression,
        )
        self._busy = threading.Lock()
        self._closed = False

    def export(self, spans: Sequence[ReadableSpan]) -> bool:
        """Send a batch; return whether it has arrived."""
        with self._busy:
            return not self._closed and self._exporter.export(spans) is SpanExportResult.SUCCESS

    def close(self, within: float = HANDOVER_TIMEOUT) -> None:
        """Let the current batch arrive, or cancel it after so many seconds."""
        idle = self._busy.acquire(timeout=within)
        try:
            if not self._closed:
                self._closed = True
                self._exporter.shutdown(timeout_millis=0)
        finally:
            if idle:
                self._busy.release()


class Unsent:
    """Counts whether there may still be spans to send."""

    def __init__(self) -> None:
        self._none = anyio.Event()
        self._none.set()

    @contextmanager
    def spans(self) -> Generator[None, None, None]:
        """Assume that there are spans until the end of this block."""
        self._none = anyio.Event()
        try:
            yield
        finally:
            self._none.set()

    async def gone(self) -> None:
        await self._none.wait()


@asynccontextmanager
async def collector(settings: Settings, *, unsent: Unsent) -> AsyncGenerator[Collector | None, None]:
    """Connect to the collector that the settings name; None if they name none.

    It does not check whether the collector answers: an unavailable collector must not keep other settings from going live.
    """
    address = endpoint(settings)
    if address is None:
        yield None
        return
    threads = anyio.CapacityLimiter(1)  # of its own: the common ones may all be busy
    made = await to_thread.run_sync(Collector, address, limiter=threads)
    try:
        yield made
    except anyio.get_cancelled_exc_class():  # of all at once: what still waits goes out through this one
        with shielded(once_stopping=FINISHING + CLOSING):
            await unsent.gone()
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(made.close, limiter=threads)


class FollowingExporter(SpanExporter):
    """Sends each batch to the newest collector."""

    def __init__(self, resource: Resource[Collector | None]) -> None:
        self._resource = resource
        self._given_up = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; if its collector has been replaced meanwhile, send it to the new one."""
        tried: Collector | None = None
        while not self._given_up:
            try:
                newest = self._resource.current
            except ResourceDown:
                break
            if newest is None or newest is tried:
                break
            if newest.export(spans):
                return SpanExportResult.SUCCESS
            tried = newest
        return SpanExportResult.FAILURE

    def give_up(self) -> None:
        """Cancel the current batch, and let all others fail at once."""
        self._given_up = True
        try:
            newest = self._resource.current
        except ResourceDown:
            return
        if newest is not None:
            newest.close(within=0)

    def shutdown(self) -> None:
        """Do nothing: the collector is closed where it was opened."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True
