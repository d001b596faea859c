"""All layers together, read as they were at one moment.

While somebody is writing one layer, all layers wait for it, because one edit often concerns several files. After ``PATIENCE``
seconds the others go on without it, and its last complete content serves. That is still a state of all layers at one moment:
until the writer closes the file, nobody has said that its new content is the next state. A layer that has never been
read completely cannot be left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from .._layers.layer import Document, FileLayer, Layer, Unreadable
from .._layers.status import PATIENCE, LayerStatus
from .._layers.store import StoreLayer
from .bind_mounts import Sources
from .sources.file import FollowedFile
from .sources.source import Followed, TellAbout
from .sources.store import FollowedKey
from .symlinks import Route, find_routes

_MOST_ARMINGS = 8
"""How often one look resolves the paths again because they have changed meanwhile. Some file systems give their folders new
numbers all the time, so that this would never end."""


class Unchanged(Struct, frozen=True):
    """The layers are as they were read last."""


class Unsettled(Struct, frozen=True):
    """Somebody is still writing: look again after so many seconds."""

    seconds: float


class Read(Struct, frozen=True):
    """What was in all layers at one moment. Two states are the same if their ``contents`` are equal."""

    contents: tuple[object, ...]
    documents: tuple[Document | Unreadable, ...]


Observation = Unchanged | Unsettled | Read
Arm = Callable[[Sequence[Route]], bool]


class Stack:
    """Layers in rising precedence. Call ``observe`` in a worker thread: on a stalled mount it may never return."""

    def __init__(self, layers: Sequence[Layer], settle: float) -> None:
        self._settle = settle
        self._followed = [_followed(layer, settle) for layer in layers]
        self._files = [each for each in self._followed if isinstance(each, FollowedFile)]
        self._sources = Sources()
        self._waiting: dict[Followed[Any, Any], float] = {}
        self.due: float | None = None
        """When to look again for a layer that the last read left out, in seconds of the monotonic clock."""
        self._visited: Followed[Any, Any] | None = None
        self._read_last: Sequence[Followed[Any, Any]] = ()

    def look_at_mounts(self) -> None:
        """See whether what is mounted on the way to the files was renamed or removed outside."""
        self._sources.look()
        self._mark_moved()

    def _mark_moved(self) -> None:
        for file in self._files:
            file.moved = self._sources.moved(file.route.places)

    def unmoved(self) -> bool:
        """Whether all layers look as they did when they were read. As long as there are no events, that is enough."""
        unmoved = all(each.unmoved for each in self._visit(self._followed))
        if unmoved:
            self._waiting = {}
        return unmoved

    def observe(self, arm: Arm, told: TellAbout, confirm: float, *, hasty: bool = False) -> Observation:
        """Look, and read what has changed if it has settled. Raises OSError when no more can be watched.

        If ``hasty``, what has stood still for ``settle`` is read, even if somebody has it open for writing.
        """
        paths = [file.path for file in self._files]
        routes = find_routes(paths)
        for _ in range(_MOST_ARMINGS):
            if not arm(routes):
                break
            routes = find_routes(paths)  # what changed before the watches were there caused no event
        for file, route in zip(self._files, routes, strict=True):
            file.route = route
        self._sources.arm(path for file in self._files for path in file.route.places)
        self._mark_moved()
        for each in self._visit(self._followed):
            each.look()
        self.due, self._read_last = None, ()
        suspects = [each for each in self._followed if each.suspect]
        if not suspects:
            self._waiting = {}
            return Unchanged()
        now, before = time.monotonic(), self._waiting
        waits = {each: each.wait(told, now, confirm, hasty=hasty) for each in suspects}
        self._waiting = {each: before.get(each, now) for each, wait in waits.items() if wait > 0}
        late = {each for each, since in self._waiting.items() if each.document and now - since >= PATIENCE}
        ready = [each for each in suspects if each not in self._waiting]
        slow = [each for each in self._waiting if each not in late]
        if ready and not slow:
            self.due = now + min(waits[each] for each in late) if late else None
            self._read_last = ready
            seen = self._read(ready, late, before, now)
            if isinstance(seen, Unsettled):
                self._discard()
            return seen
        seconds = max(waits[each] for each in slow or self._waiting)
        if ready:
            seconds = min(seconds, max(self._waiting[each] for each in slow) + PATIENCE - now)
        return Unsettled(seconds)

    def _read(
        self,
        suspects: Sequence[Followed[Any, Any]],
        late: Collection[Followed[Any, Any]],
        before: Mapping[Followed[Any, Any], float],
        now: float,
    ) -> Observation:
        others = [each for each in self._followed if each not in late]
        seen = [each.sight for each in others]
        differing = [each for each in self._visit(suspects) if each.read()]
        for each in self._visit(others):
            each.look()
        moving = {each for each, sight in zip(others, seen, strict=True) if each.sight != sight}
        if moving:
            self._waiting = {**self._waiting, **{each: before.get(each, now) for each in moving}}
            return Unsettled(0.0)  # what was read may not belong together
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
        """Go through layers, and note which one is being looked at, because that may hang."""
        try:
            for each in layers:
                self._visited = each
                yield each
        finally:
            self._visited = None

    def visited(self) -> list[str]:
        """The name of the layer that is being looked at or read, or of all layers in between. Call it from any thread."""
        visited = self._visited
        return [each.layer.name for each in (self._followed if visited is None else [visited])]

    def _discard(self) -> None:
        for each in self._read_last:
            each.discard()
        self._read_last = ()

    def distrust(self) -> None:
        """Drop what the last look has read, and read all layers again, however unchanged they look."""
        self._discard()
        for each in self._followed:
            each.distrust()

    def reread(self) -> None:
        """Read all files at the next look, however unchanged they look."""
        for file in self._files:
            file.distrust()

    def accepted(self) -> None:
        """Note that what was read last is live. A layer with content that loses all of it at once is an error from now on."""
        for each in self._followed:
            each.accepted()

    @property
    def targets(self) -> list[str]:
        """The files that the paths led to at the last look."""
        return [file.route.target for file in self._files]

    @property
    def complete_targets(self) -> list[str]:
        """Those of them that nobody was writing at the last look."""
        return [file.route.target for file in self._files if file not in self._waiting]

    def writing(self) -> dict[str, float]:
        """The names of the layers that somebody was writing at the last look, and since when, in monotonic seconds."""
        return {each.layer.name: since for each, since in self._waiting.items()}

    @property
    def stale_mounts(self) -> dict[str, str]:
        """The mount points through which edits from outside do not arrive any more, and the label of a file behind each."""
        return {point: file.layer.label for file in self._files if (point := file.stale_mount) is not None}

    def statuses(self) -> list[LayerStatus]:
        """The state of each layer when it was read last."""
        return [each.status() for each in self._followed]


def _followed(layer: Layer, settle: float) -> Followed[Any, Any]:
    if isinstance(layer, FileLayer):
        return FollowedFile(layer, settle)
    assert isinstance(layer, StoreLayer)
    return FollowedKey(layer)
