"""Reads a bucket: the revisions of its keys, as the leader of its stream knows them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import anyio
from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import Header, RawStreamMsg
from nats.js.errors import NotFoundError

from ..errors import Origin, Problem, SettingsError
from .connection import Servers, connected, unreachable

ANSWER = 5.0
"""Seconds that the store may take to answer a request."""

T = TypeVar("T")

KEY = re.compile(r"[-/_=a-zA-Z0-9]+(\.[-/_=a-zA-Z0-9]+)*")
BUCKET = re.compile(r"[-_a-zA-Z0-9]+")
_OPERATION, _MARKER = "KV-Operation", "Nats-Marker-Reason"


class Revision(Struct, frozen=True):
    """A write to a key. ``data`` is None if the key was deleted. ``at`` is the time of the store, in UTC.

    ``operation`` is "PUT", "DEL" or "PURGE". ``message_id`` identifies the publish that has written it.
    """

    number: int
    at: datetime | None
    operation: str
    data: bytes | None
    message_id: str = ""

    def __repr__(self) -> str:
        return f"Revision({self.number}, {self.operation})"  # the data could be confidential


class PublishingError(SettingsError):
    """Root of the errors about a bucket, its keys and writes to them."""

    title = "Not possible"

    def __init__(self, problem: Problem) -> None:
        self.problems = (problem,)
        super().__init__(problem)


class NoBucket(PublishingError):
    """Raised when there is no such bucket."""


class NoRevision(PublishingError):
    """Raised when the bucket keeps no such revision of a key."""


class Refused(PublishingError):
    """Raised when the store does not accept a name or a write. Nothing was written."""

    title = "Not published"


class Bucket:
    """One bucket, over one connection. It asks the leader of the stream, because other servers may lag behind.

    All methods raise LayerError if the store does not answer.
    """

    def __init__(self, servers: Servers, client: Client, lost: anyio.Event, name: str) -> None:
        self.servers = servers
        self._lost = lost
        self.js = client.jetstream(timeout=ANSWER)
        self.name = name
        self.stream = f"KV_{name}"

    def origin(self, key: str, revision: int | None = None) -> Origin:
        """How errors name a key."""
        return Origin("store", f"{self.name}/{key}", revision=revision)

    async def newest(self, key: str) -> Revision | None:
        """Return the newest revision of a key; None if there never was one. A deleted key has one without data."""
        return await self._get(key)

    async def revision(self, key: str, number: int) -> Revision:
        """Return a revision of a key. Raises NoRevision if it never existed, or is no longer kept."""
        found = await self._get(key, number)
        if found is None or found.number != number:
            hint = "hotsettings history lists the revisions that there are"
            what = f"there is no revision {number}, or it is no longer kept"
            raise NoRevision(Problem("", what, self.origin(key), hint, "missing-revision"))
        return found

    async def with_data(self, key: str, number: int) -> Revision:
        """Return a revision that has data. Raises NoRevision for any other."""
        found = await self.revision(key, number)
        if found.data is None:
            origin, hint = self.origin(key, number), "take an earlier one"
            raise NoRevision(Problem("", "this revision deleted the key", origin, hint, "missing-revision"))
        return found

    async def history(self, key: str) -> list[Revision]:
        """Return all revisions of a key that the bucket keeps, the newest first."""
        found: list[Revision] = []
        while (revision := await self.after(key, found[-1].number if found else 0)) is not None:
            found.append(revision)
        return found[::-1]

    async def after(self, key: str, revision: int) -> Revision | None:
        """Return the first revision after another one, of those that the bucket keeps."""
        return await self._get(key, revision + 1)

    async def _get(self, key: str, start: int | None = None) -> Revision | None:
        """Return the newest revision, or the first one from ``start`` on."""
        refuse_key(self.name, key)
        subject = f"$KV.{self.name}.{key}"
        try:
            message = await self.answer(self.js.get_msg(self.stream, start, subject, next=start is not None))
        except NotFoundError:
            return None
        except (NatsError, OSError, TimeoutError) as error:
            raise unreachable(self.servers, error) from None
        return _revision(message)

    async def answer(self, request: Coroutine[Any, Any, T]) -> T:
        """Wait for an answer. Raises ConnectionError once the connection is lost; nats-py would keep waiting."""
        asked, lost = asyncio.ensure_future(request), asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait((asked, lost), return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                raise ConnectionError("the connection was lost")
            return asked.result()
        finally:
            asked.cancel()
            lost.cancel()
            await asyncio.wait((asked, lost))


@asynccontextmanager
async def reached(servers: Servers, name: str) -> AsyncGenerator[Bucket, None]:
    """Connect, and look up the bucket. Raises NoBucket, and LayerError if the store does not answer."""
    refuse_bucket(name)
    async with connected(servers) as (client, lost):
        bucket = Bucket(servers, client, lost, name)
        try:
            await bucket.answer(bucket.js.stream_info(bucket.stream))
        except NotFoundError:
            hint = "name another with --bucket, or make it: hotsettings publish --create-bucket"
            origin = Origin("store", f"{servers} {name}")
            raise NoBucket(Problem("", "there is no such bucket", origin, hint, "missing-bucket")) from None
        except (NatsError, OSError, TimeoutError) as error:
            raise unreachable(servers, error) from None
        yield bucket


def refuse_key(bucket: str, key: str) -> None:
    """Raise Refused for a text that cannot be a key."""
    if not KEY.fullmatch(key):
        hint = "use letters, digits and - / _ = ., as in config.toml; --key names it"
        raise Refused(Problem("", f"{key!r} cannot be a key", Origin("store", bucket), hint, "publish-refused"))


def refuse_bucket(name: str) -> None:
    """Raise Refused for a text that cannot be the name of a bucket."""
    if not BUCKET.fullmatch(name):
        hint = "use letters, digits, - and _"
        raise Refused(Problem("", f"{name!r} cannot be a bucket", Origin("store"), hint, "publish-refused"))


def _revision(message: RawStreamMsg) -> Revision:
    headers = message.headers or {}
    marker = {"Remove": "DEL"}.get(headers[_MARKER], "PURGE") if _MARKER in headers else "PUT"
    operation = headers.get(_OPERATION, marker)
    data = (message.data or b"") if operation == "PUT" else None
    return Revision(message.seq or 0, message.time, operation, data, headers.get(Header.MSG_ID, ""))
