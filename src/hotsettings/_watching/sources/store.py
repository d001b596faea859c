"""A layer under a key of a store, while it is watched. It needs no debouncing: a store holds only complete values."""

from __future__ import annotations

from msgspec.structs import replace

from ..._layers.layer import LARGEST, TOO_LARGE, origin_of
from ..._layers.status import LayerState
from ..._layers.store import StoreLayer, StoreValue
from ...errors import LayerError, Problem
from .source import LastEventOf, Source


class StoreSource(Source[StoreLayer, StoreValue]):
    """One key of a store."""

    gone = "it was deleted"
    empty = "the document is empty"
    hint = "publish it again; a comment is enough to empty it"

    def take_fingerprint(self) -> None:
        """Take the value of the key now. It is its own fingerprint, so there is nothing else to read."""
        self.fingerprint = self.layer.store.value(self.layer.key)

    def unchanged(self) -> bool:
        """Check whether the key has the same value as when it was read."""
        return self.layer.store.value(self.layer.key) == self.fingerprint_when_read

    def wait(self, last_event_of: LastEventOf, now: float, event_delay: float, *, accept_open: bool = False) -> float:
        """Return 0: a store holds only complete values."""
        return 0.0

    def may_be_incomplete(self, now: float) -> bool:
        """Return False: in a store, every change has a revision of its own."""
        return False

    def _state(self) -> LayerState:
        if self.layer.store.state != "read":
            return self.layer.store.state
        return "missing" if self.fingerprint_when_read is None or self.fingerprint_when_read.data is None else "read"

    def _fetch(self) -> tuple[object, bytes | None]:
        data = self.fingerprint.data
        self.layer_as_read = replace(self.layer, revision=self.fingerprint.revision)
        origin = origin_of(self.layer_as_read)
        if data is None and self.layer.required and not self._had_content:
            if self.layer.store.state == "copy":
                why = "it is not in the copy on disk, which leaves out what is secret"
                raise LayerError([Problem("", why, origin, code="not-in-copy")])
            raise LayerError([Problem("", "there is no such key", origin, "publish it", "missing-key")])
        if data is not None and len(data) > LARGEST:
            raise LayerError([Problem("", TOO_LARGE, origin, "", "too-large")])
        return self.fingerprint, data
