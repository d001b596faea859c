"""All layers together: looked at, waited for, and read as they stood at one moment, in a worker thread.

A layer that is still being written is waited for, and the others with it: an edit often concerns several files. After
``PATIENCE`` the others go on without it. Its last complete content serves meanwhile, which is what it holds as long as its
writer has not closed it: until then nobody has said that the new content is the next state. So what goes live is still what all
layers said at one moment. A layer that has never been complete cannot be left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from .files import FollowedFile
from .followed import Followed, TellAbout
from .layers import Document, FileLayer, Layer, Unreadable
from .routes import Route, find_routes
from .status import LayerStatus
from .stores import FollowedKey, StoreLayer

PATIENCE = 2.0
"""Seconds for which all layers wait for one that is still being written."""

_MOST_ARMINGS = 8
"""How often the way is followed anew at one look because it has changed meanwhile. Where it does so at each look, as on a file
system that numbers its folders anew all the time, this has to do."""


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
        self._waiting: dict[Followed[Any, Any], float] = {}
        self.due: float | None = None
        """When to look again for a layer without which the others were read, in seconds of the monotonic clock."""
        self._visited: Followed[Any, Any] | None = None
        self._moving: list[Followed[Any, Any]] = []

    def unmoved(self) -> bool:
        """Whether a mere look shows them as they were read: all that is needed as long as nothing was told."""
        return all(each.unmoved for each in self._visit(self._followed))

    def observe(self, arm: Arm, told: TellAbout, confirm: float) -> Observation:
        """Look, and read what has changed if it has settled. Raises OSError when no more can be watched."""
        paths = [file.path for file in self._files]
        routes = find_routes(paths)
        for _ in range(_MOST_ARMINGS):
            if not arm(routes):
                break
            routes = find_routes(paths)  # and look again: what came before was not told
        for file, route in zip(self._files, routes, strict=True):
            file.route = route
        for each in self._visit(self._followed):
            each.look()
        self.due, self._moving = None, []
        suspects = [each for each in self._followed if each.suspect]
        if not suspects:
            self._waiting = {}
            return Unchanged()
        now = time.monotonic()
        waits = {each: each.wait(told, now, confirm) for each in suspects}
        self._waiting = {each: self._waiting.get(each, now) for each, wait in waits.items() if wait > 0}
        late = {each for each, since in self._waiting.items() if each.document and now - since >= PATIENCE}
        ready = [each for each in suspects if each not in self._waiting]
        slow = [each for each in self._waiting if each not in late]
        if ready and not slow:
            self.due = now + min(waits[each] for each in late) if late else None
            return self._read(ready, late, now)
        seconds = max(waits[each] for each in slow or self._waiting)
        if ready:
            seconds = min(seconds, max(self._waiting[each] for each in slow) + PATIENCE - now)
        return Unsettled(seconds)

    def _read(
        self, suspects: Sequence[Followed[Any, Any]], late: Collection[Followed[Any, Any]], now: float
    ) -> Observation:
        others = [each for each in self._followed if each not in late]
        seen = [each.sight for each in others]
        differing = [each for each in self._visit(suspects) if each.read()]
        for each in self._visit(others):
            each.look()
        self._moving = [each for each, before in zip(others, seen, strict=True) if each.sight != before]
        if self._moving:
            return Unsettled(0.0)  # they may not belong together
        retries = [each.retry for each in suspects if each.retry is not None]
        if retries:
            return Unsettled(min(retries))
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
        return [each.layer.name for each in dict.fromkeys([*self._waiting, *self._moving])]

    def distrust(self) -> None:
        """What was read last is not taken: read all layers again, however unchanged they look."""
        for each in self._followed:
            each.distrust()

    def reread(self) -> None:
        """Read all files at the next look, however unchanged they look."""
        for file in self._files:
            file.distrust()

    def live(self) -> None:
        """What was read last is live now: a layer that has content may not lose all of it at once."""
        for each in self._followed:
            each.live()

    @property
    def targets(self) -> list[str]:
        """Where the paths of the files led at the last look."""
        return [file.route.target for file in self._files]

    @property
    def complete_targets(self) -> list[str]:
        """Those of them that were not being written at the last look."""
        return [file.route.target for file in self._files if file not in self._waiting]

    def waiting(self) -> dict[str, float]:
        """The names of the layers that are waited for, and since when, in seconds of the monotonic clock. From any thread."""
        return {each.layer.name: since for each, since in self._waiting.items()}

    def statuses(self) -> list[LayerStatus]:
        """How each layer stood when it was read last."""
        return [each.status() for each in self._followed]


def _followed(layer: Layer, settle: float) -> Followed[Any, Any]:
    if isinstance(layer, FileLayer):
        return FollowedFile(layer, settle)
    assert isinstance(layer, StoreLayer)
    return FollowedKey(layer)
