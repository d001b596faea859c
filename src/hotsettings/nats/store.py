"""NatsStore: documents in a bucket of NATS JetStream, as layers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio

from .._layers.status import LayerState
from .._layers.store import StoreLayer, StoreValue
from ..errors import LayerError
from .bucket import BUCKET, KEY
from .companion import Companion
from .connection import Unreachable, servers
from .last_good import LastGood
from .replica import Replica
from .reports import own_name
from .session import Session

if TYPE_CHECKING:
    from nats.aio.client import Client

    from .._live.live import Live
    from .._loading.load import Loaded

_ALLOWED = "use letters, digits and - / _ = ., as in config.toml"


class NatsStore:
    """A bucket of NATS JetStream key-value, each key of which holds one TOML document: ``store.layer("config.toml")``.

    ``url`` is one URL of a server, several separated by commas, or a list; ``options`` go to nats-py's ``connect``, as TLS
    (``tls=``), credentials (``user_credentials=``, ``nkeys_seed=``) and the like do. One connection and one watch serve all
    layers, which therefore stand at one position of the bucket's stream; both exist while a ``watch`` of any layer does, or
    an ``opened`` block. Whether the watch has told everything is asked every ``check_interval`` seconds.

    Where the store does not answer within ``start_timeout`` seconds, watching begins with the last good copy in the file
    ``copy``, if that is named: each state of these layers that went live is written there, but for what is secret.

    Every ``watch`` reports what it has applied, under ``service`` and ``instance``, unless ``reporting`` is False.

    asyncio only (uvloop too), since nats-py is.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        bucket: str,
        *,
        copy: str | os.PathLike[str] | None = None,
        service: str | None = None,
        instance: str | None = None,
        reporting: bool = True,
        start_timeout: float = 5.0,
        check_interval: float = 5.0,
        **options: Any,
    ) -> None:
        for name, seconds in (("start_timeout", start_timeout), ("check_interval", check_interval)):
            if not seconds > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {seconds}")
        if not BUCKET.fullmatch(bucket):
            raise ValueError(f"{bucket!r} cannot be a bucket: use letters, digits, - and _")
        if instance is not None and not KEY.fullmatch(instance):
            raise ValueError(f"{instance!r} cannot be an instance: {_ALLOWED}")
        self.servers = servers(url, {"name": service or "hotsettings", **options})
        self.bucket = bucket
        self.service = service
        self.instance = instance
        self.reporting = reporting
        self.last_good = LastGood(copy, bucket) if copy is not None else None
        self._start_timeout = start_timeout
        self._replica = Replica()
        self._wakers: list[Callable[[], None]] = []
        self._check_interval = check_interval
        self._session = self._new_session()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: tuple[asyncio.Task[None], anyio.CancelScope] | None = None
        self._users = 0
        self._companions: list[Companion] = []

    def __repr__(self) -> str:
        return f"NatsStore({str(self.servers)!r}, {self.bucket!r})"

    def layer(self, key: str, *, name: str | None = None, required: bool = True, secret: bool = False) -> StoreLayer:
        """The document under a key, as a layer. It is named after the key, if nothing else is given.

        Raises ValueError for what cannot be a key.
        """
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} cannot be a key: {_ALLOWED}")
        label = f"{self.bucket}/{key}"
        return StoreLayer(self, key, name=name or key, label=label, required=required, secret=secret)

    @property
    def state(self) -> LayerState:
        """How all layers of it stand: "read" while the store answers, else "offline" or "copy"."""
        return self._session.state

    @property
    def position(self) -> int:
        """The position of the bucket's stream at which all that is held stood."""
        return self._replica.state.position

    @property
    def client(self) -> Client | None:
        """The connection, while there is one."""
        return self._session.client

    def value(self, key: str) -> StoreValue:
        """The newest value of a key. Can be called from any thread, and does not wait."""
        return self._replica.state.documents.get(key, StoreValue())

    @contextmanager
    def subscribed(self, wake: Callable[[], None]) -> Generator[None, None, None]:
        """Call ``wake`` on the event loop whenever a value has changed, until the block ends."""
        self._wakers.append(wake)
        try:
            yield
        finally:
            self._wakers.remove(wake)

    def _wake(self) -> None:
        for wake in list(self._wakers):
            wake()

    async def accompany(self, live: Live[Any], accepted: Callable[[], Loaded]) -> None:
        """Write the copy of what went live, and report, until cancelled."""
        name = self.instance or own_name()
        taken = {companion.instance for companion in self._companions}
        companion = Companion(self, live, accepted, next(n for n in _numbered(name) if n not in taken))
        self._companions.append(companion)
        try:
            await companion.run()
        finally:
            self._companions.remove(companion)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None, None]:
        """Follow the bucket until the block ends, and all other such blocks.

        Raises LayerError if there is nothing to begin with, neither store nor copy, and RuntimeError on trio.
        """
        self._enter()
        try:
            await self._begin()
            yield
        finally:
            await self._leave()

    def _enter(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            why = "NatsStore needs asyncio, because nats-py does: run on asyncio or uvloop, or take files on trio"
            raise RuntimeError(why) from None
        if self._users and loop is not self._loop:
            raise RuntimeError("NatsStore is open on another event loop: make one for each")
        self._loop = loop
        self._users += 1
        if self._users == 1:
            # Another one each time: the last may still be closing its connection.
            self._session, scope = self._new_session(), anyio.CancelScope()
            self._running = loop.create_task(self._run(self._session, scope)), scope

    def _new_session(self) -> Session:
        return Session(self.servers, self.bucket, self._replica, self._check_interval, self._wake)

    async def _run(self, session: Session, scope: anyio.CancelScope) -> None:
        with scope:
            await session.run()

    async def _leave(self) -> None:
        self._users -= 1
        if not self._users and self._running is not None:
            task, scope = self._running
            self._running = None
            scope.cancel()  # not the task: before Python 3.12 asyncio.wait_for may make nothing of its cancellation
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task])

    async def _begin(self) -> None:
        with anyio.move_on_after(self._start_timeout):
            await self._session.begun.wait()
        if self._session.begun.is_set():
            return
        copied = self.last_good.load() if self.last_good is not None else None
        if copied is None:
            why = self._session.fault or f"no answer within {self._start_timeout:g} s"
            hint = f"there is no copy in {self.last_good.path} yet" if self.last_good is not None else ""
            raise LayerError(Unreachable(f"{self.servers} {self.bucket}", why, hint).problems)
        self._session.begin_with(copied)


def _numbered(name: str) -> Iterator[str]:
    """Names for several live objects in one process."""
    yield name
    yield from (f"{name}/{number}" for number in count(2))
