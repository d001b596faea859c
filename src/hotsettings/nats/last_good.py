"""The copy of one store: what it held of every layer that went live."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from types import MappingProxyType

from .._layers.store import StoreLayer, StoreValue
from .._loading.load import Loaded
from .._redaction import Redactor
from .copies import Copied, Copy, load, may_be_copied, save
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
        values = {key: StoreValue(copied.revision, copied.text.encode()) for key, copied in copy.documents.items()}
        return State(MappingProxyType(values), copy.position)

    def keep(self, loaded: Loaded, layers: Sequence[StoreLayer]) -> None:
        """Keep what these layers of it say, but for what is secret, in place of what was kept of the same keys.

        For a worker thread: it blocks until it is on the disk. Raises OSError.
        """
        redactor = Redactor(loaded.schema, loaded.documents)
        with self._lock:
            kept = {key: copied for key, copied in self._kept.items() if key not in {layer.key for layer in layers}}
            for layer in layers:
                [text] = [document.text for document in loaded.documents if document.layer is layer]
                if not layer.secret and may_be_copied(text, redactor):
                    kept[layer.key] = Copied(layer.revision or 0, text)
            if kept != self._kept:
                position = max((copied.revision for copied in kept.values()), default=0)
                save(self.path, Copy(self._bucket, position, kept, datetime.now(UTC)))
                self._kept = kept
