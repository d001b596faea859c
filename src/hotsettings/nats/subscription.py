"""The subscription to a bucket over one connection.

A watch (an ordered consumer of JetStream) delivers changes. But it can fall silent without an error: if its consumer is
gone, if a node is restarted, or if the server of the consumer lags behind the leader of the stream. So the subscription also
asks the leader of the stream regularly for the position of the last entry. If that is ahead of what the watch has delivered,
the subscription replaces the watch.

A new watch begins with everything that is in the bucket. Only once that is complete does the replica show it.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from nats.errors import Error as NatsError
from nats.js.errors import NoStreamResponseError, NotFoundError
from nats.js.kv import KeyValue

from .connection import TrackingClient
from .replica import BucketEntry, Replica, StreamEnd

_ANSWER_TIMEOUT = 5.0
"""Seconds that the store may take to answer, or the interval between questions if that is shorter."""
_SHORTEST_ANSWER_TIMEOUT = 1.0
_PONG_TIMEOUT = 2
"""Seconds that the server may take to answer a ping after the store has not answered."""
_STOP_TIMEOUT = 0.1
"""Seconds that it may take to stop a watch on the server."""
_FIRST_START_TIMEOUT = 1.0
"""Seconds that each step to start a watch may take at first. Doubled after each failure."""
_CATCH_UP = 1.0
"""Seconds that the server of a new watch gets to catch up with the leader of the stream. It never does if the last entries of
the stream have been removed."""
_ABANDONED = 30.0
"""Seconds after which the server removes a watch that nobody listens to any more."""
_DELIVERY = 0.25
"""Seconds by which the watch may deliver an entry later than the leader answers with its position."""


class SubscriptionLost(Exception):
    """Raised when a new connection is needed. Its message says why."""


class Subscription:
    """Keeps a replica up to date over one connection.

    Args:
        client: The connection.
        bucket: The bucket.
        replica: What is kept up to date.
        interval: Seconds between two questions to the leader of the stream.
        on_answer: Called after each question: with True if the leader has answered, else with False.
        on_change: Called when the replica is complete, and when it shows another state.
    """

    def __init__(
        self,
        client: TrackingClient,
        bucket: str,
        replica: Replica,
        interval: float,
        on_answer: Callable[[bool], None],
        on_change: Callable[[], None],
    ) -> None:
        self._client = client
        self._answer_timeout = max(_SHORTEST_ANSWER_TIMEOUT, min(_ANSWER_TIMEOUT, interval))
        self._js = client.jetstream(timeout=self._answer_timeout)
        self._bucket = bucket
        self._replica = replica
        self._interval = interval
        self._on_answer = on_answer
        self._on_change = on_change

    async def run(self) -> None:
        """Keep the replica up to date until cancelled. Raises SubscriptionLost."""
        start_timeout = _FIRST_START_TIMEOUT
        while True:
            end = await self._stream_end()
            self._replica.begin(end)
            watch = Watch(self._replica, end, self._on_change)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch.run, self._client, self._bucket, start_timeout)
                # The server of the watch may be gone before it has delivered anything.
                with anyio.move_on_after(self._answer_timeout + _CATCH_UP):
                    await watch.started.wait()
                if watch.complete:
                    start_timeout = _FIRST_START_TIMEOUT
                    await self._until_silent()
                else:  # the cluster is electing the leader that assigns consumers, and does not say when it has one
                    start_timeout = min(2 * start_timeout, self._answer_timeout)
                    await anyio.sleep(start_timeout * random.random() / 4)
                tasks.cancel_scope.cancel()

    async def _stream_end(self) -> StreamEnd:
        """Ask the leader of the stream for its last position until it answers."""
        while True:
            try:
                info = await self._js.stream_info(f"KV_{self._bucket}")
                if info.cluster is not None and not info.cluster.leader:
                    raise NoStreamResponseError  # a follower answers, and only for itself
            except NotFoundError:
                raise SubscriptionLost("there is no such bucket; publish into it first") from None
            except (NatsError, TimeoutError):  # the stream has no leader at the moment, or the connection is dead
                self._on_answer(False)
                await self._ping()
                await anyio.sleep(self._interval / 5)
            else:
                self._on_answer(True)
                return StreamEnd(info.state.last_seq, info.created)

    async def _ping(self) -> None:
        try:
            await self._client.flush(timeout=_PONG_TIMEOUT)
        except (NatsError, TimeoutError):
            raise SubscriptionLost("its server does not answer") from None

    async def _until_silent(self) -> None:
        """Return once the stream has entries that the watch does not deliver, or is another stream."""
        while True:
            await anyio.sleep(self._interval * random.uniform(0.75, 1.25))  # so that processes do not ask all at once
            end = await self._stream_end()
            if not self._replica.is_of(end):
                return
            if self._replica.is_behind(end):
                await anyio.sleep(_DELIVERY)
                if self._replica.is_behind(end):
                    return


class Watch:
    """An ordered consumer that delivers first everything in the bucket, and then each change."""

    def __init__(self, replica: Replica, end: StreamEnd, on_change: Callable[[], None]) -> None:
        self.started = anyio.Event()
        """Set once everything was delivered, which makes the watch ``complete``, or once it has failed to start."""
        self.complete = False
        self._replica = replica
        self._end = end
        self._on_change = on_change

    async def run(self, client: TrackingClient, bucket: str, start_timeout: float) -> None:
        """Watch until cancelled. Return if a step of the start takes longer than ``start_timeout`` seconds."""
        try:
            key_value = await client.jetstream(timeout=start_timeout).key_value(bucket)
            async with _ordered_consumer(client, key_value) as updates:
                self._replica.fill(await self.contents(updates), self._end)
                self.complete = True
                self.started.set()
                self._on_change()
                async for update in updates:
                    if self._replica.take(_entry(update)):
                        self._on_change()
        except (NatsError, TimeoutError):
            self.started.set()

    async def contents(self, updates: KeyValue.KeyWatcher) -> list[BucketEntry]:
        """Return everything in the bucket, up to the end of the stream.

        nats-py reports once that this was everything, and may do so too early: if the server lags behind the leader, or has
        only just sent the rest.
        """
        entries: list[BucketEntry] = []
        while (update := await anext(updates)) is not None:
            entries.append(_entry(update))
        with anyio.move_on_after(_CATCH_UP):
            while max((entry.position for entry in entries), default=0) < self._end.position:
                entries.append(_entry(await anext(updates)))
        return entries


def _entry(update: Any) -> BucketEntry:
    return BucketEntry(update.key, update.revision or 0, None if update.operation else update.value or b"")


@asynccontextmanager
async def _ordered_consumer(client: TrackingClient, bucket: KeyValue) -> AsyncGenerator[KeyValue.KeyWatcher, None]:
    try:
        watcher = await bucket.watchall(inactive_threshold=_ABANDONED)
        try:
            yield watcher
        finally:
            # If the connection is lost, the consumer is too.
            with anyio.move_on_after(_STOP_TIMEOUT, shield=True), suppress(NatsError):
                await watcher.stop()  # type: ignore[no-untyped-call]
    finally:
        client.end_consumer_tasks()
