"""The producer that publishes events: rebuilt when the brokers change, None while event streaming is off."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer

from hotsettings import Live, Resource

from .closing import stop_producer
from .settings import Settings
from .streams import CONNECTION


@asynccontextmanager
async def producer(settings: Settings) -> AsyncGenerator[AIOKafkaProducer | None, None]:
    if not settings.ENABLE_EVENT_STREAMING:
        yield None
        return
    made = AIOKafkaProducer(
        bootstrap_servers=settings.KAFKA_BOOTSTRAP_SERVERS,
        request_timeout_ms=settings.KAFKA_REQUEST_TIMEOUT_MS,
        acks="all",
    )
    try:
        await made.start()
        yield made
    finally:
        await stop_producer(made)


@asynccontextmanager
async def publisher(live: Live[Settings]) -> AsyncGenerator[Resource[AIOKafkaProducer | None], None]:
    """Hold the producer. To publish, take a lease: its producer stays open until the event is acknowledged."""
    async with live.resource(producer, *CONNECTION) as resource:
        yield resource
