"""The consumer pool, on a real broker and on the mock one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic, sleep

import anyio
import pytest
from aiokafka.errors import KafkaError
from confluent_kafka import Producer

from hotsettings import Live, Rejected, Resource, ResourceDown
from hotsettings._redaction import Redacted
from hotsettings.testing import live as held
from hotsettings.testing.in_memory import InMemoryLive
from hotsettings.testing.workspace import Workspace
from integr8scode import streams
from integr8scode.fanout import Fanout
from integr8scode.settings import Settings
from integr8scode.stream_reader import StreamReader
from integr8scode.streams import ConsumerPool, event_streams

pytestmark = pytest.mark.anyio
PARTITIONS = 4
NOBODY = "127.0.0.1:1"


class Application:
    """Live settings, the streams that follow them, and one client that keeps what it is sent."""

    def __init__(self, live: Live[Settings], fanout: Fanout, pool: Resource[ConsumerPool | None]) -> None:
        self.live = live
        self.fanout = fanout
        self.pool = pool
        self.heard: list[str] = []
        self.sent = 0
        settings = live.current
        self._topic = f"{settings.KAFKA_TOPIC_PREFIX}execution-events"
        self._producer = Producer({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS, "log_level": 0})

    @property
    def members(self) -> int:
        pool = self.pool.current
        return len(pool.members) if pool else 0

    async def set(self, **values: object) -> None:
        assert isinstance(self.live, InMemoryLive)
        await self.live.publish(self.live.current.replace(**values))
        await self.live.wait_applied()

    async def send(self, count: int) -> None:
        for number in range(self.sent, self.sent + count):
            self._producer.produce(self._topic, str(number).encode(), partition=number % PARTITIONS)
        self.sent += count
        assert await asyncio.to_thread(self._producer.flush, 30) == 0

    async def listen(self) -> None:
        with self.fanout.subscribe() as subscription:
            while True:
                for frame in subscription.take():
                    self.heard.append(frame.decode().rpartition("data: ")[2].strip())
                await subscription.news()

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(30):
            while not condition():  # noqa: ASYNC110 - there is no event for everything
                await anyio.sleep(0.005)

    async def assert_all_heard(self) -> None:
        await self.until(lambda: len(self.heard) >= self.sent)
        assert sorted(map(int, self.heard)) == list(range(self.sent))


def make_topic(brokers: str, topic: str) -> None:
    """Brokers make it when a producer asks for it."""
    producer = Producer({"bootstrap.servers": brokers, "log_level": 0})
    deadline = monotonic() + 30
    while len(producer.list_topics(topic, timeout=30).topics[topic].partitions) != PARTITIONS:
        assert monotonic() < deadline
        sleep(0.05)


def values_for(brokers: str, prefix: str, **values: object) -> dict[str, object]:
    base = {"SECRET_KEY": "x" * 32, "KAFKA_BOOTSTRAP_SERVERS": brokers, "KAFKA_TOPIC_PREFIX": prefix}
    return base | {"ENABLE_EVENT_STREAMING": True, "SSE_CONSUMER_POOL_SIZE": 2} | values


@asynccontextmanager
async def running(live: Live[Settings]) -> AsyncIterator[Application]:
    fanout = Fanout()
    async with event_streams(live, fanout) as pool:
        app = Application(live, fanout, pool)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.listen)
            await app.until(lambda: fanout.clients == 1)
            yield app
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def application(
    brokers: str, prefix: str, *, topic_exists: bool = True, **values: object
) -> AsyncIterator[Application]:
    if topic_exists:
        await asyncio.to_thread(make_topic, brokers, f"{prefix}execution-events")
    async with held(Settings.from_values(**values_for(brokers, prefix, **values))) as live, running(live) as app:
        yield app


async def test_the_pool_grows_and_shrinks_and_every_event_comes_once(brokers: str, unique: str) -> None:
    async with application(brokers, unique) as app:
        for size in (2, 4, 1, 3, 1, 4):
            await app.send(40)
            await app.set(SSE_CONSUMER_POOL_SIZE=size)
            assert app.members == size, "wait_applied() tells when the pool has its new size"
        await app.send(40)
        await app.assert_all_heard()


async def test_no_more_consumers_than_partitions(brokers: str, unique: str) -> None:
    async with application(brokers, unique, SSE_CONSUMER_POOL_SIZE=50) as app:
        assert app.members == PARTITIONS
        shares = [member.share for member in app.pool.current.members] if app.pool.current else []
        assert sorted(each.partition for share in shares for each in share) == list(range(PARTITIONS))


async def test_a_process_begins_with_what_is_new(mock_kafka: str, unique: str) -> None:
    async with application(mock_kafka, unique) as app:
        await app.send(8)
        await app.assert_all_heard()
    async with application(mock_kafka, unique) as app:
        assert sum(app.fanout.positions.values()) == 8
        await app.send(8)
        await app.assert_all_heard()


async def test_a_topic_that_is_made_later_is_read_from_its_first_event(
    kafka: str, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOOK_AGAIN", 0.01)
    async with application(kafka, unique, topic_exists=False) as app:
        assert app.fanout.positions == {}
        await app.send(8)
        await app.assert_all_heard()
        await app.until(lambda: app.members == 2)


async def test_two_processes_hear_every_event_each(mock_kafka: str, unique: str) -> None:
    async with application(mock_kafka, unique) as one, application(mock_kafka, unique) as other:
        await one.send(20)
        other.sent = one.sent
        await one.assert_all_heard()
        await other.assert_all_heard()


async def test_brokers_that_do_not_answer_reject_the_reload_and_the_streams_go_on(mock_kafka: str, unique: str) -> None:
    async with application(mock_kafka, unique) as app:
        with pytest.raises(Rejected) as rejected:
            await app.set(KAFKA_BOOTSTRAP_SERVERS=NOBODY)
        assert isinstance(rejected.value.reason, Redacted)
        await app.send(8)
        await app.assert_all_heard()


async def test_new_connections_go_on_where_the_old_ones_were(brokers: str, unique: str) -> None:
    async with application(brokers, unique) as app:
        before = app.pool.current
        for timeout in (30_000, 20_000, 10_000):
            await app.send(40)
            await app.set(KAFKA_REQUEST_TIMEOUT_MS=timeout)
        assert app.pool.current is not before
        assert app.members == 2, "and reads as before: a pool that stands is told to"
        await app.send(40)
        await app.assert_all_heard()


async def test_a_candidate_that_is_rejected_in_the_end_has_published_nothing(mock_kafka: str, unique: str) -> None:
    async with application(mock_kafka, unique) as app:
        built = anyio.Event()

        async def veto(change: object) -> None:
            await app.send(8)
            await anyio.sleep(0.1)
            built.set()
            raise ValueError("no")

        app.live.prepare(veto, "KAFKA_REQUEST_TIMEOUT_MS")
        before = app.pool.current
        with pytest.raises(Rejected, match="no"):
            await app.set(KAFKA_REQUEST_TIMEOUT_MS=1000)
        assert app.pool.current is before
        await app.assert_all_heard()


async def test_switched_off_and_on_again(mock_kafka: str, unique: str) -> None:
    async with application(mock_kafka, unique) as app:
        await app.send(4)
        await app.assert_all_heard()
        await app.set(ENABLE_EVENT_STREAMING=False)
        assert app.pool.current is None, "no connection is kept"
        await app.send(4)
        await app.set(ENABLE_EVENT_STREAMING=True, SSE_CONSUMER_POOL_SIZE=3)
        assert app.members == 3
        await app.until(lambda: len(app.heard) == 8 + 2)
    notices = [text for text in app.heard if not text.isdecimal()]
    assert notices == ["event streaming has been switched off", "event streaming is on again"]
    assert sorted(int(text) for text in app.heard if text.isdecimal()) == list(range(8)), (
        "what came meanwhile comes now"
    )


async def test_what_kafka_has_deleted_is_a_gap(mock_kafka: str, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with application(mock_kafka, unique, SSE_CONSUMER_POOL_SIZE=1) as app:
        await app.send(4)
        await app.assert_all_heard()
        app.fanout.positions[0] = 999
        await app.set(KAFKA_REQUEST_TIMEOUT_MS=30_000)  # new consumers seek there
        await app.until(lambda: "events were missed" in app.heard)
        await app.send(4)
        await app.until(lambda: len(app.heard) == 4 + 1 + 4)


async def test_what_has_failed_is_tried_again(mock_kafka: str, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LOOK_AGAIN", 0.01)
    async with application(mock_kafka, unique, SSE_CONSUMER_POOL_SIZE=1) as app:
        pool = app.pool.current
        assert pool is not None
        new_member, failures = pool._new_member, 0

        async def failing() -> StreamReader:
            nonlocal failures
            failures += 1
            if failures < 3:
                raise KafkaError("no connection")
            return await new_member()

        monkeypatch.setattr(pool, "_new_member", failing)
        await app.set(SSE_CONSUMER_POOL_SIZE=2)
        await app.until(lambda: app.members == 2)
        assert app.live.status.callback_failures == 1
        await app.send(8)
        await app.assert_all_heard()


async def test_a_pool_that_dies_is_built_again_and_reads(
    mock_kafka: str, unique: str, settings_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOOK_AGAIN", 0.01)
    await asyncio.to_thread(make_topic, mock_kafka, f"{unique}execution-events")
    settings_workspace.write(values_for(mock_kafka, unique))
    async with Settings.watch(**settings_workspace.paths) as live, running(live) as app:
        before = app.pool.current
        assert before is not None
        monkeypatch.setattr(before.members[0].consumer, "getmany", lambda **_: 1 / 0)

        def replaced() -> bool:
            try:
                return app.pool.current is not before
            except ResourceDown:
                return False

        await app.until(replaced)
        await app.send(8)
        await app.assert_all_heard()
        assert app.members == 2
        assert live.status.healthy


async def test_the_heartbeat_of_open_streams_is_told(mock_kafka: str, unique: str) -> None:
    async with application(mock_kafka, unique) as app:
        news = app.fanout.news
        await app.set(SSE_HEARTBEAT_INTERVAL=1)
        assert news.is_set()
