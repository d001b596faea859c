"""All layers together: looked at, waited for, and read as they stood at one moment, in a worker thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from .files import FollowedFile
from .followed import Followed, TellAbout
from .layers import Document, FileLayer, Layer, Unreadable
from .routes import Route, find_routes
from .status import LayerStatus
from .stores import FollowedKey, StoreLayer


class Unchanged(Struct, frozen=True):
    """The layers are as they were read last."""


class Unsettled(Struct, frozen=True):
    """Something is still being written: look again after so many seconds."""

    seconds: float


class Read(Struct, frozen=True):
    """The layers stood still, and this is what was in all of them at one moment.

    ``contents`` tells two states apart.
    """

    contents: tuple[object, ...]
    documents: tuple[Document | Unreadable, ...]


Observation = Unchanged | Unsettled | Read
Arm = Callable[[Sequence[Route]], bool]


class Stack:
    """Layers in rising precedence. ``observe`` belongs into a worker thread: on a stalled mount it may never return."""

    def __init__(self, layers: Sequence[Layer], settle: float) -> None:
        self._settle = settle
        self._followed = [_followed(layer, settle) for layer in layers]
        self._files = [each for each in self._followed if isinstance(each, FollowedFile)]
        self._visited: Followed[Any, Any] | None = None
        self._unsettled: list[Followed[Any, Any]] = []

    def unmoved(self) -> bool:
        """Whether a mere look shows them as they were read: all that is needed as long as nothing was told."""
        return all(each.unmoved for each in self._visit(self._followed))

    def observe(self, arm: Arm, told: TellAbout, confirm: float) -> Observation:
        """Look, and read what has changed if it has settled. Raises OSError when no more can be watched."""
        paths = [file.path for file in self._files]
        routes = find_routes(paths)
        while arm(routes):  # and look again: what came before was not told
            routes = find_routes(paths)
        for file, route in zip(self._files, routes, strict=True):
            file.route = route
        for each in self._visit(self._followed):
            each.look()
        suspects = [each for each in self._followed if each.suspect]
        if not suspects:
            return Unchanged()
        now = time.monotonic()
        waits = {each: each.wait(told, now, confirm) for each in suspects}
        self._unsettled = [each for each, wait in waits.items() if wait > 0]
        return Unsettled(max(waits.values())) if self._unsettled else self._read(suspects, now)

    def _read(self, suspects: Sequence[Followed[Any, Any]], now: float) -> Observation:
        seen = [each.sight for each in self._followed]
        differing = [each for each in self._visit(suspects) if each.read()]
        for each in self._visit(self._followed):
            each.look()
        self._unsettled = [each for each, before in zip(self._followed, seen, strict=True) if each.sight != before]
        if self._unsettled:
            return Unsettled(0.0)  # they may not belong together
        if any(each.unsure(now) for each in differing):
            return Unsettled(self._settle)
        for each in suspects:
            each.taken(now)
        return Read(
            tuple(each.content for each in self._followed),
            tuple(each.document for each in self._followed if each.document is not None),
        )

    def _visit(self, layers: Iterable[Followed[Any, Any]]) -> Iterator[Followed[Any, Any]]:
        """Go through layers, and let it be known at which we are: a look at it may hang."""
        try:
            for each in layers:
                self._visited = each
                yield each
        finally:
            self._visited = None

    def visited(self) -> list[str]:
        """The names of the layers of which one is being looked at or read, in case that hangs. From any thread."""
        visited = self._visited
        return [each.layer.name for each in (self._followed if visited is None else [visited])]

    def unsettled(self) -> list[str]:
        """The names of the layers for which the last look was not taken: somebody is writing them."""
        return [each.layer.name for each in self._unsettled]

    def distrust(self) -> None:
        """What was read last is not taken: read all layers again, however unchanged they look."""
        for each in self._followed:
            each.distrust()

    def live(self) -> None:
        """What was read last is live now: a layer that has content may not lose all of it at once."""
        for each in self._followed:
            each.live()

    @property
    def targets(self) -> list[str]:
        """Where the paths of the files led at the last look."""
        return [file.route.target for file in self._files]

    def statuses(self) -> list[LayerStatus]:
        """How each layer stood when it was read last."""
        return [each.status() for each in self._followed]


def _followed(layer: Layer, settle: float) -> Followed[Any, Any]:
    if isinstance(layer, FileLayer):
        return FollowedFile(layer, settle)
    assert isinstance(layer, StoreLayer)
    return FollowedKey(layer)
