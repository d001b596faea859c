"""The tracer of a process: ``async with tracing(live) as provider``.

The settings decide whether spans are recorded, which share of them, and where they go. The identity of the process cannot
follow them: the SDK fixes it when a provider is made, so those settings need a restart.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import unquote

import anyio
from anyio import to_thread
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource as Identity
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.version import __version__ as sdk_version

from hotsettings import Live

from .exporting import COLLECTOR, EXPORT_TIMEOUT, FollowingExporter, Unsent, collector
from .sampling import FollowingSampler
from .settings import Settings
from .stopping import CLOSING

QUEUE = 8192
"""Finished spans that wait for a collector at most; when it is full, the oldest are dropped."""
BATCH = 512
DELAY = 1.0
"""Seconds after which spans are sent, though there are fewer than a batch."""
LEAVING = CLOSING
"""Seconds at the end for what still waits."""


@asynccontextmanager
async def tracing(live: Live[Settings]) -> AsyncGenerator[TracerProvider, None]:
    """Hold a provider of tracers that follows the settings. The end of the block sends the spans that have finished."""
    unsent = Unsent()
    async with live.resource(partial(collector, unsent=unsent), *COLLECTOR) as resource:
        exporter = FollowingExporter(resource)
        provider = _provider(live, exporter)
        with unsent.spans():
            try:
                yield provider
            finally:
                with anyio.CancelScope(shield=True):
                    await _shut_down(provider, exporter)


def set_globally(provider: TracerProvider) -> bool:
    """Make it the global provider of the process; return whether that was possible.

    A process can set a global provider only once, and cannot undo it. If one is set already, that one stays.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    return trace.get_tracer_provider() is provider


def identity(settings: Settings) -> Identity:
    """The identity of the process. TRACING_SERVICE_NAME differs by worker, so it overrides the name that all workers share."""
    return Identity(
        {
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.version": sdk_version,
            **_attributes(settings.OTEL_RESOURCE_ATTRIBUTES or ""),
            "service.name": settings.TRACING_SERVICE_NAME,
            "service.version": settings.TRACING_SERVICE_VERSION,
        }
    )


def _attributes(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs}


def _provider(live: Live[Settings], exporter: FollowingExporter) -> TracerProvider:
    # The limits are the SDK's own, written out: left to itself it reads them from the environment.
    limits = SpanLimits(
        max_span_attributes=128,
        max_events=128,
        max_links=128,
        max_event_attributes=128,
        max_link_attributes=128,
        max_attributes=128,
        max_attribute_length=SpanLimits.UNSET,
        max_span_attribute_length=SpanLimits.UNSET,
    )
    provider = TracerProvider(
        FollowingSampler(live), identity(live.current), shutdown_on_exit=False, span_limits=limits
    )
    queue = BatchSpanProcessor(
        exporter,
        max_queue_size=QUEUE,
        schedule_delay_millis=DELAY * 1000,
        max_export_batch_size=BATCH,
        export_timeout_millis=EXPORT_TIMEOUT * 1000,
    )
    provider.add_span_processor(queue)
    return provider


async def _shut_down(provider: TracerProvider, exporter: FollowingExporter) -> None:
    """Send the waiting spans, in a thread because the SDK blocks; cancel it when the time is over."""
    threads = anyio.CapacityLimiter(2)  # of its own: the common ones may all be busy

    async def limit() -> None:
        await anyio.sleep(LEAVING)
        await to_thread.run_sync(exporter.give_up, limiter=threads)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(limit)
        await to_thread.run_sync(provider.shutdown, limiter=threads)
        tasks.cancel_scope.cancel()
