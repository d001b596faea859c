"""What the tests of stores share: settings, and waiting for something to become so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import anyio
from msgspec import Meta
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.kv import KeyValue

from hotsettings import BaseSettings, LayerError, Secret
from support.nats_client import connected

PATIENCE = 60.0
"""Seconds. What a test waits for takes milliseconds, elections of servers on a busy machine tens of seconds."""

T = TypeVar("T")


class Settings(BaseSettings):
    A: int = 0
    B: Annotated[str, Meta(max_length=100)] = "b"
    TOKEN: Secret[str] = "t0ken-of-the-class"

    def __post_init__(self) -> None:
        if self.A < 0:
            raise ValueError(f"A is {self.A}, and B is {self.B}")


async def until(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what it asks about tells nobody
            await anyio.sleep(0.005)


async def taken(work: Callable[[], Awaitable[T]]) -> T:
    """Try until servers that may still be electing a leader take it."""
    with anyio.fail_after(PATIENCE):
        while True:
            try:
                return await work()
            except (NatsError, TimeoutError, LayerError):
                await anyio.sleep(0.05)


async def published(url: str, bucket: str, **documents: str) -> None:
    """Put documents under keys, over a connection of its own; two underscores stand for a dot."""
    async with connected(url) as client:
        kv = await client.jetstream().key_value(bucket)
        for key, text in documents.items():
            await put(kv, key.replace("__", "."), text)


async def put(kv: KeyValue, key: str, text: str) -> int:
    """Put a document; return its revision."""
    return await kv.put(key, text.encode())


async def made(url: str, bucket: str, **documents: str) -> None:
    """Make a bucket with these documents in it."""
    async with connected(url) as client:
        await client.jetstream().create_key_value(api.KeyValueConfig(bucket=bucket, history=64))
    await published(url, bucket, **documents)
