"""Following a layer that is a key in a store."""

from __future__ import annotations

from msgspec.structs import replace

from ..._layers.layer import LARGEST, TOO_LARGE
from ..._layers.status import LayerState
from ..._layers.store import Held, StoreLayer
from ...errors import LayerError, Problem
from .source import Followed, TellAbout


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
            origin = self.identity.origin()
            if self.layer.store.state == "copy":
                why = "it is not in the copy on disk, which leaves out what is secret"
                raise LayerError([Problem("", why, origin, code="not-in-copy")])
            raise LayerError([Problem("", "there is no such key", origin, "publish it", "missing-key")])
        if data is not None and len(data) > LARGEST:
            raise LayerError([Problem("", TOO_LARGE, self.identity.origin(), "", "too-large")])
        return self.sight, data
