"""One snapshot for the whole of a request: a reload in its middle does not show.

Middleware for any ASGI application. It adds one key to the scope and looks at nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar, overload

from msgspec import Struct

from .. import Live, Snapshot

S = TypeVar("S")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_KEY = "hotsettings.pinned"


class _Pin(Struct, frozen=True):
    live: Live[Any]
    snapshot: Snapshot[Any]


class PinnedSettings:
    """ASGI middleware that pins the newest snapshot to each request, and to each websocket for as long as it is open.

    ``settings_of(scope)`` gives the settings of that snapshot. What outlives reloads (a websocket that stays open for
    hours) reads ``live.current`` where it wants to know the newest. ``live`` may also be a function that returns it, for
    an application that opens it in its lifespan. Let Starlette and FastAPI put it around themselves, so that ``app``
    stays what it is, ``app.state`` included: ``app.add_middleware(PinnedSettings, live=lambda: app.state.live)``.

    Where several are nested, the same live object stays pinned as the outermost has seen it.
    """

    def __init__(self, app: ASGIApp, live: Live[Any] | Callable[[], Live[Any]]) -> None:
        self._app = app
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on with the newest snapshot pinned to it."""
        if scope["type"] in ("http", "websocket"):
            scope = self._pinned(scope)
        await self._app(scope, receive, send)

    def _pinned(self, scope: Scope) -> Scope:
        live = self._live if isinstance(self._live, Live) else self._live()
        pins: tuple[_Pin, ...] = scope.get(_KEY, ())
        pin = next((pin for pin in pins if pin.live is live), None) or _Pin(live, live.snapshot)
        return {**scope, _KEY: (pin, *(other for other in pins if other is not pin))}


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
    pins: tuple[_Pin, ...] = scope.get(_KEY, ())
    for pin in pins:
        if isinstance(pin.snapshot.settings, cls):
            return pin.snapshot
    if not pins:
        raise LookupError(
            f"no settings are pinned to this {scope['type']} scope: wrap the application in PinnedSettings(app, live)"
        )
    there = ", ".join(type(pin.snapshot.settings).__qualname__ for pin in pins)
    raise LookupError(f"no settings of class {cls.__qualname__} are pinned to this {scope['type']} scope, only {there}")
