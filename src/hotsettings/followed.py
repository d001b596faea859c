"""One layer that is followed: when it may be read, and what was in it when it was."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from .errors import SettingsError
from .layers import Document, Layer, Unreadable, parse, unreadable
from .settling import Told
from .status import LayerState, LayerStatus

L = TypeVar("L", bound=Layer)
G = TypeVar("G")

TellAbout = Callable[[str], Told]


class Followed(ABC, Generic[L, G]):
    """A layer, what was seen of it, and what it held when it was read last.

    A ``sight`` is whatever tells one state from another at a look: two that are equal before and after a read mean that what
    was read stood all the while.
    """

    gone: ClassVar[str]
    empty: ClassVar[str]
    """What is said where content is no more."""
    way_out: ClassVar[str]

    def __init__(self, layer: L) -> None:
        self.layer = layer
        self.identity: Layer = layer
        """The layer with the revision that was read last."""
        self.sight: G
        self.seen: G | None = None
        self.read_at = 0.0
        self.content: object = None
        self.document: Document | Unreadable | None = None
        self._filled = False
        self._data: bytes | None = None

    @abstractmethod
    def look(self) -> None:
        """Take a new sight."""

    @property
    def suspect(self) -> bool:
        """Whether its content may be another than the one that was read."""
        return self.sight != self.seen

    @property
    @abstractmethod
    def unmoved(self) -> bool:
        """Whether a mere look shows it as it was read."""

    @abstractmethod
    def wait(self, told: TellAbout, now: float, confirm: float) -> float:
        """Seconds until what is in sight may be read."""

    @abstractmethod
    def unsure(self, now: float) -> bool:
        """Whether what was read differs, though nothing had told of a change, and may not be all of it."""

    @property
    def retry(self) -> float | None:
        """Seconds until it is to be read again because reading it has failed just now; None where that is not so."""
        return None

    def status(self) -> LayerStatus:
        """How it stood when it was read last."""
        return LayerStatus(self.layer.name, self.layer.label, self._state(), self.identity.revision)

    @abstractmethod
    def _state(self) -> LayerState: ...

    @abstractmethod
    def _fetch(self) -> tuple[object, bytes | None]:
        """Return what tells two contents apart, and the bytes; None for a missing one that may be. Raises SettingsError."""

    def read(self) -> bool:
        """Read it, and parse it if it is not what it was; return whether it is not."""
        try:
            return self._put(*self._fetch())
        except SettingsError as error:
            return self._put(str(error), None, unreadable(self.identity, error))

    def _put(self, content: object, data: bytes | None, failed: Unreadable | None = None) -> bool:
        if self.document is not None and content == self.content:
            return False
        # In this order: content is not taken for read if parsing it fails.
        self.document = failed or self._parsed(data)
        self.content, self._data = content, data
        return True

    def taken(self, now: float) -> None:
        """What is in sight was read, beginning at this time."""
        self.seen, self.read_at = self.sight, now

    def distrust(self) -> None:
        """What was read last is not taken: it is suspect, however unchanged it looks."""
        self.seen = None

    def live(self) -> None:
        """What was read last is live now: it may not lose all of its content at once."""
        self._filled = bool(self._data)

    def _parsed(self, data: bytes | None) -> Document | Unreadable:
        layer = self.identity
        if self._filled and not data:
            lost = self.gone if data is None else self.empty
            return Unreadable(layer, layer.origin(), f"{lost}, and there was content before", self.way_out)
        if data is None:
            return Document(layer, "", {}, missing=True)
        try:
            return parse(layer, data)
        except SettingsError as error:
            return unreadable(layer, error)
