"""NatsStore: layers that are documents in a bucket of NATS JetStream."""

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
from .disk_copy import DiskCopy
from .replica import Replica
from .reporter import Reporter
from .reports import own_name
from .session import Session

if TYPE_CHECKING:
    from nats.aio.client import Client

    from .._live.live import Live
    from .._loading.load import Loaded

_ALLOWED = "use letters, digits and - / _ = ., as in config.toml"


class NatsStore:
    """A bucket of NATS JetStream key-value. Each key holds one TOML document: ``store.layer("config.toml")``.

    One connection and one watch serve all layers, so all layers are at the same position of the bucket's stream. The
    connection is open while any of the layers is watched, or while an ``opened`` block runs. Needs asyncio or uvloop, because
    nats-py does.

    Args:
        url: The URL of a server, several of them separated by commas, or a list.
        bucket: The name of the bucket.
        copy: A file for a copy on disk. Each state of these layers that goes live is written there, except documents with
            secrets. If the store does not answer at the start, watching starts from the copy.
        service: The service in the reports. By default, the name of the settings class.
        instance: The instance in the reports. By default, the host and the process id.
        reporting: Whether every ``watch`` reports what it has applied.
        start_timeout: Seconds that the store may take to answer at the start.
        check_interval: Seconds between two checks that the watch has delivered everything.
        options: Options for ``connect`` of nats-py, such as ``tls``, ``user_credentials`` and ``nkeys_seed``.

    Raises:
        ValueError: A URL, the name of the bucket or of the instance, or a time is wrong.
        TypeError: nats-py has no such option, or the store sets it itself.
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
        self.disk_copy = DiskCopy(copy, bucket) if copy is not None else None
        self._start_timeout = start_timeout
        self._check_interval = check_interval
        self.forked()

    def forked(self) -> None:
        """In a forked process: forget who uses it and the connection, which are the parent's."""
        self._replica = Replica()
        self._wakers: list[Callable[[], None]] = []
        self._session = self._new_session()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: tuple[asyncio.Task[None], anyio.CancelScope] | None = None
        self._users = 0
        self._instances: set[str] = set()

    def __repr__(self) -> str:
        return f"NatsStore({str(self.servers)!r}, {self.bucket!r})"

    def layer(self, key: str, *, name: str | None = None, required: bool = True, secret: bool = False) -> StoreLayer:
        """Return the document under a key as a layer. Its name is the key, unless you give another one.

        Raises ValueError for a text that cannot be a key.
        """
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} cannot be a key: {_ALLOWED}")
        label = f"{self.bucket}/{key}"
        return StoreLayer(self, key, name=name or key, label=label, required=required, secret=secret)

    @property
    def state(self) -> LayerState:
        """The state of all its layers: "read" while the store answers, else "offline" or "copy"."""
        return self._session.state

    @property
    def position(self) -> int:
        """The position of the bucket's stream at which all keys are known."""
        return self._replica.state.position

    @property
    def client(self) -> Client | None:
        """The connection, while there is one."""
        return self._session.client

    def value(self, key: str) -> StoreValue:
        """Return the newest value of a key. It does not block, and may be called from any thread."""
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
        """Copy to disk what goes live, and report it, until cancelled."""
        name = self.instance or own_name()
        instance = next(each for each in _numbered(name) if each not in self._instances)
        self._instances.add(instance)
        service = self.service or type(live.current).__qualname__
        reporter = Reporter(self, live, accepted, service, instance) if self.reporting else None
        try:
            await Companion(self, live, accepted, self.disk_copy, reporter).run()
        finally:
            self._instances.remove(instance)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None, None]:
        """Follow the bucket until this block and all other such blocks have ended.

        Raises LayerError if there is neither the store nor a copy to start with, and RuntimeError on trio.
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
            why = "NatsStore needs asyncio, because nats-py does: run on asyncio or uvloop, or use files on trio"
            raise RuntimeError(why) from None
        if self._users and loop is not self._loop:
            raise RuntimeError("NatsStore is open on another event loop: make one for each")
        self._loop = loop
        self._users += 1
        if self._users == 1:
            # A new session each time: the last one may still be closing its connection.
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
            scope.cancel()  # not the task: before Python 3.12 asyncio.wait_for may swallow its cancellation
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task])

    async def _begin(self) -> None:
        with anyio.move_on_after(self._start_timeout):
            await self._session.ready.wait()
        if self._session.ready.is_set():
            return
        copied = self.disk_copy.load() if self.disk_copy is not None else None
        if copied is None:
            why = self._session.fault or f"no answer within {self._start_timeout:g} s"
            hint = f"there is no copy in {self.disk_copy.path} yet" if self.disk_copy is not None else ""
            raise LayerError(Unreachable(f"{self.servers} {self.bucket}", why, hint).problems)
        self._session.start_from_copy(copied)


def _numbered(name: str) -> Iterator[str]:
    """Yield names for several live objects in one process."""
    yield name
    yield from (f"{name}/{number}" for number in count(2))
