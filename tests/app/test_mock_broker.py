"""Both brokers that the tests use do what the application asks of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from integr8scode.mock_broker import mock_broker


@pytest.mark.anyio
async def test_a_group_goes_on_where_it_has_committed(brokers: str, unique: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=brokers) as producer:
        for number in range(3):
            await producer.send_and_wait(unique, b"%d" % number, partition=0)

    read = []
    for _ in range(2):
        consumer = AIOKafkaConsumer(
            unique,
            bootstrap_servers=brokers,
            group_id=unique,
            session_timeout_ms=4000,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        async with consumer:
            record = await consumer.getone()
            read.append(record.value)
            await consumer.commit({key: record.offset + 1 for key in consumer.assignment() if key.partition == 0})
    assert read == [b"0", b"1"]


def test_it_is_gone_after_its_block() -> None:
    with mock_broker() as servers:
        host, port = servers.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, as the system likes
        socket.create_connection((host, int(port)), timeout=5)


def test_as_a_process_it_says_where_it_is_and_ends_when_told_to() -> None:
    process = subprocess.Popen([sys.executable, "-m", "integr8scode.mock_broker"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline().startswith('KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:')
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
