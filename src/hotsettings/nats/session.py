"""Following a bucket whatever happens to connections: one after the other, and the last state while there is none."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from nats.aio.client import Client

from .._concurrency.backoff import Backoff
from .._layers.status import LayerState
from .._log import logger
from .connection import Servers, Unreachable, connected, described
from .replica import Replica, State
from .subscription import Follower, NoBucket, Silent

_FIRST_RETRY = 0.5
_LONGEST_RETRY = 5.0
"""Seconds between attempts to connect, at most. With jitter, or all processes would connect at the same moment."""


class Session:
    """Keeps a replica up to date, and tells how it stands."""

    def __init__(
        self, where: Servers, bucket: str, replica: Replica, interval: float, changed: Callable[[], None]
    ) -> None:
        self.state: LayerState = "offline"
        self.begun = anyio.Event()
        """There is something to begin with."""
        self.fault = ""
        """Why the store cannot be reached, as far as that is known."""
        self.client: Client | None = None
        self._where = where
        self._bucket = bucket
        self._replica = replica
        self._interval = interval
        self._changed = changed
        self._unreached: LayerState = "offline"

    def begin_with(self, copied: State) -> None:
        """Begin with a copy, since the store does not answer."""
        self._replica.state = copied
        self._unreached = "copy"
        self.begun.set()
        self._go("copy")
        logger.warning(
            "%s cannot be reached (%s): beginning with the copy on disk, of position %d",
            self._bucket,
            self.fault or "no answer",
            copied.position,
        )

    async def run(self) -> None:
        """Follow over one connection after the other, until cancelled."""
        backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY, jitter=True)
        try:
            while True:
                try:
                    await self._follow()
                except Exception as error:
                    self._lose(_reason(error, self._where))
                if self.state == "read":
                    backoff.reset()
                self._go(self._unreached)
                await anyio.sleep(backoff.next())
        finally:
            self._go(self._unreached)

    async def _follow(self) -> None:
        """Follow until the connection is lost."""
        async with connected(self._where) as (client, lost):
            self.client = client
            try:
                async with anyio.create_task_group() as tasks:
                    follower = Follower(client, self._bucket, self._replica, self._interval, self._answers, self._shows)
                    tasks.start_soon(follower.run)
                    await lost.wait()
                    raise ConnectionError("the connection was lost")
            finally:
                self.client = None

    def _answers(self, does: bool) -> None:
        if not does:
            self._lose("it does not answer")
            self._go(self._unreached)
        elif self.begun.is_set() and self._unreached == "offline":
            self._find()

    def _shows(self) -> None:
        self._unreached = "offline"
        self._find()
        self.begun.set()
        self._changed()

    def _find(self) -> None:
        if self.fault:
            logger.info("%s can be reached again", self._bucket)
            self.fault = ""
        self._go("read")

    def _lose(self, why: str) -> None:
        if not self.fault and self.begun.is_set():
            logger.warning("%s cannot be reached (%s): what it held last serves", self._bucket, why)
        self.fault = why

    def _go(self, state: LayerState) -> None:
        self.state = state


def _reason(error: BaseException, where: Servers) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Unreachable):
        return error.reason
    if isinstance(error, NoBucket):
        return "there is no such bucket; publish into it first"
    return "its server does not answer" if isinstance(error, Silent) else described(error, where)
