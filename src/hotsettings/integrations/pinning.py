"""One snapshot for the whole of a request: what the middleware of ASGI, WSGI and Django have in common.

They keep it in the mapping that comes with each request, under one key: in the scope of ASGI, or the environ of WSGI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from .. import Snapshot
from . import AnyLive

KEY = "hotsettings.pinned"


class Pin(Struct, frozen=True):
    """A live object, and its snapshot when the request began."""

    live: AnyLive
    snapshot: Snapshot[Any]


def with_newest(request: Mapping[str, Any], live: AnyLive | Callable[[], AnyLive]) -> tuple[Pin, ...]:
    """Return the pins of a request and, before them, that of the newest snapshot. What is pinned already stays as it is."""
    found = live() if callable(live) else live
    pins: tuple[Pin, ...] = request.get(KEY, ())
    pin = next((pin for pin in pins if pin.live is found), None) or Pin(found, found.snapshot)
    return (pin, *(other for other in pins if other is not pin))


def pinned_snapshot(request: Mapping[str, Any], cls: type[Any], *, name: str, remedy: str) -> Snapshot[Any]:
    """Return the snapshot of a class that is pinned to a request.

    Raises LookupError, which calls the request ``name``, and says what to do if nothing at all is pinned to it.
    """
    pins: tuple[Pin, ...] = request.get(KEY, ())
    for pin in pins:
        if isinstance(pin.snapshot.settings, cls):
            return pin.snapshot
    if not pins:
        raise LookupError(f"no settings are pinned to this {name}: {remedy}")
    there = ", ".join(type(pin.snapshot.settings).__qualname__ for pin in pins)
    raise LookupError(f"no settings of class {cls.__qualname__} are pinned to this {name}, only {there}")
