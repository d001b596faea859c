"""The consumer pool: SSE_CONSUMER_POOL_SIZE Kafka consumers feed the fan-out of this process.

The consumers belong to no group. Each API process must see every event, so each process would need a group of its own.
Nobody would use its offsets afterwards, and the broker would rebalance at each change of its size. So the pool assigns the
partitions itself. The fan-out, which outlives every consumer, knows where to continue reading.

- The pool is a resource: other brokers mean new connections, and if these brokers do not answer, the reload is rejected.
- The pool reads only after the swap, so a candidate that is rejected has published nothing.
- Adjusting the size is idempotent: it happens after a change, after a failure, and for new partitions.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from anyio.abc import TaskGroup

from hotsettings import Change, Live, Resource, ResourceDown

from .closing import stop, stop_admin
from .fanout import Fanout
from .settings import Settings
from .stream_reader import StreamReader

logger = logging.getLogger(__name__)

CONNECTION = ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_REQUEST_TIMEOUT_MS", "ENABLE_EVENT_STREAMING")
ASK_EVERY = 0.5
"""Seconds between two checks whether the brokers answer."""
ANSWER_WITHIN = 1.5
"""Seconds in which the brokers have to answer a check."""
LOOK_AGAIN = 5.0
"""Seconds until new partitions are seen, and until what has failed is tried again."""

PAUSED = ("paused", "event streaming has been switched off")
RESUMED = ("resumed", "event streaming is on again")


def events_topic(settings: Settings) -> str:
    return f"{settings.KAFKA_TOPIC_PREFIX}execution-events"


@asynccontextmanager
async def event_streams(live: Live[Settings], fanout: Fanout) -> AsyncGenerator[Resource[ConsumerPool | None], None]:
    """Feed the fan-out during the block. There is no pool while event streaming is off."""

    @asynccontextmanager
    async def pool(settings: Settings) -> AsyncGenerator[ConsumerPool | None, None]:
        if not settings.ENABLE_EVENT_STREAMING:
            yield None
            return
        async with connected_pool(live, settings, fanout) as connected:
            yield connected

    async with live.resource(pool, *CONNECTION) as resource:

        async def adjust(_: Change[Settings] | None = None) -> None:
            async with resource.lease() as current:
                if current is not None:
                    await current.read(live.current.SSE_CONSUMER_POOL_SIZE)

        def tell(change: Change[Settings]) -> None:
            fanout.tell(*(RESUMED if change.new.ENABLE_EVENT_STREAMING else PAUSED))

        await adjust()
        handles = [
            live.on_change(adjust, "SSE_CONSUMER_POOL_SIZE", *CONNECTION),
            live.on_change(tell, "ENABLE_EVENT_STREAMING"),
            live.on_change(lambda _: fanout.wake(), "SSE_HEARTBEAT_INTERVAL"),
        ]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_adjusted, adjust)
            try:
                yield resource
            finally:
                for handle in handles:
                    handle.cancel()
                tasks.cancel_scope.cancel()


async def keep_adjusted(adjust: Callable[[], Awaitable[None]]) -> None:
    while True:
        await anyio.sleep(LOOK_AGAIN)
        try:
            await adjust()
        except (KafkaError, ResourceDown) as error:
            logger.warning("the consumer pool is not as it should be, and is looked at again soon: %r", error)


@asynccontextmanager
async def connected_pool(
    live: Live[Settings], settings: Settings, fanout: Fanout
) -> AsyncGenerator[ConsumerPool, None]:
    """Connect, and hold a pool that reads nothing yet."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.KAFKA_BOOTSTRAP_SERVERS, request_timeout_ms=settings.KAFKA_REQUEST_TIMEOUT_MS
    )
    try:
        await admin.start()
        source = str((await admin.describe_cluster())["cluster_id"])
        async with anyio.create_task_group() as tasks:
            pool = ConsumerPool(live, settings, fanout, source, admin, tasks)
            tasks.start_soon(pool.keep_asking)
            yield pool
            tasks.cancel_scope.cancel()
    finally:
        await stop_admin(admin)


class ConsumerPool:
    """The consumers of one cluster, and the partitions that each of them reads."""

    def __init__(
        self,
        live: Live[Settings],
        settings: Settings,
        fanout: Fanout,
        source: str,
        admin: AIOKafkaAdminClient,
        tasks: TaskGroup,
    ) -> None:
        self.members: list[StreamReader] = []
        self.answering = True
        """Whether the brokers answer. At most ASK_EVERY and ANSWER_WITHIN seconds old."""
        self._live = live
        self._settings = settings
        self._fanout = fanout
        self._source = source
        self._admin = admin
        self._tasks = tasks
        self._topic = events_topic(settings)
        self._reading = anyio.Lock()

    async def keep_asking(self) -> None:
        """Keep ``answering`` up to date until cancelled."""
        while True:
            answered = False
            with anyio.move_on_after(ANSWER_WITHIN):
                while not answered:
                    try:
                        await self._partitions()
                        answered = True
                    except KafkaError:  # one of several brokers may be away
                        await anyio.sleep(ANSWER_WITHIN / 10)
            self.answering = answered
            await anyio.sleep(ASK_EVERY)

    async def read(self, size: int) -> None:
        """Read every partition with this many consumers, or with one per partition if there are fewer partitions."""
        async with self._reading:
            partitions = await self._partitions()
            count = max(1, min(size, len(partitions)))
            while len(self.members) < count:
                self.members.append(await self._new_member())
            while len(self.members) > count:
                await self.members.pop().stop()
            await self._begin_new(partitions)
            for number, member in enumerate(self.members):
                member.read(partitions[number::count])

    async def _partitions(self) -> list[TopicPartition]:
        [described] = await self._admin.describe_topics([self._topic])
        return [
            TopicPartition(self._topic, number) for number in sorted(p["partition"] for p in described["partitions"])
        ]

    async def _begin_new(self, partitions: Sequence[TopicPartition]) -> None:
        """Begin at the end of each partition. A partition that is created later is read from its start."""
        first = self._fanout.source != self._source
        known = {} if first else self._fanout.positions
        new = [each for each in partitions if each.partition not in known]
        if first or new:
            consumer = self.members[0].consumer
            offsets = await (consumer.end_offsets(new) if first else consumer.beginning_offsets(new))
            self._fanout.begin(self._source, {each.partition: offset for each, offset in offsets.items()})

    async def _new_member(self) -> StreamReader:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.KAFKA_BOOTSTRAP_SERVERS,
            request_timeout_ms=self._settings.KAFKA_REQUEST_TIMEOUT_MS,
            auto_offset_reset="none",
            enable_auto_commit=False,
        )
        try:
            await consumer.start()
        except BaseException:
            await stop(consumer)
            raise
        member = StreamReader(consumer, self._live, self._fanout, self._source)
        self._tasks.start_soon(member.run)
        return member
