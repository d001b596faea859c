"""Following a bucket over one connection: a watch tells of changes, and a regular question whether it told of all."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError, NotFoundError
from nats.js.kv import KeyValue

from .replica import Entry, Last, Replica

_ANSWER = 5.0
"""Seconds within which the store has to answer, or the interval between questions where that is shorter."""
_SHORTEST_ANSWER = 1.0
_PONG = 2
"""Seconds within which the server has to answer a ping, once the store has not answered."""
_FAREWELL = 0.1
"""Seconds that it may take to tell the server that nobody watches any more."""
_FIRST_PATIENCE = 1.0
"""Seconds within which each step to begin a watch has to be answered at first; doubled after each failure."""
_BEHIND = 1.0
"""Seconds that the server of a new watch gets to catch up with the leader. Where the last entries of a stream have been
removed, it never does."""
_ABANDONED = 30.0
"""Seconds after which the server forgets a watch that nobody listens to any more."""
_LATE = 0.25
"""Seconds that the news of a position may be behind the answer that names it."""


class Silent(Exception):
    """The server does not even answer pings: another connection is needed."""


class NoBucket(Exception):
    """The store answers, and has no such bucket."""


class Follower:
    """Keeps a replica up to date over one connection.

    ``reached`` is told, each time it was asked, whether the store answers; ``shows`` that the replica is complete, or shows another state.
    """

    def __init__(
        self,
        client: Client,
        bucket: str,
        replica: Replica,
        interval: float,
        reached: Callable[[bool], None],
        shows: Callable[[], None],
    ) -> None:
        self._client = client
        self._answer = max(_SHORTEST_ANSWER, min(_ANSWER, interval))
        self._js = client.jetstream(timeout=self._answer)
        self._bucket = bucket
        self._replica = replica
        self._interval = interval
        self._reached = reached
        self._shows = shows

    async def run(self) -> None:
        """Follow until cancelled. Raises Silent, NoBucket, or what nats-py does where the connection is lost."""
        patience = _FIRST_PATIENCE
        while True:
            last = await self._ask()
            self._replica.begin(last)
            watch = _Watch(self._replica, last, self._shows)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch.run, self._client.jetstream(timeout=patience), self._bucket)
                with anyio.move_on_after(
                    self._answer + _BEHIND
                ):  # its server may be gone before it has told of anything
                    await watch.begun.wait()
                if watch.complete:
                    patience = _FIRST_PATIENCE
                    await self._doubted()
                else:  # those who could assign it are being elected; nobody tells when they are
                    patience = min(2 * patience, self._answer)
                    await anyio.sleep(patience * random.random() / 4)
                tasks.cancel_scope.cancel()

    async def _ask(self) -> Last:
        """Ask the stream's leader for the last position until there is an answer."""
        while True:
            try:
                info = await self._js.stream_info(f"KV_{self._bucket}")
                if info.cluster is not None and not info.cluster.leader:
                    raise NoStreamResponseError  # one of its servers answers for itself alone
            except NotFoundError:
                raise NoBucket from None
            except (NatsError, TimeoutError):  # it has no leader just now, or the connection is dead
                self._reached(False)
                await self._ping()
                await anyio.sleep(self._interval / 5)
            else:
                self._reached(True)
                return Last(info.state.last_seq, info.created)

    async def _ping(self) -> None:
        try:
            await self._client.flush(timeout=_PONG)
        except (NatsError, TimeoutError):
            raise Silent from None

    async def _doubted(self) -> None:
        """Return when the watch is known to be silent about something."""
        while True:
            await anyio.sleep(self._interval * random.uniform(0.75, 1.25))  # lest all processes ask at once
            last = await self._ask()
            if not self._replica.belongs(last):
                return
            if self._replica.behind(last):
                await anyio.sleep(_LATE)
                if self._replica.behind(last):
                    return


class _Watch:
    """One ordered consumer, which tells all that there is, and then what comes."""

    def __init__(self, replica: Replica, last: Last, shows: Callable[[], None]) -> None:
        self.begun = anyio.Event()
        """It has told all that there is, which makes it ``complete``, or it could not begin."""
        self.complete = False
        self._replica = replica
        self._last = last
        self._shows = shows

    async def run(self, js: JetStreamContext, bucket: str) -> None:
        """Watch until cancelled; end where it cannot begin within the time that ``js`` has."""
        try:
            async with _watching(await js.key_value(bucket)) as watch:
                self._replica.fill(await self._listed(watch), self._last)
                self.complete = True
                self.begun.set()
                self._shows()
                async for told in watch:
                    if told is not None and self._replica.take(_entry(told)):
                        self._shows()
        except (NatsError, TimeoutError):
            self.begun.set()

    async def _listed(self, watch: KeyValue.KeyWatcher) -> list[Entry]:
        """All that there is, up to the last position.

        That this was all may be told too early: by a server that is behind its leader, or by one that has just sent the rest.
        """
        entries: list[Entry] = []
        while (told := await anext(watch)) is not None:
            entries.append(_entry(told))
        with anyio.move_on_after(_BEHIND):
            while max((entry.position for entry in entries), default=0) < self._last.position:
                if (told := await anext(watch)) is not None:
                    entries.append(_entry(told))
        return entries


def _entry(told: KeyValue.Entry) -> Entry:
    return Entry(told.key, told.revision or 0, None if told.operation else told.value or b"")


@asynccontextmanager
async def _watching(bucket: KeyValue) -> AsyncGenerator[KeyValue.KeyWatcher, None]:
    client = bucket._js._nc  # pyright: ignore[reportPrivateUsage]
    try:
        watch = await bucket.watchall(inactive_threshold=_ABANDONED)
    except BaseException:
        for subscription in client._subs.values():  # pyright: ignore[reportPrivateUsage]
            _end_tasks(subscription)  # there is no watch yet that could be stopped
        raise
    try:
        yield watch
    finally:
        with anyio.move_on_after(_FAREWELL, shield=True):
            try:
                await watch.stop()  # type: ignore[no-untyped-call]
            except NatsError:  # the connection is lost, and the watch with it
                _end_tasks(getattr(watch._sub, "_sub", None))  # pyright: ignore[reportPrivateUsage]


def _end_tasks(subscription: object) -> None:
    """End what nats-py leaves to end by itself, in up to ten seconds."""
    state: Any = getattr(subscription, "_jsi", None)
    for name in ("_hbtask", "_fctask"):
        if (task := getattr(state, name, None)) is not None:
            task.cancel()
