"""The HTTP API.

It uses Starlette alone, because msgspec already validates the settings and the few request bodies. Each request has one
snapshot pinned to it, so a reload does not change settings in its middle. Only an open event stream, which outlives
reloads, reads the newest settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import anyio
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec import Meta, Struct
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from hotsettings import Live, Resource, ResourceDown
from hotsettings.integrations.asgi import PinnedSettings, settings_of
from hotsettings.integrations.prometheus import SettingsCollector

from .client import client_page
from .fanout import Fanout
from .proxies import TrustedProxies
from .rate_limits import Counters, RateLimited
from .settings import Settings
from .sse import EventStream
from .streams import ConsumerPool, events_topic

NEVER_LIMITED = frozenset({"/health", "/metrics"})
MOST_BYTES = 65_536
"""The largest request body that is read."""
STREAMING_IS_OFF = {"detail": "event streaming is switched off (ENABLE_EVENT_STREAMING)"}
KAFKA_IS_AWAY = {"detail": "Kafka does not answer"}
LATER = {"Retry-After": "30"}
PUBLISHED_WITHIN = 2.0
"""Seconds after which publishing fails with "Kafka does not answer". The event may still arrive."""


class ExecutionEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client may publish."""

    execution_id: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: Annotated[str, Meta(pattern=r"^[a-z_.]{1,100}$")]
    detail: str = ""


class Api:
    """The request handlers and their dependencies."""

    def __init__(
        self,
        live: Live[Settings],
        fanout: Fanout,
        pool: Resource[ConsumerPool | None],
        publisher: Resource[AIOKafkaProducer | None],
    ) -> None:
        self.live = live
        self.fanout = fanout
        self.pool = pool
        self.publisher = publisher
        self.page = client_page()
        self.registry = CollectorRegistry()
        self.registry.register(SettingsCollector(live))
        self.registry.register(StreamsCollector(fanout, pool))

    async def health(self, request: Request) -> Response:
        """Answer 200 even with old settings or without brokers, so that these do not take every process out of service.

        The body says whether either is so. It gives no reasons, because anybody may ask and reasons may quote the files.
        """
        status = self.live.status
        health = {
            "status": "ok" if status.healthy and brokers_answer(self.pool) else "degraded",
            "generation": status.generation,
            "layers": [layer.name for layer in status.layers],
        }
        return JSONResponse(health, headers={"Cache-Control": "no-store"})

    async def metrics(self, request: Request) -> Response:
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

    async def events(self, request: Request) -> Response:
        """Open a stream. While streaming is off, new streams are refused; open ones stay open and get an event."""
        settings = settings_of(request.scope, Settings)
        if not settings.ENABLE_EVENT_STREAMING:
            return JSONResponse(STREAMING_IS_OFF, 503, LATER)
        # A browser names the header only while it keeps the connection up by itself; a page that opens another one cannot.
        last_event_id = request.headers.get("Last-Event-ID") or request.query_params.get("last-event-id")
        return EventStream(self.fanout, lambda: self.live.current.SSE_HEARTBEAT_INTERVAL, last_event_id)

    async def watch(self, request: Request) -> Response:
        return self.page

    async def publish(self, request: Request) -> Response:
        settings = settings_of(request.scope, Settings)
        body = await _body(request)
        if body is None:
            return JSONResponse({"detail": f"more than {MOST_BYTES} bytes"}, 413)
        try:
            event = msgspec.json.decode(body, type=ExecutionEvent)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return JSONResponse({"detail": str(error)}, 422)
        try:
            with anyio.fail_after(PUBLISHED_WITHIN):
                async with self.publisher.lease() as producer:
                    if producer is None:
                        return JSONResponse(STREAMING_IS_OFF, 503, LATER)
                    key = event.execution_id.encode()
                    sent = await producer.send_and_wait(events_topic(settings), msgspec.json.encode(event), key)
        except (KafkaError, ResourceDown, TimeoutError):
            return JSONResponse(KAFKA_IS_AWAY, 503, LATER)
        return JSONResponse({"partition": sent.partition, "offset": sent.offset}, 202)

    async def k8s_limits(self, request: Request) -> Response:
        settings = settings_of(request.scope, Settings)
        limits: dict[str, Any] = {
            "cpu_limit": settings.K8S_POD_CPU_LIMIT,
            "memory_limit": settings.K8S_POD_MEMORY_LIMIT,
            "cpu_request": settings.K8S_POD_CPU_REQUEST,
            "memory_request": settings.K8S_POD_MEMORY_REQUEST,
            "execution_timeout": settings.K8S_POD_EXECUTION_TIMEOUT,
            "max_concurrent_pods": settings.K8S_MAX_CONCURRENT_PODS,
            "supported_runtimes": msgspec.to_builtins(settings.SUPPORTED_RUNTIMES),
        }
        return JSONResponse(limits)

    async def example_scripts(self, request: Request) -> Response:
        settings = settings_of(request.scope, Settings)
        return JSONResponse({"scripts": msgspec.to_builtins(settings.EXAMPLE_SCRIPTS)})

    def routes(self, prefix: str) -> list[BaseRoute]:
        return [
            Route("/", self.watch),
            Route("/health", self.health),
            Route("/metrics", self.metrics),
            Route("/events", self.events),
            Route(f"{prefix}/events", self.publish, methods=["POST"]),
            Route(f"{prefix}/k8s-limits", self.k8s_limits),
            Route(f"{prefix}/example-scripts", self.example_scripts),
        ]


def application(
    api: Api, counters: Counters, settings_page: ASGIApp | None = None, proxies: TrustedProxies | None = None
) -> ASGIApp:
    """Return the whole application. Without ``settings_page`` it has no such page; without ``proxies`` it trusts no proxy."""
    routes = api.routes(api.live.current.API_V1_STR)
    if settings_page is not None:
        routes.append(Mount("/settings", settings_page))
    return PinnedSettings(RateLimited(Starlette(routes=routes), counters, NEVER_LIMITED, proxies), api.live)


class StreamsCollector(Collector):
    """Metrics of the event streams for Prometheus."""

    def __init__(self, fanout: Fanout, pool: Resource[ConsumerPool | None]) -> None:
        self._fanout = fanout
        self._pool = pool

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("sse_clients", "Open event streams", self._fanout.clients)
        yield GaugeMetricFamily("sse_consumers", "Kafka consumers that feed them", consumers(self._pool))
        yield GaugeMetricFamily("sse_log_bytes", "Memory that the log of events takes", self._fanout.size)
        yield CounterMetricFamily("sse_events", "Events read from Kafka for them", self._fanout.published)
        yield CounterMetricFamily("sse_gaps", "Times that a client was told it has missed events", self._fanout.gaps)


def brokers_answer(pool: Resource[ConsumerPool | None]) -> bool:
    """Whether Kafka answers, or is not needed because event streaming is off."""
    try:
        current = pool.current
    except ResourceDown:
        return False
    return current is None or current.answering


def consumers(pool: Resource[ConsumerPool | None]) -> int:
    try:
        current = pool.current
    except ResourceDown:
        return 0
    return len(current.members) if current is not None else 0


async def _body(request: Request) -> bytes | None:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return body
