"""Five hundred event streams through thirty reloads: none is dropped, no event is missing or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import pytest
from confluent_kafka import Producer
from support.api_server import ApiServer, api_server
from support.sse_client import SseClient

CLIENTS = 500
RELOADS = 30
EVENTS_BETWEEN = 10
PARTITIONS = 4


class Events:
    """Numbered events, spread over the partitions."""

    def __init__(self, brokers: str, topic: str) -> None:
        self.sent = 0
        self._topic = topic
        self._producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0, "log_level": 0})

    def send(self, count: int) -> None:
        for number in range(self.sent, self.sent + count):
            self._producer.produce(self._topic, str(number).encode(), partition=number % PARTITIONS)
        self.sent += count
        assert self._producer.flush(30) == 0


def one_reload(server: ApiServer, number: int) -> None:
    """A pool size, a heartbeat or a mistake, and wait until the server has taken or refused it."""
    before = server.figures()
    if number % 3 == 2:
        server.break_it(
            ("SSE_CONSUMER_POOL_SIZE = 0", "RATE_LIMITS = [", "SSE_HEARTBEAT_INTERVALL = 3")[number // 3 % 3]
        )
        server.wait_for_figures(
            lambda now: now["hotsettings_rejections_total"] > before["hotsettings_rejections_total"]
        )
        assert server.health()["status"] == "degraded"
        return
    size = (4, 1, 3, 10, 2)[number % 5]
    server.edit(SSE_CONSUMER_POOL_SIZE=size, SSE_HEARTBEAT_INTERVAL=1 + number)
    server.wait_for_figures(
        lambda now: (
            now["hotsettings_generation"] > before["hotsettings_generation"]
            and now["sse_consumers"] == min(size, PARTITIONS)
        )
    )


async def open_streams(server: ApiServer, tasks: asyncio.TaskGroup, count: int) -> list[SseClient]:
    clients = [SseClient(server.port) for _ in range(count)]
    for place in range(0, count, 50):
        for client in clients[place : place + 50]:
            tasks.create_task(client.run())
        for client in clients[place : place + 50]:
            await client.opened()
    assert {client.status for client in clients} == {200}
    return clients


def assert_each_once(clients: Sequence[SseClient], count: int) -> None:
    whole = list(range(count))
    for client in clients:
        numbers = [int(data) for data in client.data]
        assert sorted(numbers) == whole
        for partition in range(PARTITIONS):
            heard = [number for number in numbers if number % PARTITIONS == partition]
            assert heard == sorted(heard), "a partition keeps its order"
        assert client.events == []


@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_no_client_is_dropped_and_no_event_missing_or_doubled(
    tmp_path: Path, brokers: str, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {
        "KAFKA_BOOTSTRAP_SERVERS": brokers,
        "KAFKA_TOPIC_PREFIX": unique,
        "ENABLE_EVENT_STREAMING": True,
        "SSE_CONSUMER_POOL_SIZE": 2,
        "RATE_LIMIT_ENABLED": False,
        "LOG_LEVEL": "WARNING",
    }
    events = await asyncio.to_thread(Events, brokers, f"{unique}execution-events")
    with api_server(tmp_path, config) as server:
        await asyncio.to_thread(server.wait_for_figures, lambda now: now["sse_consumers"] == 2)
        async with asyncio.TaskGroup() as tasks:
            began = perf_counter()
            clients = await open_streams(server, tasks, CLIENTS)
            opened = perf_counter()
            for number in range(RELOADS):
                await asyncio.to_thread(events.send, EVENTS_BETWEEN)
                await asyncio.to_thread(one_reload, server, number)
            await asyncio.to_thread(events.send, EVENTS_BETWEEN)
            for client in clients:
                await client.until(lambda client: len(client.data) >= events.sent)
            heard = perf_counter()
            assert not any(client.ended for client in clients)
            figures = await asyncio.to_thread(server.figures)
            assert await asyncio.to_thread(server.terminate) == 0, server.output
        stopped = perf_counter()
    assert_each_once(clients, events.sent)
    assert all(client.ended_well for client in clients)
    assert figures["sse_clients"] == CLIENTS
    with capsys.disabled():
        print(
            f"\n{CLIENTS} streams opened in {opened - began:.1f} s; {RELOADS} reloads and {events.sent} events to each in "
            f"{heard - opened:.1f} s; {CLIENTS * events.sent} deliveries; all ended {stopped - heard:.1f} s after SIGTERM"
        )
