"""Publishing by compare-and-set while servers come and go, and a ledger of what became of each attempt."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import nats
from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import KeyValueConfig
from nats.js.errors import KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from hotsettings import SettingsError
from hotsettings.nats.connection import Servers, servers
from hotsettings.nats.publishing import HISTORY, OutcomeUnknown, publish

from ..process import MeasurementFailed
from .documents import document
from .processes import PATIENCE
from .records import KEYS, Stamp

T = TypeVar("T")

WITHIN = 10.0
"""Seconds for which the library tries each publish."""
ANSWER = 2.0
"""Seconds within which an answer has to come; without one, the outcome of an attempt is unknown."""


class Accepted(Struct, frozen=True):
    """A publish that the store has taken; ``expected`` is what had to stand under the key, and did.

    Nanoseconds from the first attempt until the outcome was known: ``asked`` and ``acknowledged``.
    """

    key: str
    stamp: Stamp
    expected: int
    revision: int
    asked: int
    acknowledged: int


class Ledger(Struct):
    """All that was tried. What was refused must never be seen anywhere.

    ``denied`` are those of which it was said that they were not written; ``unknown`` is how many had no answer at all:
    whether they were written, a look has told.
    """

    accepted: list[Accepted]
    refused: list[Stamp]
    denied: set[Stamp]
    unknown: int = 0

    def position(self) -> int:
        return max((publish.revision for publish in self.accepted), default=0)

    def standing(self, key: str) -> int:
        """The revision that stands under a key."""
        return max((publish.revision for publish in self.accepted if publish.key == key), default=0)


class Publisher:
    """Publishes documents with rising numbers into one bucket, over one connection."""

    def __init__(self, client: Client, bucket: KeyValue) -> None:
        self.client = client
        self.bucket = bucket
        self.ledger = Ledger([], [], set())
        self._number = 0

    async def publish(self, key: str, more: str = "") -> Accepted:
        """Publish until it is taken, however often that has to be tried."""
        self._number += 1
        expected = self.ledger.standing(key)
        tried: dict[bytes, Stamp] = {}
        asked, deadline = time.monotonic_ns(), time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            stamp = Stamp(self._number, len(tried) + 1)
            text = document(key, stamp, more)
            tried[text] = stamp
            revision = await self._attempt(key, text, expected, stamp)
            if revision is None:
                # A server that lags behind may answer. Then the next attempt is refused, and the next look tells more.
                revision, text = await self._look(key)
            if revision > expected:
                if text not in tried:
                    raise MeasurementFailed(f"{key} has revision {revision}, which nobody here has published")
                accepted = Accepted(key, tried.pop(text), expected, revision, asked, time.monotonic_ns())
                self.ledger.accepted.append(accepted)
                self.ledger.refused += tried.values()
                return accepted
            await anyio.sleep(0.1)
        raise MeasurementFailed(f"{key} could not be published for {PATIENCE:g} s")

    async def refused(self, key: str) -> None:
        """Publish on top of a revision that is not the newest: the store has to refuse it."""
        self._number += 1
        stamp = Stamp(self._number)
        if await self._attempt(key, document(key, stamp), self.ledger.standing(key) - 1, stamp) is not None:
            raise MeasurementFailed(f"{key}: a publish on top of another revision than the newest was taken")
        self.ledger.refused.append(stamp)

    async def _attempt(self, key: str, text: bytes, expected: int, stamp: Stamp) -> int | None:
        """The revision, if the store says that it has taken it; it may have done so in silence too."""
        try:
            return await self.bucket.update(key, text, last=expected)
        except KeyWrongLastSequenceError:
            return None  # perhaps because an earlier attempt has come through since
        except (NatsError, TimeoutError):
            self.ledger.unknown += 1
            return None

    async def _look(self, key: str) -> tuple[int, bytes]:
        """What stands under a key, as far as a server tells; nothing if none does."""
        try:
            entry = await self.bucket.get(key)
        except (NatsError, TimeoutError):
            return 0, b""
        return entry.revision or 0, entry.value or b""


class ByTheLibrary(Publisher):
    """Publishes as the command line does: over a connection for each, and sure of the outcome or saying that it is not."""

    def __init__(self, client: Client, bucket: KeyValue, where: Servers, name: str) -> None:
        super().__init__(client, bucket)
        self._where = where
        self._name = name

    async def _attempt(self, key: str, text: bytes, expected: int, stamp: Stamp) -> int | None:
        try:
            return await publish(self._where, self._name, key, text, expected, WITHIN)
        except OutcomeUnknown:
            self.ledger.unknown += 1
        except SettingsError:
            self.ledger.denied.add(stamp)
        return None


@asynccontextmanager
async def publisher(urls: Sequence[str], bucket: str) -> AsyncGenerator[Publisher, None]:
    """Connect, make the bucket, and publish the first of each document into it."""
    async with _opened(urls, bucket) as (client, opened):
        yield await _begun(Publisher(client, opened))


@asynccontextmanager
async def publisher_by_the_library(urls: Sequence[str], bucket: str) -> AsyncGenerator[Publisher, None]:
    """The same, by the library's own way to publish."""
    async with _opened(urls, bucket) as (client, opened):
        yield await _begun(ByTheLibrary(client, opened, servers(list(urls), {}), bucket))


async def _begun(made: Publisher) -> Publisher:
    for key in KEYS:
        await made.publish(key)
    return made


@asynccontextmanager
async def _opened(urls: Sequence[str], name: str) -> AsyncGenerator[tuple[Client, KeyValue], None]:
    client = await connected(urls)
    config = KeyValueConfig(bucket=name, history=HISTORY, replicas=3)
    try:
        js = client.jetstream(timeout=ANSWER)
        yield client, await answered(lambda: js.create_key_value(config))
    finally:
        await client.close()


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer: a cluster that has just begun, or found together again, may leave one out."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await ask()
        except (NatsError, TimeoutError):
            if time.monotonic() > deadline:
                raise


async def connected(urls: Sequence[str]) -> Client:
    """A connection that notices soon when its server is silent, and goes to the next."""

    async def quiet(error: Exception) -> None:
        """Take no note: servers are killed here on purpose."""

    return await nats.connect(
        list(urls), max_reconnect_attempts=-1, reconnect_time_wait=0.2, ping_interval=1, error_cb=quiet
    )
