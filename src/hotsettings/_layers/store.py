"""A layer in a store. What the store is and how it hears of changes is its own matter: this is its face."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from .layer import Layer
from .status import LayerState

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._live.live import Live
    from .._loading.load import Loaded


class Held(Struct, frozen=True):
    """What a store holds under one key; no ``data`` where there is nothing. A later ``revision`` is greater."""

    revision: int | None = None
    data: bytes | None = None


class Store(Protocol):
    """Holds documents by key, and has the newest of all of them at hand, as they stood together at one moment."""

    @property
    def state(self) -> LayerState:
        """``read`` while it follows, else why what it has at hand may be old."""
        ...

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Follow from now on until the block ends. Raises LayerError if there is nothing to begin with."""
        ...

    def held(self, key: str) -> Held:
        """What is under a key. Called from any thread, it waits for nothing."""
        ...

    def told(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Call ``wake`` on the event loop whenever something has changed, until the block ends."""
        ...

    async def accompany(self, live: Live[Any], accepted: Callable[[], Loaded]) -> None:
        """Do what there is to do for a live object that has layers of this store, until cancelled.

        ``accepted`` returns what the layers said when they were accepted last.
        """
        ...


class StoreLayer(Layer, frozen=True):
    """A layer that a store holds under a key."""

    store: Store
    key: str
