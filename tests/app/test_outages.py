"""The broker goes away while a worker runs, and while its consumer is being replaced; then it comes back.

On a real Kafka of its own, killed and started again on the same port: what it has acknowledged is still there.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from anyio import to_thread
from support.api_server import api_server
from support.kafka_worker import Files, Recorder, Running, committed, eventually, numbered, produce, running
from support.needed import lacking
from support.real_kafka import RealKafka, missing, own_kafka
from support.sse_client import SseClient

from hotsettings.testing import Workspace

pytestmark = [pytest.mark.anyio, pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    if reason := missing():
        lacking(reason)
    with own_kafka(tmp_path_factory.mktemp("own-kafka")) as running:
        yield running


@pytest.fixture
def files(settings_workspace: Workspace, broker: RealKafka, unique: str) -> Files:
    return Files(settings_workspace, broker.servers, unique)


@pytest.fixture
def topic(unique: str) -> str:
    return f"{unique}execution-events"


async def handled_and_committed(handle: Recorder, broker: RealKafka, files: Files, topic: str, upto: int) -> None:
    await handle.until_handled(numbered(0, upto))
    group = files.values["KAFKA_CONSUMER_GROUP_ID"]

    async def all_of_them() -> bool:
        return await committed(broker.servers, group, topic) == upto

    await eventually(all_of_them)


def assert_handled(handle: Recorder, upto: int) -> None:
    """All of them; what was committed before the outage, the first 50, only once. A batch at hand may come again."""
    assert handle.values.keys() == set(numbered(0, upto))
    again = {value: count for value, count in handle.values.items() if count > 1}
    assert not again.keys() & set(numbered(0, 50)), again


async def until_rejected(worker: Running) -> None:
    async def rejected() -> bool:
        return not worker.live.status.healthy

    await eventually(rejected)


async def start(broker: RealKafka) -> None:
    broker.launch()
    assert await to_thread.run_sync(broker.answers), broker.output[-3000:]


async def test_an_edit_during_an_outage_goes_live_after_it(broker: RealKafka, files: Files, topic: str) -> None:
    handle = Recorder()
    async with running(files, handle) as worker:
        await produce(broker.servers, topic, numbered(0, 50))
        await handled_and_committed(handle, broker, files, topic, 50)

        await to_thread.run_sync(broker.kill)
        files.edit(KAFKA_SESSION_TIMEOUT_MS=5000)
        await until_rejected(worker)
        assert worker.live.current.KAFKA_SESSION_TIMEOUT_MS == 4000

        await start(broker)
        await produce(broker.servers, topic, numbered(50, 100))
        await handled_and_committed(handle, broker, files, topic, 100)

        async def live() -> bool:
            return worker.live.current.KAFKA_SESSION_TIMEOUT_MS == 5000 and worker.live.status.healthy

        await eventually(live)
        await produce(broker.servers, topic, numbered(100, 150))
        await handled_and_committed(handle, broker, files, topic, 150)
    assert_handled(handle, 150)


async def test_an_outage_without_an_edit(broker: RealKafka, files: Files, topic: str) -> None:
    handle = Recorder()
    async with running(files, handle) as worker:
        await produce(broker.servers, topic, numbered(0, 50))
        await handled_and_committed(handle, broker, files, topic, 50)
        await to_thread.run_sync(broker.kill)
        await anyio.sleep(2)  # so that the consumer notices
        await start(broker)
        await produce(broker.servers, topic, numbered(50, 100))
        await handled_and_committed(handle, broker, files, topic, 100)
        assert worker.live.status.healthy
    assert_handled(handle, 100)


async def test_a_broker_that_says_nothing_for_a_while(broker: RealKafka, files: Files, topic: str) -> None:
    handle = Recorder()
    async with running(files, handle) as worker:
        await produce(broker.servers, topic, numbered(0, 50))
        await handled_and_committed(handle, broker, files, topic, 50)
        broker.process.send_signal(signal.SIGSTOP)
        try:
            files.edit(KAFKA_SESSION_TIMEOUT_MS=5000)
            await until_rejected(worker)
        finally:
            broker.process.send_signal(signal.SIGCONT)
        await produce(broker.servers, topic, numbered(50, 100))
        await handled_and_committed(handle, broker, files, topic, 100)

        async def live() -> bool:
            return worker.live.current.KAFKA_SESSION_TIMEOUT_MS == 5000 and worker.live.status.healthy

        await eventually(live)
    assert_handled(handle, 100)


async def test_the_api_and_its_streams_go_on_after_an_outage(tmp_path: Path, broker: RealKafka, unique: str) -> None:
    config: dict[str, object] = {
        "KAFKA_BOOTSTRAP_SERVERS": broker.servers,
        "KAFKA_TOPIC_PREFIX": unique,
        "KAFKA_REQUEST_TIMEOUT_MS": 10_000,
        "ENABLE_EVENT_STREAMING": True,
        "SSE_CONSUMER_POOL_SIZE": 1,
        "LOG_LEVEL": "INFO",
    }
    with api_server(tmp_path, config) as server:
        async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(base_url=server.url, timeout=60) as http:

            async def published(name: str) -> bool:
                event = {"execution_id": name, "kind": "execution.started"}
                return (await http.post("/api/v1/events", json=event)).status_code == 202

            async def well_again() -> bool:
                health, figures = await to_thread.run_sync(lambda: (server.health(), server.figures()))
                return bool(health["status"] == "ok" and figures["sse_consumers"] == 3)

            client = SseClient(server.port)
            tasks.create_task(client.run())
            await client.opened()
            assert await published("before")
            await client.until(lambda client: len(client.data) == 1)
            await to_thread.run_sync(broker.kill)
            server.edit(KAFKA_REQUEST_TIMEOUT_MS=9000, SSE_CONSUMER_POOL_SIZE=3)
            await to_thread.run_sync(server.wait_for, lambda health: health["status"] == "degraded")
            await start(broker)
            await eventually(well_again)
            await eventually(lambda: published("after"))
            await client.until(lambda client: any("after" in each for each in client.data))
            assert await to_thread.run_sync(server.terminate) == 0
