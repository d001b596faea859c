"""How a Kafka consumer is stopped, whatever has become of its broker."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import anyio
from aiokafka import AIOKafkaConsumer


async def stop(consumer: AIOKafkaConsumer) -> None:
    """Stop it and close its connections, also when the caller is being cancelled.

    aiokafka cancels the requests that are under way and awaits them one by one. One that has failed and waits for its next
    try raises this cancellation here, where nobody has been cancelled, and what comes after it is left open.
    """
    with anyio.CancelScope(shield=True):
        try:
            await consumer.stop()
        except asyncio.CancelledError:
            fetcher: Any = consumer._fetcher  # pyright: ignore[reportPrivateUsage]
            pending: Collection[asyncio.Task[object]] = list(fetcher._pending_tasks) if fetcher is not None else ()
            for task in pending:
                task.cancel()
            if pending:
                await asyncio.wait(pending)
            await consumer._client.close()  # pyright: ignore[reportPrivateUsage]
