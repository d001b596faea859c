"""The ASGI application: decides who may see the page, and tells browsers when it changes."""

from __future__ import annotations

import hashlib
import math
import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import parse_qs, quote

import anyio
from msgspec.structs import replace

from ... import Live
from ..._boundary import places_of, type_and_place
from ..._log import logger
from ..asgi import ASGIApp, Receive, Scope, Send
from .record import Record
from .render import content
from .responses import body, gone, path_below, start

Authorize = Callable[[Scope], Awaitable[bool] | bool]

HEARTBEAT = 10.0
"""Seconds after which a stream that has nothing to tell shows that it is there, and looks for what no event tells of."""

STREAM_LASTS = 20.0
"""Seconds after which the browser has to ask anew: permissions may be withdrawn, and a server that ends waits for streams."""

_WHY_AUTHORIZE = (
    "settings_page() needs authorize=, a function of the ASGI scope that returns True for who may see the settings. "
    "There is no default: behind a proxy or a forwarded port everybody seems to come from the loopback address"
)


def settings_page(live: Live[Any], *, authorize: Authorize | None = None) -> ASGIApp:
    """Return an ASGI application that shows these settings, to be mounted where you want it.

    ``authorize`` gets the ASGI scope of each request, sync or async, and returns True for who may see the page; what it
    raises is yours. Make the page in the event loop that ``live`` belongs to, once: it keeps the last changes until the
    watching ends, and answers 503 then.

    Raises TypeError without ``authorize``, and for the live object of a watch without an event loop.
    """
    if not callable(authorize):
        raise TypeError(_WHY_AUTHORIZE)
    if not isinstance(live, Live):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"settings_page() follows a Live, not a {type(live).__name__}: watch with `async with` in the ASGI application "
            "that serves the page; a program without an event loop runs one beside itself"
        )
    return _Application(_Page(live), authorize)


def _asset(name: str) -> str:
    return files("hotsettings.integrations.page").joinpath(name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


class _Page:
    """The page of one live object, and its version: another one whenever there is something else to see."""

    def __init__(self, live: Live[Any]) -> None:
        self.record = Record(live)
        self._live = live
        self._template = Template(_asset("page.html"))
        self._style, self._script = _asset("page.css"), _asset("page.js")
        self._process = secrets.token_hex(4)  # a version of another process is never taken for one of this one
        self._number = 0
        self._told: object = None
        self._written: tuple[str, bytes] | None = None
        self.policy = "; ".join(
            (
                "default-src 'none'",
                f"style-src {_hash(self._style)}",
                f"script-src {_hash(self._script)}",
                "connect-src 'self'",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
                "trusted-types 'none'",
            )
        )

    def version(self) -> str:
        """What the page would show now, as a word without a meaning."""
        accepted, status = self._live.statistics().accepted, self._live.status
        told = (self.record.told, replace(status, last_attempt_at=status.loaded_at))
        if (accepted, told) != self._told:
            self._told = accepted, told
            self._number += 1
        return f"{self._process}-{self._number}"

    def html(self) -> bytes:
        """The document; whoever asks while nothing changes gets the same one."""
        version = self.version()
        if self._written is None or self._written[0] != version:
            parts = content(self._live, self.record)
            text = self._template.substitute(parts, version=version, style=self._style, script=self._script)
            self._written = version, text.encode()
        return self._written[1]


class _Application:
    """Answers requests."""

    def __init__(self, page: _Page, authorize: Authorize) -> None:
        self._page = page
        self._authorize = authorize
        self._headers = {
            "content-security-policy": page.policy,
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            raise ValueError(f"the settings page answers http, not {scope['type']}")
        if not await self._allowed(scope):
            await self._plain(scope, send, 403, "Forbidden")
        elif scope["method"] not in ("GET", "HEAD"):
            await self._plain(scope, send, 405, "Method not allowed", allow="GET, HEAD")
        elif (path := path_below(scope)) == "":
            name = quote(scope["path"].rpartition("/")[2], safe="")
            await self._plain(scope, send, 307, "It is one slash further", location=f"./{name}/")
        elif path not in ("/", "/events"):
            await self._plain(scope, send, 404, "Not found")
        elif self._page.record.closed:
            await self._plain(scope, send, 503, "These settings are not watched any more")
        elif path == "/":
            page = self._html()
            if page is None:
                await self._plain(scope, send, 500, "The page cannot be shown; the log says why")
            else:
                await self._whole(scope, send, 200, "text/html", page)
        else:
            await self._events(scope, receive, send)

    def _html(self) -> bytes | None:
        try:
            return self._page.html()
        except Exception as error:
            _log(error)
            return None

    async def _allowed(self, scope: Scope) -> bool:
        allowed = self._authorize(scope)
        if isinstance(allowed, Awaitable):
            allowed = await allowed
        return allowed is True  # a user object, say, proves nothing

    async def _plain(self, scope: Scope, send: Send, status: int, text: str, **headers: str) -> None:
        await self._whole(scope, send, status, "text/plain", f"{text}\n".encode(), **headers)

    async def _whole(self, scope: Scope, send: Send, status: int, kind: str, content: bytes, **headers: str) -> None:
        named = {"content-type": f"{kind}; charset=utf-8", "content-length": str(len(content))}
        await start(send, status, {**self._headers, **named, **headers})
        await body(send, b"" if scope["method"] == "HEAD" else content)

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = {"content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}
        await start(send, 200, {**self._headers, **named})
        if scope["method"] == "HEAD":
            await body(send, b"")
            return
        left = False
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._tell, _known_version(scope), send, tasks.cancel_scope)
                await gone(receive)
                left = True
                tasks.cancel_scope.cancel()
        except anyio.get_cancelled_exc_class():
            # Without a scope it is a server of asyncio that ends and waits no longer: it would log this as an error.
            if anyio.current_effective_deadline() == -math.inf:
                raise
        if not left:
            with suppress(OSError):
                await body(send, b"")

    async def _tell(self, known: str, send: Send, stream: anyio.CancelScope) -> None:
        """Tell the version when it is another one, until the watching ends, the time is over or the client has left."""
        page, ends = self._page, anyio.current_time() + STREAM_LASTS
        try:
            await body(send, b"retry: 500\n\n", more=True)
            while not page.record.closed and anyio.current_time() < ends:
                news = page.record.news
                try:
                    version = page.version()
                except Exception as error:
                    _log(error)
                    break
                if version != known:
                    known = version
                    await body(send, f"id: {known}\ndata: {known}\n\n".encode(), more=True)
                    continue
                with anyio.move_on_after(min(HEARTBEAT, ends - anyio.current_time())) as waiting:
                    await news.wait()
                if waiting.cancelled_caught:
                    await body(send, b":\n\n", more=True)
        except OSError:  # the client has left in the middle of it
            pass
        stream.cancel()


def _log(error: Exception) -> None:
    """Log where the page failed, but not the message of the exception, which may quote a value."""
    logger.error("the settings page failed: %s (%s)", type_and_place(error), ", ".join(places_of(error)))


def _known_version(scope: Scope) -> str:
    """The version that the browser has: of the page at first, of the last message when it comes back."""
    for name, value in scope["headers"]:
        if name.lower() == b"last-event-id":
            return str(value, "latin-1")
    since: list[str] = parse_qs(str(scope.get("query_string", b""), "latin-1")).get("since", [""])
    return since[-1]
