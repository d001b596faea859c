"""Following one layer: when it may be read, and what it held when it was read last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from ..._layers.layer import Document, Layer, Unreadable, parse, unreadable
from ..._layers.status import LayerState, LayerStatus
from ...errors import SettingsError
from ..debounce import Told

L = TypeVar("L", bound=Layer)
G = TypeVar("G")

TellAbout = Callable[[str], Told]


class Followed(ABC, Generic[L, G]):
    """A layer, what it looked like, and what it held when it was read last.

    A ``sight`` is a cheap fingerprint. If it is the same before and after a read, nothing has changed meanwhile.
    """

    gone: ClassVar[str]
    empty: ClassVar[str]
    """What an error says if all content is gone."""
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
        self._before: tuple[object, bytes | None, Document | Unreadable | None] = None, None, None
        """What it held before it was read last."""

    @abstractmethod
    def look(self) -> None:
        """Take a new sight."""

    @property
    def suspect(self) -> bool:
        """Whether its content may differ from what was read."""
        return self.sight != self.seen

    @property
    @abstractmethod
    def unmoved(self) -> bool:
        """Whether it looks as it did when it was read."""

    @abstractmethod
    def wait(self, told: TellAbout, now: float, confirm: float, *, hasty: bool = False) -> float:
        """Seconds until it may be read. If ``hasty``, a rest of ``settle`` is enough, even if somebody has it open."""

    @abstractmethod
    def unsure(self, now: float) -> bool:
        """Whether the content has changed without any sign of it, so that its writer may not have finished."""

    @property
    def retry(self) -> float | None:
        """Seconds until a failed read is tried again; None if there is nothing to try again."""
        return None

    def status(self) -> LayerStatus:
        """Its state when it was read last."""
        return LayerStatus(self.layer.name, self.layer.label, self._state(), self.identity.revision)

    @abstractmethod
    def _state(self) -> LayerState: ...

    @abstractmethod
    def _fetch(self) -> tuple[object, bytes | None]:
        """Return what tells two contents apart, and the bytes, None if they are missing and may be. Raises SettingsError."""

    def read(self) -> bool:
        """Read it, and parse it if its content has changed; return whether it has."""
        self._before = self.content, self._data, self.document
        try:
            return self._put(*self._fetch())
        except SettingsError as error:
            return self._put(str(error), None, unreadable(self.identity, error))

    def _put(self, content: object, data: bytes | None, failed: Unreadable | None = None) -> bool:
        if self.document is not None and content == self.content:
            return False
        # In this order: if parsing raises, the content does not count as read.
        self.document = failed or self._parsed(data)
        self.content, self._data = content, data
        return True

    def taken(self, now: float) -> None:
        """Note that it was read as it looks now, by a read that began at this time."""
        self.seen, self.read_at = self.sight, now

    def discard(self) -> None:
        """Drop what was read last, so that nothing of it can go live, and read it again."""
        self.content, self._data, self.document = self._before
        self.distrust()

    def distrust(self) -> None:
        """Read it at the next look, however unchanged it looks."""
        self.seen = None

    def accepted(self) -> None:
        """Note that what was read last is live. To lose all content at once is an error from now on."""
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
