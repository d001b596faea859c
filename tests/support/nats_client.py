"""Connections to NATS, for tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import nats
from nats.aio.client import Client


@asynccontextmanager
async def connected(servers: str | list[str], **options: Any) -> AsyncGenerator[Client, None]:
    """A connection that is closed in any case. One that a failed test leaves open keeps its event loop from ending."""
    client = await nats.connect(servers, **{"error_cb": nothing, **options})
    try:
        yield client
    finally:
        await client.close()


async def nothing(error: Exception) -> None:
    """Connections that break are what the tests are about; nats-py would log each attempt with its traceback."""
