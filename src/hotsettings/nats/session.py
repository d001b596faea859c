"""A session with a bucket: one connection after the other, and the last known state while there is none."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from .._concurrency.backoff import Backoff
from .._layers.status import LayerState
from .._log import logger
from .connection import Servers, TrackingClient, Unreachable, connected, described
from .replica import BucketState, Replica
from .subscription import Subscription, SubscriptionLost

_FIRST_RETRY = 0.5
_LONGEST_RETRY = 5.0
"""Seconds between two attempts to connect, at most. Jitter keeps processes from reconnecting all at once."""


class Session:
    """Keeps a replica up to date, and says whether the store answers.

    Args:
        servers: Where the store is.
        bucket: The bucket.
        replica: What is kept up to date.
        interval: Seconds between two checks that the watch delivers everything.
        on_change: Called when the replica shows another state.
    """

    def __init__(
        self, servers: Servers, bucket: str, replica: Replica, interval: float, on_change: Callable[[], None]
    ) -> None:
        self.state: LayerState = "offline"
        self.ready = anyio.Event()
        """Set once there is a state to begin with."""
        self.fault = ""
        """Why the store cannot be reached, as far as that is known; "" while it can."""
        self.client: TrackingClient | None = None
        self._servers = servers
        self._bucket = bucket
        self._replica = replica
        self._interval = interval
        self._on_change = on_change
        self._state_offline: LayerState = "offline"
        """The state while the store does not answer: "copy" until it has answered once."""

    def start_from_copy(self, copied: BucketState) -> None:
        """Begin with the copy on disk, because the store does not answer."""
        self._replica.state = copied
        self.state = self._state_offline = "copy"
        self.ready.set()
        logger.warning(
            "%s cannot be reached (%s): starting with the copy on disk, of position %d",
            self._bucket,
            self.fault or "no answer",
            copied.position,
        )

    async def run(self) -> None:
        """Keep the replica up to date over one connection after the other, until cancelled."""
        backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY, jitter=True)
        try:
            while True:
                try:
                    await self._subscribe()
                except Exception as error:
                    self._lost(_reason(error, self._servers))
                if self.state == "read":
                    backoff.reset()
                self.state = self._state_offline
                await anyio.sleep(backoff.next())
        finally:
            self.state = self._state_offline

    async def _subscribe(self) -> None:
        """Stay subscribed until the connection is lost, and raise why."""
        async with connected(self._servers) as (client, lost):
            self.client = client
            try:
                async with anyio.create_task_group() as tasks:
                    subscription = Subscription(
                        client, self._bucket, self._replica, self._interval, self._answered, self._changed
                    )
                    tasks.start_soon(subscription.run)
                    await lost.wait()
                    raise ConnectionError("the connection was lost")
            finally:
                self.client = None

    def _answered(self, has_answered: bool) -> None:
        if not has_answered:
            self._lost("it does not answer")
            self.state = self._state_offline
        elif self.ready.is_set() and self._state_offline == "offline":
            self._reached()

    def _changed(self) -> None:
        self._state_offline = "offline"
        self._reached()
        self.ready.set()
        self._on_change()

    def _reached(self) -> None:
        if self.fault:
            logger.info("%s can be reached again", self._bucket)
            self.fault = ""
        self.state = "read"

    def _lost(self, why: str) -> None:
        if not self.fault and self.ready.is_set():
            logger.warning("%s cannot be reached (%s): the last known settings stay live", self._bucket, why)
        self.fault = why


def _reason(error: BaseException, servers: Servers) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Unreachable):
        return error.reason
    return str(error) if isinstance(error, SubscriptionLost) else described(error, servers)
