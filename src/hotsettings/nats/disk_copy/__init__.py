"""The copy on disk of what went live: a process starts from it while the store cannot be reached.

``file`` writes and reads it. ``screening`` keeps secrets out of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from types import MappingProxyType

from ..._layers.store import StoreLayer, StoreValue
from ..._loading.load import Loaded
from ..._redaction import Redactor
from ..replica import BucketState
from .file import CopiedDocument, Copy, load, save
from .screening import may_be_copied


class DiskCopy:
    """The copy of one store. Several live objects may share it, each with other keys."""

    def __init__(self, path: str | os.PathLike[str], bucket: str) -> None:
        self.path = os.path.abspath(os.fsdecode(path))
        self._bucket = bucket
        self._documents: Mapping[str, CopiedDocument] = {}
        self._lock = Lock()

    def load(self) -> BucketState | None:
        """Return the state to start from; None if there is no copy yet. Raises LayerError."""
        copy = load(self.path, self._bucket)
        if copy is None:
            return None
        values = {key: StoreValue(copied.revision, copied.text.encode()) for key, copied in copy.documents.items()}
        return BucketState(MappingProxyType(values), copy.position)

    def update(self, loaded: Loaded, layers: Sequence[StoreLayer]) -> None:
        """Copy the documents of these layers, except those with secrets. They replace earlier ones of the same keys.

        Blocks until the copy is on disk, so call it in a worker thread. Raises OSError.
        """
        redactor = Redactor(loaded.schema, loaded.documents)
        with self._lock:
            keys = {layer.key for layer in layers}
            documents = {key: copied for key, copied in self._documents.items() if key not in keys}
            for layer in layers:
                [text] = [document.text for document in loaded.documents if document.layer is layer]
                if not layer.secret and may_be_copied(text, redactor):
                    documents[layer.key] = CopiedDocument(layer.revision or 0, text)
            if documents != self._documents:
                position = max((copied.revision for copied in documents.values()), default=0)
                save(self.path, Copy(self._bucket, position, documents, datetime.now(UTC)))
                self._documents = documents
