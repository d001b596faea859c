"""The Kafka consumer of a worker, which follows the settings.

Two consumers of one process would share the partitions between them, so a new one cannot run beside the old one. The
consumer is replaced between two batches. The old one commits what it has handled and leaves the group; the new one
continues from there.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from hotsettings import Change, Live, Resource

from .closing import stop, stop_admin
from .members import Member
from .settings import Settings
from .topics import retries_topic

logger = logging.getLogger(__name__)

MADE_FROM = (
    "ENABLE_EVENT_STREAMING",
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_AUTO_OFFSET_RESET",
    "KAFKA_ENABLE_AUTO_COMMIT",
    "KAFKA_SESSION_TIMEOUT_MS",
    "KAFKA_HEARTBEAT_INTERVAL_MS",
    "KAFKA_REQUEST_TIMEOUT_MS",
    "KAFKA_MAX_POLL_INTERVAL_MS",
)


@asynccontextmanager
async def membership(live: Live[Settings], topic: str) -> AsyncGenerator[Resource[Member | None], None]:
    """Join the group, and read this topic and its retries. There is no member while event streaming is off."""

    @asynccontextmanager
    async def group_member(settings: Settings) -> AsyncGenerator[Member | None, None]:
        if not settings.ENABLE_EVENT_STREAMING:
            yield None
            return
        consumer = consumer_for(settings)
        member = Member(consumer, settings, retries_topic(settings))
        consumer.subscribe([topic, retries_topic(settings)], listener=member)
        try:
            await consumer.start()
            await member.placed()
            logger.info("joined group %s at %s", settings.KAFKA_CONSUMER_GROUP_ID, settings.KAFKA_BOOTSTRAP_SERVERS)
            yield member
        finally:
            await stop(consumer)

    veto = live.prepare(reachable, "KAFKA_BOOTSTRAP_SERVERS", "ENABLE_EVENT_STREAMING")
    try:
        async with live.resource(group_member, *MADE_FROM, replace="exclusive") as resource:
            yield resource
    finally:
        veto.cancel()


def consumer_for(settings: Settings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=settings.KAFKA_BOOTSTRAP_SERVERS,
        group_id=settings.KAFKA_CONSUMER_GROUP_ID,
        auto_offset_reset=settings.KAFKA_AUTO_OFFSET_RESET,
        enable_auto_commit=settings.KAFKA_ENABLE_AUTO_COMMIT,
        session_timeout_ms=settings.KAFKA_SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=settings.KAFKA_HEARTBEAT_INTERVAL_MS,
        request_timeout_ms=settings.KAFKA_REQUEST_TIMEOUT_MS,
        max_poll_interval_ms=settings.KAFKA_MAX_POLL_INTERVAL_MS,
        # How long the others wait for this one to finish its batch when the partitions are dealt out anew.
        rebalance_timeout_ms=settings.KAFKA_MAX_POLL_INTERVAL_MS,
    )


async def reachable(change: Change[Settings]) -> None:
    """Veto brokers that do not answer, while the old consumer still works."""
    if not change.new.ENABLE_EVENT_STREAMING:
        return
    admin = AIOKafkaAdminClient(
        bootstrap_servers=change.new.KAFKA_BOOTSTRAP_SERVERS, request_timeout_ms=change.new.KAFKA_REQUEST_TIMEOUT_MS
    )
    try:
        await admin.start()
    finally:
        await stop_admin(admin)
