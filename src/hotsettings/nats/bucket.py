"""One bucket, read: the revisions of its keys, by the account of the server that leads it."""

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
"""Seconds that each question waits for its answer."""

T = TypeVar("T")

KEY = re.compile(r"[-/_=a-zA-Z0-9]+(\.[-/_=a-zA-Z0-9]+)*")
BUCKET = re.compile(r"[-_a-zA-Z0-9]+")
_OPERATION, _MARKER = "KV-Operation", "Nats-Marker-Reason"


class Revision(Struct, frozen=True):
    """What was written under a key; no ``data`` where it was deleted. ``at`` is the store's time, in UTC.

    ``operation`` is "PUT", "DEL" or "PURGE".
    """

    number: int
    at: datetime | None
    operation: str
    data: bytes | None
    sign: str = ""

    def __repr__(self) -> str:
        return f"Revision({self.number}, {self.operation})"  # what was written is nobody's business


class PublishingError(SettingsError):
    """Root of what is raised about a bucket, its keys and what is written there."""

    title = "Not possible"

    def __init__(self, problem: Problem) -> None:
        self.problems = (problem,)
        super().__init__(problem)


class NoBucket(PublishingError):
    """Raised when there is no such bucket."""


class NoRevision(PublishingError):
    """Raised when a key has no such revision, or none any more."""


class Refused(PublishingError):
    """Raised when the store does not take a name, or what was to be written. Nothing has been."""

    title = "Not published"


class Bucket:
    """One bucket, over one connection. Its leader is asked, since any other server may lag behind.

    All methods raise LayerError where the store does not answer.
    """

    def __init__(self, where: Servers, client: Client, lost: anyio.Event, name: str) -> None:
        self.where = where
        self._lost = lost
        self.js = client.jetstream(timeout=ANSWER)
        self.name = name
        self.stream = f"KV_{name}"

    def origin(self, key: str, revision: int | None = None) -> Origin:
        """A key as errors call it."""
        return Origin("store", f"{self.name}/{key}", revision=revision)

    async def newest(self, key: str) -> Revision | None:
        """The newest revision of a key; None if it never had one. A deleted key has one without data."""
        return await self._get(key)

    async def revision(self, key: str, number: int) -> Revision:
        """A revision of a key. Raises NoRevision for one that never was, or is no longer kept."""
        found = await self._get(key, number)
        if found is None or found.number != number:
            hint = f"hotsettings history shows what the bucket {self.name} keeps"
            what = f"there is no revision {number} (any more)"
            raise NoRevision(Problem("", what, self.origin(key), hint, "missing-revision"))
        return found

    async def with_data(self, key: str, number: int) -> Revision:
        """A revision of a key that has data. Raises NoRevision for any other."""
        found = await self.revision(key, number)
        if found.data is None:
            origin = self.origin(key, number)
            raise NoRevision(Problem("", "the key was deleted there", origin, "take one before it", "missing-revision"))
        return found

    async def history(self, key: str) -> list[Revision]:
        """All revisions of a key that the bucket keeps, the newest first."""
        found: list[Revision] = []
        while (following := await self._get(key, found[-1].number + 1 if found else 1)) is not None:
            found.append(following)
        return found[::-1]

    async def following(self, key: str, revision: int) -> Revision | None:
        """What has come on top of a revision first, as far as the bucket keeps it."""
        return await self._get(key, revision + 1)

    async def _get(self, key: str, start: int | None = None) -> Revision | None:
        """The newest revision, or the first one that is not before ``start``."""
        refuse_key(self.name, key)
        subject = f"$KV.{self.name}.{key}"
        try:
            message = await self.answer(self.js.get_msg(self.stream, start, subject, next=start is not None))
        except NotFoundError:
            return None
        except (NatsError, OSError, TimeoutError) as error:
            raise unreachable(self.where, error) from None
        return _revision(message)

    async def answer(self, question: Coroutine[Any, Any, T]) -> T:
        """Wait for an answer. Raises ConnectionError as soon as the connection is lost: nats-py would wait on."""
        asked, lost = asyncio.ensure_future(question), asyncio.ensure_future(self._lost.wait())
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
async def reached(where: Servers, name: str) -> AsyncGenerator[Bucket, None]:
    """Connect, and find the bucket. Raises NoBucket, and LayerError if the store does not answer."""
    refuse_bucket(name)
    async with connected(where) as (client, lost):
        bucket = Bucket(where, client, lost, name)
        try:
            await bucket.answer(bucket.js.stream_info(bucket.stream))
        except NotFoundError:
            hint = "name another with --bucket, or make it: hotsettings publish --create-bucket"
            origin = Origin("store", f"{where} {name}")
            raise NoBucket(Problem("", "there is no such bucket", origin, hint, "missing-bucket")) from None
        except (NatsError, OSError, TimeoutError) as error:
            raise unreachable(where, error) from None
        yield bucket


def refuse_key(bucket: str, key: str) -> None:
    """Raise Refused for what no key can be."""
    if not KEY.fullmatch(key):
        hint = "use letters, digits and - / _ = ., as in config.toml; --key names it"
        raise Refused(Problem("", f"{key!r} cannot be a key", Origin("store", bucket), hint, "publish-refused"))


def refuse_bucket(name: str) -> None:
    """Raise Refused for what no bucket can be called."""
    if not BUCKET.fullmatch(name):
        hint = "use letters, digits, - and _"
        raise Refused(Problem("", f"{name!r} cannot be a bucket", Origin("store"), hint, "publish-refused"))


def _revision(message: RawStreamMsg) -> Revision:
    headers = message.headers or {}
    marker = {"Remove": "DEL"}.get(headers[_MARKER], "PURGE") if _MARKER in headers else "PUT"
    operation = headers.get(_OPERATION, marker)
    data = (message.data or b"") if operation == "PUT" else None
    return Revision(message.seq or 0, message.time, operation, data, headers.get(Header.MSG_ID, ""))
