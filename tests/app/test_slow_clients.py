"""Clients that read nothing, on real sockets: they cost a bounded memory, are cut off, and take nothing from those that read."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Producer
from support.api_server import ApiServer, api_server
from support.sse_client import SseClient

from integr8scode.fanout import KEPT_BYTES

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

EVENTS = 2000
BYTES = 60_000
DEAF = 20
READING = 2
WITHIN = 60.0
MIB = 1024 * 1024


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Flood:
    """Large numbered events, sent from a thread."""

    def __init__(self, brokers: str, topic: str) -> None:
        self._topic = topic
        self._producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0, "log_level": 0})

    def send(self, start: int, stop: int) -> None:
        for number in range(start, stop):
            while True:
                try:
                    self._producer.produce(self._topic, b"%d " % number + b"x" * BYTES, partition=number % 4)
                    break
                except BufferError:
                    self._producer.poll(0.1)
        assert self._producer.flush(WITHIN) == 0


def memory(server: ApiServer, kind: str) -> int:
    """Bytes of the process: VmRSS now, VmHWM at most so far."""
    found = re.search(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024


def connected(server: ApiServer, stack: ExitStack) -> socket.socket:
    made = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
    made.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert made.recv(15) == b"HTTP/1.1 200 OK"
    return made


class Reader(SseClient):
    """Keeps the number of each event, and not its 60 KB."""

    def _hear(self, block: str) -> None:
        start, data, number = block.partition("data: ")
        if data and "x" in number:
            assert len(number) == len(number.split()[0]) + 1 + BYTES
            number = number.split()[0]
        super()._hear(start + data + number)


async def test_they_cost_a_bounded_memory_and_the_others_lose_nothing(tmp_path: Path, kafka: str, unique: str) -> None:
    config = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_TOPIC_PREFIX": unique,
        "ENABLE_EVENT_STREAMING": True,
        "SSE_CONSUMER_POOL_SIZE": 2,
        "RATE_LIMIT_ENABLED": False,
        "LOG_LEVEL": "CRITICAL",
    }
    flood = await asyncio.to_thread(Flood, kafka, f"{unique}execution-events")
    with api_server(tmp_path, config) as server, ExitStack() as stack:
        before = memory(server, "VmRSS")
        deaf = [connected(server, stack) for _ in range(DEAF)]
        async with asyncio.TaskGroup() as tasks:
            readers = [Reader(server.port) for _ in range(READING)]
            for reader in readers:
                tasks.create_task(reader.run())
                await reader.opened()

            async def sent(start: int, stop: int) -> None:
                await asyncio.to_thread(flood.send, start, stop)
                for reader in readers:
                    await reader.until(heard(stop), WITHIN)

            await sent(0, EVENTS // 2)
            at_first = memory(server, "VmHWM") - before
            await sent(EVENTS // 2, EVENTS)
            at_last = memory(server, "VmHWM") - before
            figures = await asyncio.to_thread(
                server.wait_for_figures, lambda figures: figures["sse_clients"] == READING
            )
            # Closing would go on waiting for them to take what was written.
            assert {each.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for each in deaf} == {errno.ECONNRESET}
            assert await asyncio.to_thread(server.terminate) == 0, server.output
        for reader in readers:
            assert sorted(map(int, reader.data)) == list(range(EVENTS))
            assert reader.events == []
    assert 0 < figures["sse_log_bytes"] <= KEPT_BYTES
    assert at_last < 4 * KEPT_BYTES, f"{at_last / MIB:.0f} MiB"
    assert at_last - at_first < KEPT_BYTES / 2, f"{at_first / MIB:.0f} MiB, then {at_last / MIB:.0f} MiB"


def heard(count: int) -> Callable[[SseClient], bool]:
    return lambda client: len(client.data) >= count
