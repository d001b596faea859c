"""A layer in a store, followed. What the store is and how it hears of changes is its own matter: this is its face."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from .._live.status import LayerState
from .._watching.sources.source import Followed, TellAbout
from ..errors import LayerError, Problem
from .layer import LARGEST, Layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._live.live import Live


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

    async def accompany(self, live: Live[Any]) -> None:
        """Do what there is to do for a live object that has layers of this store, until cancelled."""
        ...


class StoreLayer(Layer, frozen=True):
    """A layer that a store holds under a key."""

    store: Store
    key: str


class FollowedKey(Followed[StoreLayer, Held]):
    """One key of a store."""

    gone = "it was deleted"
    empty = "the document is empty"
    way_out = "publish it again; a comment is enough to empty it"

    def look(self) -> None:
        """Take a new sight, with all that is there: nothing has to be read."""
        self.sight = self.layer.store.held(self.layer.key)

    @property
    def unmoved(self) -> bool:
        """Whether it is as it was read."""
        return self.layer.store.held(self.layer.key) == self.seen

    def wait(self, told: TellAbout, now: float, confirm: float, *, hasty: bool = False) -> float:
        """Return 0: what a store holds was written whole."""
        return 0.0

    def unsure(self, now: float) -> bool:
        """Return False: a store tells of every change."""
        return False

    def _state(self) -> LayerState:
        if self.layer.store.state != "read":
            return self.layer.store.state
        return "missing" if self.seen is None or self.seen.data is None else "read"

    def _fetch(self) -> tuple[object, bytes | None]:
        data = self.sight.data
        self.identity = replace(self.layer, revision=self.sight.revision)
        if data is None and self.layer.required and not self._filled:
            copied = self.layer.store.state == "copy"
            why = "it is not in the copy on disk, which leaves out what is secret" if copied else "there is no such key"
            raise LayerError([Problem("", why, self.identity.origin(), "" if copied else "publish it")])
        if data is not None and len(data) > LARGEST:
            raise LayerError([Problem("", f"larger than {LARGEST} bytes (1 MiB)", self.identity.origin())])
        return self.sight, data
