"""How Kafka's clients are stopped, whatever has become of their brokers.

A client that is stopped commits, leaves its group, sends what is left, and waits for answers in between: for as long as its
broker lets it. So each gets some seconds, few of them when the process is being stopped, and is cut off then. What was
acknowledged or committed by that time stays; the rest is read again, or was never acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from .stopping import shielded

PATIENCE = 20.0
"""Seconds that a client gets while the process works on."""
LAST = 0.5
"""Seconds for tasks that have been cancelled to end."""


async def stop(consumer: AIOKafkaConsumer) -> None:
    """Stop it and close its connections, also when the caller is being cancelled."""

    def tasks() -> Iterable[Any]:
        coordinator: Any = consumer._coordinator  # pyright: ignore[reportPrivateUsage]
        for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task"):
            yield getattr(coordinator, name, None)
        fetcher: Any = consumer._fetcher  # pyright: ignore[reportPrivateUsage]
        if fetcher is not None:
            yield from (fetcher._fetch_task, *fetcher._pending_tasks)

    await _close(consumer.stop, consumer._client, tasks)  # pyright: ignore[reportPrivateUsage]


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """The same for a producer: what it holds is sent first, and what is not sent in time was never acknowledged."""

    def tasks() -> Iterable[Any]:
        sender: Any = producer._sender  # pyright: ignore[reportPrivateUsage]
        yield getattr(sender, "sender_task", None)

    await _close(producer.stop, producer.client, tasks)


async def stop_admin(admin: AIOKafkaAdminClient) -> None:
    """The same for an admin client."""
    await _close(admin.close, admin._client, tuple)  # pyright: ignore[reportPrivateUsage]


async def _close(orderly: Callable[[], Awaitable[object]], client: Any, tasks: Callable[[], Iterable[Any]]) -> None:
    closed = False
    try:
        with shielded(PATIENCE) as scope:
            try:
                await orderly()
                closed = True
            except asyncio.CancelledError:
                # aiokafka cancels its requests and awaits them one by one. One that has failed and waits for its next try
                # raises this cancellation here, where nobody has been cancelled, and leaves open what comes after it.
                if scope.cancel_called:
                    raise
    finally:
        if not closed:
            with anyio.CancelScope(shield=True):
                await _cut_off(client, tasks())


async def _cut_off(client: Any, tasks: Iterable[Any]) -> None:
    """End what a client does in the background, and its connections, without a word to the broker."""
    ending = [task for task in (*tasks, client._sync_task) if task is not None and not task.done()]
    for task in ending:
        task.cancel()
    for connection in list(client._conns.values()):
        writer = connection._writer
        connection.close()
        if writer is not None:
            writer.transport.abort()  # closing would wait until the broker has taken what was written
    if ending:
        await asyncio.wait(ending, timeout=LAST)
