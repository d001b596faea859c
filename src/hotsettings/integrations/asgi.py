"""One snapshot for the whole of a request: a reload in its middle does not show.

Middleware for any ASGI application. It adds one key to the scope and looks at nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar, overload

from .. import Snapshot
from . import AnyLive
from .pinning import KEY, pinned_snapshot, with_newest

S = TypeVar("S")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class PinnedSettings:
    """ASGI middleware that pins the newest snapshot to each request, and to each websocket for as long as it is open.

    ``settings_of(scope)`` gives the settings of that snapshot. What outlives reloads (a websocket that stays open for
    hours) reads ``live.current`` where it wants to know the newest. ``live`` may also be a function that returns it, for
    an application that opens it in its lifespan. Let Starlette and FastAPI put it around themselves, so that ``app``
    stays what it is, ``app.state`` included: ``app.add_middleware(PinnedSettings, live=lambda: app.state.live)``.

    Where several are nested, the same live object stays pinned as the outermost has seen it.
    """

    def __init__(self, app: ASGIApp, live: AnyLive | Callable[[], AnyLive]) -> None:
        self._app = app
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on with the newest snapshot pinned to it."""
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, KEY: with_newest(scope, self._live)}
        await self._app(scope, receive, send)


@overload
def settings_of(scope: Scope) -> Any: ...


@overload
def settings_of(scope: Scope, cls: type[S]) -> S: ...


def settings_of(scope: Scope, cls: type[Any] = object) -> Any:
    """Return the settings that are pinned to a request: ``settings_of(request.scope, Settings)``.

    Naming the class types the result, and chooses where there are several. Raises LookupError if there are none.
    """
    return snapshot_of(scope, cls).settings


@overload
def snapshot_of(scope: Scope) -> Snapshot[Any]: ...


@overload
def snapshot_of(scope: Scope, cls: type[S]) -> Snapshot[S]: ...


def snapshot_of(scope: Scope, cls: type[Any] = object) -> Snapshot[Any]:
    """Return the snapshot that is pinned to a request, which knows its generation too. Raises LookupError."""
    remedy = "wrap the application in PinnedSettings(app, live)"
    return pinned_snapshot(scope, cls, name=f"{scope['type']} scope", remedy=remedy)
