"""A consumer is stopped whole, also in the middle of what its broker does not answer."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from aiokafka import AIOKafkaConsumer

from integr8scode.closing import stop

pytestmark = pytest.mark.anyio


async def test_a_fetch_that_waits_for_its_next_try(mock_kafka: str, unique: str) -> None:
    before = asyncio.all_tasks()
    consumer = AIOKafkaConsumer(unique, bootstrap_servers=mock_kafka)
    await consumer.start()
    # What the fetcher does after a request that has failed. It is cancelled at the end, and that must not come out here.
    consumer._fetcher._pending_tasks.add(asyncio.create_task(asyncio.sleep(3600)))
    await stop(consumer)
    assert asyncio.all_tasks() == before


async def test_one_that_has_never_reached_its_broker() -> None:
    before = asyncio.all_tasks()
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    await stop(consumer)
    assert asyncio.all_tasks() == before


async def test_whoever_is_being_cancelled_stops_it_too(mock_kafka: str, unique: str) -> None:
    before = asyncio.all_tasks()
    consumer = AIOKafkaConsumer(unique, bootstrap_servers=mock_kafka)
    await consumer.start()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await stop(consumer)
    assert asyncio.all_tasks() == before
