"""A worker in the test's own process, and the messages for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from hotsettings import Live, Resource
from hotsettings.testing import Workspace
from integr8scode.consumers import membership
from integr8scode.consuming import consume
from integr8scode.members import Member
from integr8scode.publisher import publisher
from integr8scode.retries import Message, Retries
from integr8scode.settings import Settings
from integr8scode.topics import events_topic

PATIENCE = 60.0


class Files:
    """The settings of one worker, which are edited one by one."""

    def __init__(self, workspace: Workspace, servers: str, unique: str) -> None:
        self.workspace = workspace
        self.values: dict[str, Any] = {
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "KAFKA_TOPIC_PREFIX": unique,
            "KAFKA_CONSUMER_GROUP_ID": f"{unique}group",
            "KAFKA_ENABLE_AUTO_COMMIT": False,
            "ENABLE_EVENT_STREAMING": True,
            # See integr8scode.mock_broker for what it does to the mock cluster.
            "KAFKA_SESSION_TIMEOUT_MS": 4000,
            "KAFKA_HEARTBEAT_INTERVAL_MS": 1000,
            "KAFKA_REQUEST_TIMEOUT_MS": 10_000,
            "ENABLE_TRACING": False,
            "LOG_LEVEL": "INFO",
        }
        workspace.write(secrets={"SECRET_KEY": "k" * 32})
        self.edit()

    def edit(self, **values: Any) -> None:
        self.values |= values
        self.workspace.write(self.values)


class Recorder:
    """A handler that remembers what it was given."""

    def __init__(self, then: Callable[[Message], Awaitable[None]] | None = None) -> None:
        self.messages: list[Message] = []
        self._then = then
        self._news = anyio.Event()

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)
        told, self._news = self._news, anyio.Event()
        told.set()
        if self._then is not None:
            await self._then(message)

    @property
    def values(self) -> Counter[bytes | None]:
        return Counter(message.value for message in self.messages)

    async def until(self, condition: Callable[[Recorder], bool]) -> None:
        with anyio.fail_after(PATIENCE):
            while not condition(self):
                await self._news.wait()

    async def until_handled(self, values: Iterable[bytes]) -> None:
        expected = set(values)
        await self.until(lambda self: expected <= self.values.keys())


class Running(NamedTuple):
    live: Live[Settings]
    members: Resource[Member | None]
    retries: Retries


@asynccontextmanager
async def running(
    files: Files,
    handle: Callable[[Message], Awaitable[None]],
    topic: Callable[[Settings], str] = events_topic,
) -> AsyncGenerator[Running, None]:
    """What integr8scode.worker does, without signals and spans."""
    async with (
        Settings.watch(**files.workspace.paths) as live,
        publisher(live) as producers,
        membership(live, topic(live.current)) as members,
        anyio.create_task_group() as tasks,
    ):
        retries = Retries(live, producers)
        tasks.start_soon(consume, live, members, retries, handle)
        yield Running(live, members, retries)
        tasks.cancel_scope.cancel()


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that nobody tells of."""
    with anyio.fail_after(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - what happens at the broker is told by nobody
            await anyio.sleep(0.01)


async def produce(servers: str, topic: str, values: Iterable[bytes], headers: Sequence[tuple[str, bytes]] = ()) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, linger_ms=5) as producer:
        for sent in [await producer.send(topic, value, headers=list(headers)) for value in values]:
            await sent


async def read_all(servers: str, topic: str, count: int) -> list[Any]:
    """Read that many records from the topic's beginning."""
    records: list[Any] = []
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        with anyio.fail_after(PATIENCE):
            while len(records) < count:
                records += [each for batch in (await consumer.getmany(timeout_ms=200)).values() for each in batch]
    return records


async def written(servers: str, topic: str) -> int:
    """How many messages the topic has."""
    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer:
        await consumer._client._wait_on_metadata(topic)
        partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic) or ()]
        return sum((await consumer.end_offsets(partitions)).values())


async def committed(servers: str, group: str, topic: str) -> int:
    """How many messages of the topic the group has committed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    async with consumer:
        await consumer._client._wait_on_metadata(topic)
        partitions = consumer.partitions_for_topic(topic) or ()
        return sum([await consumer.committed(TopicPartition(topic, each)) or 0 for each in partitions])


def numbered(start: int, stop: int) -> list[bytes]:
    return [b"%d" % number for number in range(start, stop)]
