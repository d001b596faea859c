"""One Kafka consumer of the pool, and the loop in which it feeds the fan-out."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anyio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from hotsettings import Live

from .closing import stop
from .fanout import Fanout
from .settings import Settings

logger = logging.getLogger(__name__)

POLL_MS = 1000
RETRY_DELAY = 1.0


class StreamReader:
    """One consumer, and the loop that reads from it."""

    def __init__(self, consumer: AIOKafkaConsumer, live: Live[Settings], fanout: Fanout, source: str) -> None:
        self.consumer = consumer
        self.share: list[TopicPartition] = []
        self._live = live
        self._fanout = fanout
        self._source = source
        self._scope = anyio.CancelScope()
        self._stopped = anyio.Event()

    def read(self, share: list[TopicPartition]) -> None:
        """Read these partitions, each from the position of the fan-out."""
        if share != self.share:
            self.share = share
            self.consumer.assign(share)
            for each in share:
                self.consumer.seek(each, self._fanout.positions[each.partition])

    async def stop(self) -> None:
        self._scope.cancel()
        await self._stopped.wait()

    async def run(self) -> None:
        try:
            with self._scope:
                while True:
                    try:
                        await self._poll()
                    except OffsetOutOfRangeError as error:
                        await self._jump(error.args[0])
                    except KafkaError as error:
                        logger.warning("cannot read %s, trying again: %r", self.share, error)
                        await anyio.sleep(RETRY_DELAY)
        finally:
            await stop(self.consumer)
            self._stopped.set()

    async def _poll(self) -> None:
        limit = self._live.current.KAFKA_MAX_POLL_RECORDS
        batches = await self.consumer.getmany(timeout_ms=POLL_MS, max_records=limit)
        for topic_partition, records in batches.items():
            for record in records:
                await self._fanout.feed(self._source, topic_partition.partition, record.offset, record.value)
        if batches:
            self._fanout.wake()

    async def _jump(self, wanted: Mapping[TopicPartition, int]) -> None:
        """Continue after a gap: Kafka has deleted the next records, or the partition was created again and is shorter."""
        oldest = await self.consumer.beginning_offsets(list(wanted))
        newest = await self.consumer.end_offsets(list(wanted))
        for each, offset in wanted.items():
            there = oldest[each] if offset < oldest[each] else newest[each]
            self._fanout.jump(self._source, each.partition, there)
            self.consumer.seek(each, there)
