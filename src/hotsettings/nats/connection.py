"""One connection to NATS: opened, held until it is lost, and closed without leaving a task. Callers reconnect themselves."""

from __future__ import annotations

import asyncio
import inspect
import random
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

import anyio
from anyio.lowlevel import checkpoint
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoServersError
from nats.js.errors import APIError

from .._schema.masking import MASK
from ..errors import LayerError, Origin, Problem

CONNECT_TIMEOUT = 2.0
"""Seconds that a server may take to accept a connection, unless the option of this name says otherwise."""
PING_INTERVAL = 5
"""Seconds between pings. A server that leaves two unanswered counts as lost."""
_CLOSE_TIMEOUT = 0.5
"""Seconds that closing a connection may take."""

_RESERVED = {
    *("servers", "allow_reconnect", "max_reconnect_attempts", "error_cb", "disconnected_cb", "closed_cb"),
    *("reconnected_cb", "reconnect_time_wait", "dont_randomize", "reconnect_to_server_handler"),
}
_OPTIONS = inspect.signature(Client.connect).parameters.keys() - {"self"}
_CREDENTIALS = ("user", "password", "token", "nkeys_seed_str")
"""Options that identify the client or prove its identity."""
_SHORT = 4
"""A credential of at least so many characters is masked even inside a word."""


class Servers(Struct, frozen=True):
    """The URLs of one cluster, and the options of nats-py for it: TLS, credentials, names."""

    urls: tuple[str, ...]
    options: dict[str, Any]

    def __str__(self) -> str:
        return ",".join(map(_shown, self.urls))

    def __repr__(self) -> str:
        return f"Servers({str(self)!r})"  # options may have passwords too

    def redact(self, text: str) -> str:
        """Redact URLs, users, passwords and tokens in a text."""
        for url in self.urls:
            for written in _spellings(url):
                text = text.replace(written, _shown(url))
        for credential in sorted(self._credentials(), key=len, reverse=True):
            if len(credential) < _SHORT:
                text = re.sub(rf"(?<!\w){re.escape(credential)}(?!\w)", MASK, text)
            else:
                text = text.replace(credential, MASK)
        return text

    def _credentials(self) -> set[str]:
        given = [self.options[name] for name in _CREDENTIALS if isinstance(self.options.get(name), str)]
        for url in self.urls:
            login = urlsplit(url).netloc.rpartition("@")[0]
            given += [login, *login.split(":", 1)]
        return {
            written for one in given for part in (one, unquote(one)) for written in _spellings(part) if part.strip()
        }


def servers(url: str | Sequence[str], options: dict[str, Any]) -> Servers:
    """Make Servers of URLs, in a list or separated by commas. Raises ValueError for a wrong URL, TypeError for an option."""
    if reserved := _RESERVED & options.keys():
        raise TypeError(f"{', '.join(sorted(reserved))}: the store connects again by itself; leave it out")
    if unknown := options.keys() - _OPTIONS:
        raise TypeError(f"{', '.join(sorted(unknown))}: neither the store nor nats-py knows such an option")
    parts = url.split(",") if isinstance(url, str) else list(url)
    urls = tuple(part.strip() for part in parts if part.strip())
    if not urls:
        raise ValueError("no URL of a NATS server is given")
    for one in urls:
        if not _is_url(one):
            # A password with a comma has been split, and no part of it may be shown.
            shown = "one of them" if any("@" in part for part in parts) else repr(one)
            raise ValueError(f"{shown} is no URL of a NATS server; write nats://host:4222")
    return Servers(urls, options)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"nats", "tls", "ws", "wss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    # An unescaped / ? or # in a password ends the address too early: a part of it would pass for a host or port.
    return known and "@" not in parts.path + parts.query + parts.fragment


def _shown(url: str) -> str:
    """Return the scheme, host and port of a URL: all that is ever shown of it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _spellings(text: str) -> set[str]:
    """Return the forms of a text in messages: as it is, without the characters that URLs drop, and as a repr."""
    return {text, text.translate({9: None, 10: None, 13: None}), repr(text)[1:-1]}


class Unreachable(LayerError):
    """Raised when servers cannot be reached, or do not answer as they should.

    Args:
        where: The servers, perhaps with the bucket.
        reason: Why, in one line without credentials.
        hint: What to do about it.
    """

    def __init__(self, where: object, reason: str, hint: str = "") -> None:
        where = str(where)
        origin = Origin("store", where)
        super().__init__([Problem("", f"cannot be reached: {reason}", origin, hint, "store-unreachable")])
        self.args = (where, reason, hint)
        self.reason = reason


class TrackingClient(Client):
    """A client that remembers its subscriptions, since nats-py does not end all of their tasks.

    On Python 3.11 the task of a subscription may swallow its one cancellation, and would wait for messages forever. The tasks
    of an ordered consumer end by themselves only after up to ten seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: WeakSet[Any] = WeakSet()

    async def subscribe(self, *args: Any, **options: Any) -> Subscription:
        """Subscribe as nats-py does, and remember the subscription."""
        subscription = await super().subscribe(*args, **options)
        self._made.add(subscription)
        return subscription

    def end_consumer_tasks(self) -> None:
        """Cancel the tasks of all ordered consumers."""
        for subscription in list(self._made):
            consumer = getattr(subscription, "_jsi", None)
            _cancel(getattr(consumer, "_hbtask", None), getattr(consumer, "_fctask", None))

    def end_tasks(self) -> None:
        """Cancel the tasks of all subscriptions."""
        self.end_consumer_tasks()
        for subscription in list(self._made):
            _cancel(subscription._wait_for_msgs_task)


def _cancel(*tasks: asyncio.Task[Any] | None) -> None:
    for task in tasks:
        if task is not None:
            task.cancel()


@asynccontextmanager
async def connected(servers: Servers) -> AsyncGenerator[tuple[TrackingClient, anyio.Event], None]:
    """Connect. Yields the client, and an event that is set when the connection is lost. The client never reconnects.

    Raises Unreachable if no server accepts the connection.
    """
    client, lost = await _first_that_answers(servers)
    try:
        yield client, lost
    finally:
        await _close(client)


async def _first_that_answers(servers: Servers) -> tuple[TrackingClient, anyio.Event]:
    """Try one server after the other, each for its own time: one that accepts and says nothing must not use up all of it."""
    *others, last = random.sample(servers.urls, len(servers.urls))
    for url in others:
        try:
            return await _connect(servers, url)
        except Unreachable:
            pass
    return await _connect(servers, last)


async def _connect(servers: Servers, url: str) -> tuple[TrackingClient, anyio.Event]:
    client, lost = TrackingClient(), anyio.Event()
    errors: list[Exception] = []
    options: dict[str, Any] = {"ping_interval": PING_INTERVAL, "connect_timeout": CONNECT_TIMEOUT, **servers.options}

    async def note(error: Exception) -> None:
        errors[:] = [error]

    async def closed() -> None:
        lost.set()

    try:
        with anyio.fail_after(options["connect_timeout"]):
            await client.connect(
                [url],
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                error_cb=note,
                closed_cb=closed,
                **options,
            )
    except BaseException as error:
        await _close(client)
        if not isinstance(error, NatsError | OSError | TimeoutError):
            raise
        # The error before says more than "no servers available" does.
        reason = errors[-1] if errors and isinstance(error, NoServersError | TimeoutError) else error
        raise unreachable(servers, reason) from None
    return client, lost


async def _close(client: TrackingClient) -> None:
    with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True):
        await client.close()
        await checkpoint()  # lets the tasks that it has cancelled end now
        client.end_tasks()
        await checkpoint()


def unreachable(servers: Servers, error: Exception) -> Unreachable:
    """Return the error that we raise for an exception of nats-py or of the network."""
    return Unreachable(servers, described(error, servers))


def described(error: BaseException, servers: Servers) -> str:
    """Return the message of an exception of nats-py, in one line and without credentials."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    text = error.description or "" if isinstance(error, APIError) else str(error)
    text = re.sub("^'(.*)'$", r"\1", " ".join(servers.redact(text).split()).removeprefix("nats: "))
    return text or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
