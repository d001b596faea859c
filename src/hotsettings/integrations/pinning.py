"""One snapshot for the whole of a request: what the middleware for ASGI and the one for WSGI have in common.

Both keep it in the mapping that comes with each request: the scope of ASGI, the environ of WSGI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from .. import Snapshot
from . import AnyLive

_KEY = "hotsettings.pinned"


class _Pin(Struct, frozen=True):
    live: Any
    snapshot: Snapshot[Any]


def with_pin(request: Mapping[str, Any], live: AnyLive | Callable[[], AnyLive]) -> dict[str, Any]:
    """Return a copy of a request to which the newest snapshot is pinned. A live object that is pinned already stays as it is."""
    found = live() if callable(live) else live
    pins: tuple[_Pin, ...] = request.get(_KEY, ())
    pin = next((pin for pin in pins if pin.live is found), None) or _Pin(found, found.snapshot)
    return {**request, _KEY: (pin, *(other for other in pins if other is not pin))}


def pinned_snapshot(request: Mapping[str, Any], cls: type[Any], name: str) -> Snapshot[Any]:
    """Return the snapshot of a class that is pinned to a request. Raises LookupError, which calls the request ``name``."""
    pins: tuple[_Pin, ...] = request.get(_KEY, ())
    for pin in pins:
        if isinstance(pin.snapshot.settings, cls):
            return pin.snapshot
    if not pins:
        raise LookupError(f"no settings are pinned to this {name}: wrap the application in PinnedSettings(app, live)")
    there = ", ".join(type(pin.snapshot.settings).__qualname__ for pin in pins)
    raise LookupError(f"no settings of class {cls.__qualname__} are pinned to this {name}, only {there}")
