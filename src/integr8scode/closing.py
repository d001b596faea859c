"""Stops Kafka clients within a time limit, even if their brokers do not answer.

A client that stops commits, leaves its group, and sends what is left. Each step waits for the broker, perhaps forever.
So each client gets some seconds, fewer when the process is stopping, and then its connections are cut. Everything that
was acknowledged or committed by then stays. Other messages are read again; other sends were never acknowledged.
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
"""Seconds that a client gets to stop while the process keeps running."""
LAST = 0.5
"""Seconds for tasks that have been cancelled to end."""


async def stop(consumer: AIOKafkaConsumer) -> None:
    """Stop a client and close its connections, even while the caller is being cancelled."""

    def tasks() -> Iterable[Any]:
        coordinator: Any = consumer._coordinator  # pyright: ignore[reportPrivateUsage]
        for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task"):
            yield getattr(coordinator, name, None)
        fetcher: Any = consumer._fetcher  # pyright: ignore[reportPrivateUsage]
        if fetcher is not None:
            yield from (fetcher._fetch_task, *fetcher._pending_tasks)

    await _close(consumer.stop, consumer._client, tasks)  # pyright: ignore[reportPrivateUsage]


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer in the same way. It sends its messages; those that it cannot send in time were never acknowledged."""

    def tasks() -> Iterable[Any]:
        sender: Any = producer._sender  # pyright: ignore[reportPrivateUsage]
        yield getattr(sender, "sender_task", None)

    await _close(producer.stop, producer.client, tasks)


async def stop_admin(admin: AIOKafkaAdminClient) -> None:
    """Stop an admin client in the same way."""
    await _close(admin.close, admin._client, tuple)  # pyright: ignore[reportPrivateUsage]


async def _close(orderly: Callable[[], Awaitable[object]], client: Any, tasks: Callable[[], Iterable[Any]]) -> None:
    closed = False
    try:
        with shielded(PATIENCE) as scope:
            try:
                await orderly()
                closed = True
            except asyncio.CancelledError:
                # aiokafka cancels its own requests and awaits them one by one. A request that was waiting for its next
                # attempt raises CancelledError here, though nobody has cancelled us, and the rest of the client stays open.
                if scope.cancel_called:
                    raise
    finally:
        if not closed:
            with anyio.CancelScope(shield=True):
                await _cut_off(client, tasks())


async def _cut_off(client: Any, tasks: Iterable[Any]) -> None:
    """Cancel the background tasks of a client, and abort its connections, without telling the broker."""
    ending = [task for task in (*tasks, client._sync_task) if task is not None and not task.done()]
    for task in ending:
        task.cancel()
    for connection in list(client._conns.values()):
        writer = connection._writer
        connection.close()
        if writer is not None:
            writer.transport.abort()  # closing would wait until the broker has taken all that was written
    if ending:
        await asyncio.wait(ending, timeout=LAST)
