"""A member of a consumer group, and the batches that it reads.

Kafka reassigns the partitions whenever a member joins or leaves, in any process. If a partition moved in the middle of a
batch, its new owner would read the whole batch again. So the member delays the rebalance until the batch has been handled
and committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol

import anyio
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from .settings import Settings
from .stopping import shielded


class Record(Protocol):
    """A record of aiokafka."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970."""
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


Fetched = Mapping[TopicPartition, Sequence[Record]]

POLL = 0.5
"""Seconds that a poll waits for records, which is how long an idle consumer can keep a reload waiting."""
COMMITTING = 1.0
"""Seconds for committing a batch that was interrupted because the process is stopping."""


class Member(ConsumerRebalanceListener):  # type: ignore[misc]  # of a library without types
    """A consumer that has joined its group. Some of its partitions may be paused, because their next record is not due."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings, own_topic: str) -> None:
        self._consumer = consumer
        self._settings = settings
        self._own_topic = own_topic
        self._halted: dict[TopicPartition, Record] = {}
        self._batch: Batch | None = None
        self._placed = anyio.Event()

    async def placed(self) -> None:
        """Wait until each partition has a position: records that are written from then on will be read."""
        await self._placed.wait()

    async def poll(self, limit: int, wait: Callable[[Record], float]) -> Batch:
        """Read at most so many records. ``wait`` returns the seconds until a record is due.

        Cancelling this loses nothing: uncommitted records are read again.
        """
        patience = POLL
        for partition, record in list(self._halted.items()):
            if (seconds := wait(record)) > 0:
                patience = min(patience, seconds)
            else:
                del self._halted[partition]
                self._consumer.resume(partition)
        fetched: Fetched = {}
        # The consumer's own timeout does not count while the group has no coordinator.
        with anyio.move_on_after(2 * POLL):
            await self._placed.wait()
            fetched = await self._consumer.getmany(timeout_ms=round(1000 * patience), max_records=limit)
        if not self._placed.is_set():  # the partitions have been dealt out anew meanwhile
            for partition, records in fetched.items():
                self._consumer.seek(partition, records[0].offset)
            fetched = {}
        self._batch = Batch(self, fetched)
        return self._batch

    def halt(self, partition: TopicPartition, record: Record) -> None:
        """Pause a partition until this record, its next one, is due."""
        self._halted[partition] = record
        self._consumer.pause(partition)

    async def finish(self, fetched: Fetched, handled: Mapping[TopicPartition, int]) -> None:
        """Commit what has been handled, given as the next offsets, and rewind to read the rest again."""
        try:
            for partition, records in fetched.items():
                position = handled.get(partition, records[0].offset)
                if position <= records[-1].offset:
                    self._consumer.seek(partition, position)
            if handled and not self._settings.KAFKA_ENABLE_AUTO_COMMIT:
                # Without a coordinator it would be tried forever.
                with shielded(self._settings.KAFKA_REQUEST_TIMEOUT_MS / 1000, once_stopping=COMMITTING) as in_time:
                    await self._consumer.commit(dict(handled))
                if in_time.cancelled_caught:
                    raise TimeoutError(f"no coordinator has taken the commit of {len(handled)} partitions")
        finally:
            self._batch = None

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]  # may be async
        self, revoked: object
    ) -> None:
        self._placed = anyio.Event()
        if self._batch is not None:
            await self._batch.finished.wait()
        self._halted.clear()

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]  # may be async
        self, assigned: Sequence[TopicPartition]
    ) -> None:
        try:
            if self._settings.KAFKA_AUTO_OFFSET_RESET != "earliest":
                await self._place([each for each in assigned if await self._consumer.committed(each) is None])
        finally:
            self._placed.set()

    async def _place(self, new: Sequence[TopicPartition]) -> None:
        """Begin partitions of which nothing has been committed, where "latest" or "none" must not decide.

        The group's own topic is read from its first record. Elsewhere the end is taken once and for all, or everything that
        arrives between this consumer and the next would be skipped.
        """
        # Not seek_to_beginning: it can lose against a search for the end that is on its way.
        own = await self._consumer.beginning_offsets([each for each in new if each.topic == self._own_topic])
        for partition, offset in own.items():
            self._consumer.seek(partition, offset)
        others = [each for each in new if each not in own]
        if others and self._settings.KAFKA_AUTO_OFFSET_RESET == "latest":
            await self._consumer.commit({each: await self._consumer.position(each) for each in others})


class Batch:
    """Some records of a few partitions: ``async with`` handles them, and commits those that were ``done``."""

    def __init__(self, member: Member, fetched: Fetched) -> None:
        self.finished = anyio.Event()
        self._member = member
        self._fetched = fetched
        self._handled: dict[TopicPartition, int] = {}

    def __iter__(self) -> Iterator[tuple[TopicPartition, Sequence[Record]]]:
        return iter(self._fetched.items())

    def done(self, partition: TopicPartition, record: Record) -> None:
        """Have everything up to this record committed."""
        self._handled[partition] = record.offset + 1

    async def __aenter__(self) -> Batch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._member.finish(self._fetched, self._handled)
        finally:
            self.finished.set()
