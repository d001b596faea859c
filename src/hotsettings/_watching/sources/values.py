"""A layer of values that the program has. They never change, so there is nothing to watch."""

from __future__ import annotations

from ..._layers.layer import Document, Unreadable
from ..._layers.status import LayerState
from ..._layers.values import ValuesLayer
from ..._loading.documents import values_document
from ..._schema.schema import Schema
from .source import LastEventOf, Source


class ValuesSource(Source[ValuesLayer, bool]):
    """The values of a program."""

    def __init__(self, schema: Schema, layer: ValuesLayer) -> None:
        super().__init__(layer)
        self._schema = schema

    def take_fingerprint(self) -> None:
        """Do nothing much: there is only one fingerprint."""
        self.fingerprint = True

    def unchanged(self) -> bool:
        """Whether the values were read."""
        return self.fingerprint_when_read is not None

    def wait(self, last_event_of: LastEventOf, now: float, event_delay: float, *, accept_open: bool = False) -> float:
        """Return 0: the values are complete."""
        return 0.0

    def may_be_incomplete(self, now: float) -> bool:
        """Return False: the values are complete."""
        return False

    def _state(self) -> LayerState:
        return "read"

    def _fetch(self) -> tuple[object, bytes | None]:
        return (), b""

    def _parsed(self, data: bytes | None) -> Document | Unreadable:
        return values_document(self._schema, self.layer)
