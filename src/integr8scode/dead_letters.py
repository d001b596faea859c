"""Watches the dead-letter topic: warns when it has too many messages, and deletes those that are old enough.

It checks every few seconds, and at once when one of its settings changes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import anyio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError

from hotsettings import Live, ResourceDown

from .closing import stop, stop_admin
from .retries import Message
from .settings import Settings
from .streams import CONNECTION
from .topics import dead_letters_topic

logger = logging.getLogger(__name__)

LOOK_EVERY = 10.0
DAY = 86_400
LEVELS = {"critical": logging.CRITICAL, "warning": logging.WARNING, "few": logging.INFO}


async def tell_of(message: Message) -> None:
    """Log a dead letter, so that a person looks at it. The dlq-processor handles messages with this function."""
    logger.info(
        "dead letter %s of %s after %d retries: %s", message.origin, message.group, message.died_after, message.error
    )


async def keep_dead_letters(live: Live[Settings]) -> None:
    @asynccontextmanager
    async def keeper(settings: Settings) -> AsyncGenerator[Keeper | None, None]:
        if not settings.ENABLE_EVENT_STREAMING:
            yield None
            return
        async with connected(settings) as made:
            yield made

    level = "few"
    async with (
        live.resource(keeper, *CONNECTION) as keepers,
        aclosing(live.changes("DLQ_*", "ENABLE_EVENT_STREAMING")) as changes,
    ):
        while True:
            try:
                async with keepers.lease() as current:
                    if current is not None:
                        await current.delete_older(time.time() - DAY * live.current.DLQ_RETENTION_DAYS)
                        level = tell_level(level, await current.count(), live.current)
            except (KafkaError, ResourceDown) as error:
                logger.warning("cannot look at the dead letters, trying again: %r", error)
            with anyio.move_on_after(LOOK_EVERY):
                async for _ in changes:
                    break


def tell_level(before: str, count: int, settings: Settings) -> str:
    level = level_of(count, settings)
    if level != before:
        logger.log(LEVELS[level], "there are %d dead letters: %s", count, level)
    return level


def level_of(count: int, settings: Settings) -> str:
    if count >= settings.DLQ_CRITICAL_THRESHOLD:
        return "critical"
    return "warning" if count >= settings.DLQ_WARNING_THRESHOLD else "few"


@asynccontextmanager
async def connected(settings: Settings) -> AsyncGenerator[Keeper, None]:
    servers, timeout = settings.KAFKA_BOOTSTRAP_SERVERS, settings.KAFKA_REQUEST_TIMEOUT_MS
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=timeout)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, request_timeout_ms=timeout)
    try:
        await admin.start()
        await consumer.start()
        yield Keeper(admin, consumer, dead_letters_topic(settings))
    finally:
        try:
            await stop(consumer)
        finally:
            await stop_admin(admin)


class Keeper:
    """Operations on the dead-letter topic."""

    def __init__(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._admin = admin
        self._consumer = consumer
        self._topic = topic

    async def count(self) -> int:
        partitions = await self._partitions()
        first = await self._consumer.beginning_offsets(partitions)
        end = await self._consumer.end_offsets(partitions)
        return sum(end[each] - first[each] for each in partitions)

    async def delete_older(self, than: float) -> None:
        """Delete messages written before that time, in seconds since 1970."""
        partitions = await self._partitions()
        first = await self._consumer.beginning_offsets(partitions)
        end = await self._consumer.end_offsets(partitions)
        kept = await self._consumer.offsets_for_times(dict.fromkeys(partitions, round(1000 * than)))
        old: dict[TopicPartition, RecordsToDelete] = {}
        for each in partitions:
            begin = kept[each].offset if kept[each] is not None else end[each]
            if begin > first[each]:
                old[each] = RecordsToDelete(before_offset=begin)
        if old:
            try:
                await self._admin.delete_records(old)
            except IncompatibleBrokerVersion:  # the mock cluster keeps everything
                return
            logger.info("deleted %d expired dead letters", sum(old[each].before_offset - first[each] for each in old))

    async def _partitions(self) -> list[TopicPartition]:
        [topic] = await self._admin.describe_topics([self._topic])
        return [TopicPartition(self._topic, each["partition"]) for each in topic["partitions"]]
