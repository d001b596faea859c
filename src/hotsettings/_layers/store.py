"""A layer in a store, and what a store has to provide. How it learns of changes is up to the store."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from .layer import RevisionLayer
from .status import LayerState

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._live.live import Live
    from .._loading.load import Loaded


class StoreValue(Struct, frozen=True):
    """The document under a key of a store.

    Args:
        revision: Greater than those of all earlier values of the key. None if the key never had a value.
        data: The bytes of the document. None if there is none.
    """

    revision: int | None = None
    data: bytes | None = None


class Store(Protocol):
    """Holds documents by key.

    While it is open, it has the newest values of all keys at hand, as they were at one moment.
    """

    @property
    def state(self) -> LayerState:
        """``read`` while the store is up to date. Otherwise the reason why its values may be old."""
        ...

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Keep the values up to date until the block ends. Raises LayerError if there is nothing to start with."""
        ...

    def value(self, key: str) -> StoreValue:
        """The newest value of a key. Can be called from any thread, and does not wait."""
        ...

    def subscribed(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Call ``wake`` on the event loop whenever a value has changed, until the block ends."""
        ...

    def forked(self) -> None:
        """In a forked process: forget who uses it and the connection, which are the parent's."""
        ...

    async def accompany(self, live: Live[Any], accepted: Callable[[], Loaded]) -> None:
        """Do what there is to do for a live object that has layers of this store, until cancelled.

        ``accepted`` returns what the layers said when they were accepted last.
        """
        ...


class StoreLayer(RevisionLayer, frozen=True):
    """A layer in a store, under a key."""

    store: Store
    key: str
