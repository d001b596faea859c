"""The copy of one store: what it held of every layer that went live."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from types import MappingProxyType

from ..layers import Document
from ..stores import Held, StoreLayer
from .copies import Copied, Copy, load, save
from .replica import State


class LastGood:
    """Keeps the copy up to date; several live objects may share it, each with other keys."""

    def __init__(self, path: str | os.PathLike[str], bucket: str) -> None:
        self.path = os.path.abspath(os.fsdecode(path))
        self._bucket = bucket
        self._kept: Mapping[str, Copied] = {}
        self._lock = Lock()

    def load(self) -> State | None:
        """What may be begun with; None if there is no copy yet. Raises LayerError."""
        copy = load(self.path, self._bucket)
        if copy is None:
            return None
        held = {key: Held(copied.revision, copied.text.encode()) for key, copied in copy.documents.items()}
        return State(MappingProxyType(held), copy.position)

    def keep(self, documents: Sequence[Document]) -> None:
        """Keep these documents in place of those under the same keys. In a worker thread; raises OSError."""
        with self._lock:
            kept = dict(self._kept)
            for document in documents:
                layer = document.layer
                assert isinstance(layer, StoreLayer)
                kept.pop(layer.key, None)
                if not document.missing:
                    kept[layer.key] = Copied(layer.revision or 0, document.text)
            if kept != self._kept:
                position = max((copied.revision for copied in kept.values()), default=0)
                save(self.path, Copy(self._bucket, position, kept, datetime.now(UTC)))
                self._kept = kept
