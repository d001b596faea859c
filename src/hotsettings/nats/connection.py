"""A connection to NATS: made, held while it lasts, and left without a trace. How to make another is the caller's matter."""

from __future__ import annotations

import asyncio
import inspect
import random
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio
from anyio.lowlevel import checkpoint
from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoServersError
from nats.js.errors import APIError

from .._schema.masking import MASK
from ..errors import LayerError, Origin, Problem

CONNECT_TIMEOUT = 2.0
"""Seconds within which a server has to take a connection, before the next one is tried. The option of this name counts more."""
PING_INTERVAL = 5
"""Seconds between pings; a server that has left two unanswered counts as gone."""
_CLOSE_TIMEOUT = 0.5

_RESERVED = {
    *("servers", "allow_reconnect", "max_reconnect_attempts", "error_cb", "disconnected_cb", "closed_cb"),
    *("reconnected_cb", "reconnect_time_wait", "dont_randomize", "reconnect_to_server_handler"),
}
_OPTIONS = inspect.signature(Client.connect).parameters.keys() - {"self"}
_PROVING = ("user", "password", "token", "nkeys_seed_str")
"""Options that identify the client or prove its identity."""
_SHORT = 4
"""A credential of so many characters or more is masked even inside of a word."""


class Servers(Struct, frozen=True):
    """Where the servers of one cluster are, and the options of nats-py that they want: TLS, credentials, names."""

    urls: tuple[str, ...]
    options: dict[str, Any]

    def __str__(self) -> str:
        return ",".join(map(_shown, self.urls))

    def __repr__(self) -> str:
        return f"Servers({str(self)!r})"  # options may have passwords too

    def redact(self, text: str) -> str:
        """Redact in a text what was given to connect: whole URLs, users, passwords and tokens."""
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
        given = [self.options[name] for name in _PROVING if isinstance(self.options.get(name), str)]
        for url in self.urls:
            login = urlsplit(url).netloc.rpartition("@")[0]
            given += [login, *login.split(":", 1)]
        return {
            written for one in given for part in (one, unquote(one)) for written in _spellings(part) if part.strip()
        }


def servers(url: str | Sequence[str], options: dict[str, Any]) -> Servers:
    """Make Servers of URLs, in a list or separated by commas. Raises ValueError or TypeError for what cannot be meant."""
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
            # A comma in a password has made parts of it, and then no part can be shown.
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


@asynccontextmanager
async def connected(where: Servers) -> AsyncGenerator[tuple[Client, anyio.Event], None]:
    """Hold a connection, and the event of its loss: it never connects again by itself. Raises LayerError if there is none."""
    client, lost = await _first_that_answers(where)
    try:
        yield client, lost
    finally:
        await _close(client)


async def _first_that_answers(where: Servers) -> tuple[Client, anyio.Event]:
    """Try one server after the other: one that takes connections and says nothing may not keep us from the rest."""
    *others, last = random.sample(where.urls, len(where.urls))
    for url in others:
        try:
            return await _connect(where, url)
        except LayerError:
            pass
    return await _connect(where, last)


async def _connect(where: Servers, url: str) -> tuple[Client, anyio.Event]:
    client, lost = Client(), anyio.Event()
    said: list[Exception] = []
    options: dict[str, Any] = {"ping_interval": PING_INTERVAL, "connect_timeout": CONNECT_TIMEOUT, **where.options}

    async def note(error: Exception) -> None:
        said.append(error)
        del said[:-1]

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
        # That no server is left says nothing; what it has failed at does.
        reason = said[-1] if said and isinstance(error, NoServersError | TimeoutError) else error
        raise unreachable(where, reason) from None
    return client, lost


async def _close(client: Client) -> None:
    with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True):
        await client.close()
        await checkpoint()  # what it has cancelled ends now, and not whenever somebody looks for tasks that were lost
        for task in asyncio.all_tasks():
            # On Python 3.11 such a task may swallow the one cancellation that it gets, and would wait for messages forever.
            coroutine: Any = task.get_coro()
            waits = getattr(coroutine, "__qualname__", "") == "Subscription._wait_for_msgs" and coroutine.cr_frame
            if waits and waits.f_locals["self"]._conn is client:
                task.cancel()
        await checkpoint()


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


def unreachable(where: Servers, error: Exception) -> Unreachable:
    """Return what stands for an exception of nats-py, or of the network."""
    return Unreachable(where, described(error, where))


def described(error: BaseException, where: Servers) -> str:
    """What an exception of nats-py says, in one line and without credentials."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    said = error.description or "" if isinstance(error, APIError) else str(error)
    text = re.sub("^'(.*)'$", r"\1", " ".join(where.redact(said).split()).removeprefix("nats: "))
    return text or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
