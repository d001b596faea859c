"""One layer while it is watched: its fingerprint, and the content that was read last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, TypeVar

from ..._layers.layer import Document, Layer, Unreadable, origin_of, parse, revision_of
from ..._layers.status import LayerState, LayerStatus
from ...errors import Problem, SettingsError
from ..debounce import LastEvent
from ..symlinks import ResolvedPath

L = TypeVar("L", bound=Layer)
F = TypeVar("F")

LastEventOf = Callable[[str], LastEvent]


class Source(ABC, Generic[L, F]):
    """A layer, its fingerprint now, and what was read of it last.

    A fingerprint is cheap to take. If it is equal before and after a read, nothing changed during the read.
    """

    gone: ClassVar[str]
    empty: ClassVar[str]
    """What an error says if a layer that had content has none any more."""
    hint: ClassVar[str]

    def __init__(self, layer: L) -> None:
        self.layer = layer
        self.layer_as_read: Layer = layer
        """The layer with the revision that was read last."""
        self.fingerprint: F
        self.fingerprint_when_read: F | None = None
        self.content: object = None
        """What was read last, to compare it with the next read. The text of the error if the layer was unreadable."""
        self.document: Document | Unreadable | None = None
        """What was read last, parsed. None if nothing was read yet, or if it was read and is not parsed yet."""
        self._had_content = False
        """What is live had content in this layer."""
        self._data: bytes | None = None
        self._previous: tuple[object, bytes | None, Document | Unreadable | None] = None, None, None
        """Content, data and document before the last read."""

    def paths(self) -> list[str]:
        """The paths that lead to the layer now, which are to be resolved and watched."""
        return []

    def resolve(self, resolved: Sequence[ResolvedPath]) -> None:
        """Note where ``paths`` lead."""

    @property
    def listed(self) -> bool:
        """Whether every name in the folder of the first of ``paths`` is watched, because a new one may be a new key."""
        return False

    @abstractmethod
    def take_fingerprint(self) -> None:
        """Take the fingerprint of the layer now."""

    @property
    def may_have_changed(self) -> bool:
        """Whether the content may differ from what was read last, by the fingerprint that was taken last."""
        return self.fingerprint != self.fingerprint_when_read

    @abstractmethod
    def unchanged(self) -> bool:
        """Check whether the layer has the same fingerprint as when it was read."""

    @abstractmethod
    def wait(self, last_event_of: LastEventOf, now: float, event_delay: float, *, accept_open: bool = False) -> float:
        """Return how many seconds to wait before checking again; 0 if the layer may be read now.

        Args:
            last_event_of: Returns the last event about a file.
            now: The time now, in seconds of the monotonic clock.
            event_delay: Seconds within which a further event about a file that was added would be reported.
            accept_open: Read a file that has not changed for ``settle`` seconds, even if somebody has it open for
                writing.
        """

    @abstractmethod
    def may_be_incomplete(self, now: float) -> bool:
        """Whether the read has found a change that nothing else had shown, so that its writer may not have finished."""

    @property
    def retry_in(self) -> float | None:
        """Seconds until the read is tried again. None if it succeeded, or if its failure is final."""
        return None

    def status(self) -> LayerStatus:
        """The state of the layer when it was read last."""
        return LayerStatus(self.layer.name, self.layer.label, self._state(), revision_of(self.layer_as_read))

    @abstractmethod
    def _state(self) -> LayerState: ...

    @abstractmethod
    def _fetch(self) -> tuple[object, bytes | None]:
        """Return the content, by which two reads are compared, and the bytes. Raises SettingsError.

        The bytes are None if an optional layer is missing.
        """

    def read(self) -> bool:
        """Read the layer, and return whether its content has changed. Then ``parse`` has to be called."""
        self._previous = self.content, self._data, self.document
        try:
            return self._keep(*self._fetch())
        except SettingsError as error:
            return self._keep(str(error), None, Unreadable(self.layer_as_read, error.problems[0]))

    def _keep(self, content: object, data: bytes | None, failed: Unreadable | None = None) -> bool:
        if self.document is not None and content == self.content:
            return False
        self.content, self._data, self.document = content, data, failed
        return True

    def parse(self) -> None:
        """Parse what was read, if it is not parsed yet. If that raises, the layer is read again at the next check."""
        self.document = self.document or self._parsed(self._data)

    @property
    def size(self) -> int:
        """Bytes that were read last."""
        return len(self._data or b"")

    def mark_read(self, now: float) -> None:
        """Note that the layer was read with the fingerprint that it has now, by a read that began at this time."""
        self.fingerprint_when_read = self.fingerprint

    def undo_read(self) -> None:
        """Restore what was known before the last read, which cannot be trusted, and read the layer again."""
        self.content, self._data, self.document = self._previous
        self.force_read()

    def force_read(self) -> None:
        """Read the layer at the next check, even if its fingerprint is unchanged."""
        self.fingerprint_when_read = None

    def accepted(self) -> None:
        """Note that what was read last is live.

        If it has content, it is an error from now on if the layer loses all of it at once.
        """
        self._had_content = bool(self._data)

    def accepted_before(self, document: Document) -> None:
        """Note that this document is live already, although nothing was read yet."""
        self._had_content = bool(document.text)

    def _parsed(self, data: bytes | None) -> Document | Unreadable:
        layer = self.layer_as_read
        if self._had_content and not data:
            lost = self.gone if data is None else self.empty
            message = f"{lost}, and there was content before"
            return Unreadable(layer, Problem("", message, origin_of(layer), self.hint, "lost-content"))
        if data is None:
            return Document(layer, "", {}, missing=True)
        try:
            return parse(layer, data)
        except SettingsError as error:
            return Unreadable(layer, error.problems[0])
