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
from .bind_mounts import BindMounts
from .sources.file import FileSource
from .sources.source import LastEventOf, Source
from .sources.store import StoreSource
from .symlinks import ResolvedPath, resolve_paths

_MOST_RESOLUTIONS = 8
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
Watch = Callable[[Sequence[ResolvedPath]], bool]


class ConsistentReader:
    """Layers in rising precedence. Call ``observe`` in a worker thread: on a stalled mount it may never return."""

    def __init__(self, layers: Sequence[Layer], settle: float) -> None:
        self._settle = settle
        self._sources = [_sources(layer, settle) for layer in layers]
        self._files = [each for each in self._sources if isinstance(each, FileSource)]
        self._mounts = BindMounts()
        self._waiting: dict[Source[Any, Any], float] = {}
        self.due: float | None = None
        """When to look again for a layer that the last read left out, in seconds of the monotonic clock."""
        self._in_progress: Source[Any, Any] | None = None
        self._read_last: Sequence[Source[Any, Any]] = ()

    def check_mounts(self) -> None:
        """See whether what is mounted on the way to the files was renamed or removed outside."""
        self._mounts.check()
        self._mark_moved_mounts()

    def _mark_moved_mounts(self) -> None:
        for file in self._files:
            file.moved_mount = self._mounts.moved(file.resolved_path.folders_and_target)

    def unchanged(self) -> bool:
        """Whether all layers look as they did when they were read. As long as there are no events, that is enough."""
        unchanged = all(each.unchanged for each in self._track(self._sources))
        if unchanged:
            self._waiting = {}
        return unchanged

    def observe(
        self, watch: Watch, last_event_of: LastEventOf, event_delay: float, *, accept_open: bool = False
    ) -> Observation:
        """Look, and read what has changed if it has settled. Raises OSError when no more can be watched.

        If ``hasty``, what has stood still for ``settle`` is read, even if somebody has it open for writing.
        """
        paths = [file.path for file in self._files]
        resolved_paths = resolve_paths(paths)
        for _ in range(_MOST_RESOLUTIONS):
            if not watch(resolved_paths):
                break
            resolved_paths = resolve_paths(paths)  # what changed before the watches were there caused no event
        for file, resolved in zip(self._files, resolved_paths, strict=True):
            file.resolved_path = resolved
        self._mounts.track(path for file in self._files for path in file.resolved_path.folders_and_target)
        self._mark_moved_mounts()
        for each in self._track(self._sources):
            each.take_fingerprint()
        self.due, self._read_last = None, ()
        changed = [each for each in self._sources if each.may_have_changed]
        if not changed:
            self._waiting = {}
            return Unchanged()
        now, before = time.monotonic(), self._waiting
        waits = {each: each.wait(last_event_of, now, event_delay, accept_open=accept_open) for each in changed}
        self._waiting = {each: before.get(each, now) for each, wait in waits.items() if wait > 0}
        late = {each for each, since in self._waiting.items() if each.document and now - since >= PATIENCE}
        ready = [each for each in changed if each not in self._waiting]
        slow = [each for each in self._waiting if each not in late]
        if ready and not slow:
            self.due = now + min(waits[each] for each in late) if late else None
            self._read_last = ready
            seen = self._read(ready, late, before, now)
            if isinstance(seen, Unsettled):
                self._undo_read()
            return seen
        seconds = max(waits[each] for each in slow or self._waiting)
        if ready:
            seconds = min(seconds, max(self._waiting[each] for each in slow) + PATIENCE - now)
        return Unsettled(seconds)

    def _read(
        self,
        changed: Sequence[Source[Any, Any]],
        late: Collection[Source[Any, Any]],
        before: Mapping[Source[Any, Any], float],
        now: float,
    ) -> Observation:
        others = [each for each in self._sources if each not in late]
        seen = [each.fingerprint for each in others]
        differing = [each for each in self._track(changed) if each.read()]
        for each in self._track(others):
            each.take_fingerprint()
        changed_meanwhile = {each for each, sight in zip(others, seen, strict=True) if each.fingerprint != sight}
        if changed_meanwhile:
            self._waiting = {**self._waiting, **{each: before.get(each, now) for each in changed_meanwhile}}
            return Unsettled(0.0)  # what was read may not belong together
        retries = [each.retry_in for each in changed if each.retry_in is not None]
        if retries:
            return Unsettled(min(retries))
        if any(each.may_be_incomplete(now) for each in differing):
            return Unsettled(self._settle)
        for each in changed:
            each.mark_read(now)
        return Read(
            tuple(each.content for each in self._sources),
            tuple(each.document for each in self._sources if each.document is not None),
        )

    def _track(self, layers: Iterable[Source[Any, Any]]) -> Iterator[Source[Any, Any]]:
        """Go through layers, and note which one is being looked at, because that may hang."""
        try:
            for each in layers:
                self._in_progress = each
                yield each
        finally:
            self._in_progress = None

    def in_progress(self) -> list[str]:
        """The name of the layer that is being looked at or read, or of all layers in between. Call it from any thread."""
        in_progress = self._in_progress
        return [each.layer.name for each in (self._sources if in_progress is None else [in_progress])]

    def _undo_read(self) -> None:
        for each in self._read_last:
            each.undo_read()
        self._read_last = ()

    def invalidate(self) -> None:
        """Drop what the last look has read, and read all layers again, however unchanged they look."""
        self._undo_read()
        for each in self._sources:
            each.force_read()

    def force_read(self) -> None:
        """Read all files at the next look, however unchanged they look."""
        for file in self._files:
            file.force_read()

    def accepted(self) -> None:
        """Note that what was read last is live. A layer with content that loses all of it at once is an error from now on."""
        for each in self._sources:
            each.accepted()

    @property
    def targets(self) -> list[str]:
        """The files that the paths led to at the last look."""
        return [file.resolved_path.target for file in self._files]

    @property
    def complete_targets(self) -> list[str]:
        """Those of them that nobody was writing at the last look."""
        return [file.resolved_path.target for file in self._files if file not in self._waiting]

    def writing(self) -> dict[str, float]:
        """The names of the layers that somebody was writing at the last look, and since when, in monotonic seconds."""
        return {each.layer.name: since for each, since in self._waiting.items()}

    @property
    def stale_mounts(self) -> dict[str, str]:
        """The mount points through which edits from outside do not arrive any more, and the label of a file behind each."""
        return {point: file.layer.label for file in self._files if (point := file.stale_mount) is not None}

    def statuses(self) -> list[LayerStatus]:
        """The state of each layer when it was read last."""
        return [each.status() for each in self._sources]


def _sources(layer: Layer, settle: float) -> Source[Any, Any]:
    if isinstance(layer, FileLayer):
        return FileSource(layer, settle)
    assert isinstance(layer, StoreLayer)
    return StoreSource(layer)
