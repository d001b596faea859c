"""Reading all layers as they were at one moment. This runs in the worker thread of the ``Watcher``.

Each layer is a source. If the fingerprint of any of them is another after the read than before it, what was read may
not belong together, and is read again.

While somebody is writing one layer, all layers wait for it, because one edit often concerns several files. After
``PATIENCE`` seconds the others go on without it, and its last complete content is used. That is still a state of all
layers at one moment: until the writer has closed the file, nobody has said that its new content is the next state. A
layer that was never read completely cannot be left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .._layers.file import FileLayer
from .._layers.folder import FolderLayer
from .._layers.layer import CollectorPaused, Document, Layer, Unreadable
from .._layers.status import PATIENCE, LayerStatus
from .._layers.store import StoreLayer
from .._layers.values import ValuesLayer
from .._schema.schema import Schema
from .bind_mounts import BindMounts
from .sources.file import FileSource, RetryingSource, WatchedFile
from .sources.folder import FolderSource
from .sources.source import LastEventOf, Source
from .sources.store import StoreSource
from .sources.values import ValuesSource
from .symlinks import ResolvedPath, resolve_paths

_MOST_RESOLUTIONS = 8
"""How often one check resolves the paths again because they have changed meanwhile. Some file systems report new inodes
for their folders each time, so that this would never end."""


class Unchanged(Struct, frozen=True):
    """The layers are as they were read last."""


class Unsettled(Struct, frozen=True):
    """Somebody is still writing: check again after so many seconds."""

    seconds: float


class Read(Struct, frozen=True):
    """What was in all layers at one moment. Two states are the same if their ``contents`` are equal."""

    contents: tuple[object, ...]
    documents: tuple[Document | Unreadable, ...]


CheckResult = Unchanged | Unsettled | Read
Watch = Callable[[Sequence[ResolvedPath]], bool]


class ConsistentReader:
    """Reads layers together. Call ``check`` in a worker thread: if a mount stalls, it may never return.

    Args:
        schema: What the settings class declares.
        layers: The layers, in rising precedence.
        settle: Seconds without a change after which a file counts as complete, if nothing else shows that it is.
    """

    def __init__(self, schema: Schema, layers: Sequence[Layer], settle: float) -> None:
        self._settle = settle
        self._sources = [_source_of(schema, layer, settle) for layer in layers]
        self._mounts = BindMounts()
        self._written_to: dict[Source[Any, Any], float] = {}
        """The sources that somebody was writing at the last check, and since when."""
        self.due: float | None = None
        """When to check a layer again that the last read left out, in seconds of the monotonic clock."""
        self._in_progress: Source[Any, Any] | None = None
        """The source that is being checked or read now."""
        self._read_last: Sequence[Source[Any, Any]] = ()
        """The sources that the last check has read."""

    def check_mounts(self) -> None:
        """Check whether the source of a bind mount on the way to a file was renamed or removed outside."""
        self._mounts.check()
        self._mark_moved_mounts()

    def _mark_moved_mounts(self) -> None:
        for _, file in self._files:
            file.moved_mount = self._mounts.moved(file.resolved_path.folders_and_target)

    def unchanged(self) -> bool:
        """Check whether all layers have the same fingerprints as when they were read. Without events, that is enough."""
        unchanged = all(each.unchanged() for each in self._track(self._sources))
        if unchanged:
            self._written_to = {}
        return unchanged

    def check(
        self,
        watch: Watch,
        last_event_of: LastEventOf,
        event_delay: float,
        collector: CollectorPaused | None = None,
        *,
        accept_open: bool = False,
    ) -> CheckResult:
        """Check all layers, and read those that have changed once no writer is at work on them.

        Args:
            watch: Watches where the paths lead now. See ``Notifier.watch``.
            last_event_of: Returns the last event about a file.
            event_delay: Seconds within which a further event about a file that was added would be reported.
            collector: Kept paused from the end of the reads on, if the layers are large. It is not paused earlier,
                because a read may hang.
            accept_open: Read a file that has not changed for ``settle`` seconds, even if somebody has it open for
                writing.

        Raises:
            OSError: The system grants no more watches.
        """
        resolved_paths = self._resolve()
        for _ in range(_MOST_RESOLUTIONS):
            if not watch(resolved_paths):
                break
            resolved_paths = self._resolve()  # changes before the watches were there caused no events
        self._mounts.track(path for _, file in self._files for path in file.resolved_path.folders_and_target)
        self._mark_moved_mounts()
        for each in self._track(self._sources):
            each.take_fingerprint()
        self.due, self._read_last = None, ()
        changed = [each for each in self._sources if each.may_have_changed]
        if not changed:
            self._written_to = {}
            return Unchanged()
        # Each changed source is one of three: ready; left out, if its writer takes long and its last complete content
        # can be used; or else it holds up the rest.
        now, written_to_before = time.monotonic(), self._written_to
        waits = {each: each.wait(last_event_of, now, event_delay, accept_open=accept_open) for each in changed}
        self._written_to = {each: written_to_before.get(each, now) for each, wait in waits.items() if wait > 0}
        left_out = {each for each, since in self._written_to.items() if each.document and now - since >= PATIENCE}
        ready = [each for each in changed if each not in self._written_to]
        holding_up_the_rest = [each for each in self._written_to if each not in left_out]
        if ready and not holding_up_the_rest:
            self.due = now + min(waits[each] for each in left_out) if left_out else None
            self._read_last = ready
            unsettled = self._read(ready, left_out, written_to_before, now)
            if unsettled is not None:
                self._undo_read()
                return unsettled
            if collector is not None:
                collector.expect(self.size)
            return self._parse(ready, now)
        # If nothing is ready, there may be nothing that holds up the rest either. Then the layers that could be left
        # out are all there is to wait for.
        seconds = max(waits[each] for each in holding_up_the_rest or self._written_to)
        if ready:
            seconds = min(seconds, max(self._written_to[each] for each in holding_up_the_rest) + PATIENCE - now)
        return Unsettled(seconds)

    @property
    def size(self) -> int:
        """Bytes of all layers, as they were read last."""
        return sum(each.size for each in self._sources)

    def _resolve(self) -> list[ResolvedPath]:
        """Find the paths of all layers, and where they lead."""
        paths = [each.paths() for each in self._track(self._sources)]
        resolved = iter(resolve_paths(path for own in paths for path in own))
        all_of_them: list[ResolvedPath] = []
        for each, own in zip(self._sources, paths, strict=True):
            led = list(islice(resolved, len(own)))
            each.resolve(led)
            if each.listed:
                led[0] = replace(led[0], listed=True)
            all_of_them += led
        return all_of_them

    @property
    def _files(self) -> Iterator[tuple[RetryingSource[Any, Any], WatchedFile]]:
        for each in self._sources:
            if isinstance(each, RetryingSource):
                for file in each.files:
                    yield each, file

    def _read(
        self,
        ready: Sequence[Source[Any, Any]],
        left_out: Collection[Source[Any, Any]],
        written_to_before: Mapping[Source[Any, Any], float],
        now: float,
    ) -> Unsettled | None:
        """Read the sources that are ready. None if what was read belongs together and is complete.

        ``written_to_before`` are the sources that somebody was writing at the check before, and since when.
        """
        others = [each for each in self._sources if each not in left_out]
        fingerprints = [each.fingerprint for each in others]
        differing = [each for each in self._track(ready) if each.read()]
        for each in self._track(others):
            each.take_fingerprint()
        moving = {
            each for each, fingerprint in zip(others, fingerprints, strict=True) if each.fingerprint != fingerprint
        }
        if moving:
            self._written_to = {**self._written_to, **{each: written_to_before.get(each, now) for each in moving}}
            return Unsettled(0.0)  # what was read may not belong together
        retries = [each.retry_in for each in ready if each.retry_in is not None]
        if retries:
            return Unsettled(min(retries))
        if any(each.may_be_incomplete(now) for each in differing):
            return Unsettled(self._settle)
        return None

    def _parse(self, ready: Sequence[Source[Any, Any]], now: float) -> Read:
        for each in self._track(ready):
            each.parse()
            each.mark_read(now)
        return Read(
            tuple(each.content for each in self._sources),
            tuple(each.document for each in self._sources if each.document is not None),
        )

    def _track(self, sources: Iterable[Source[Any, Any]]) -> Iterator[Source[Any, Any]]:
        """Iterate over sources, and keep in mind which one is in progress, because it may hang."""
        try:
            for each in sources:
                self._in_progress = each
                yield each
        finally:
            self._in_progress = None

    def in_progress(self) -> list[str]:
        """The name of the layer that is being checked or read now; the names of all layers if it is none of them.

        Call it from any thread.
        """
        source = self._in_progress
        return [each.layer.name for each in (self._sources if source is None else [source])]

    def _undo_read(self) -> None:
        for each in self._read_last:
            each.undo_read()
        self._read_last = ()

    def invalidate(self) -> None:
        """Drop what the last check has read, and read all layers again, even if their fingerprints are unchanged."""
        self._undo_read()
        for each in self._sources:
            each.force_read()

    def force_read(self) -> None:
        """Read all files at the next check, even if their fingerprints are unchanged."""
        for each in self._sources:
            if isinstance(each, RetryingSource):
                each.force_read()

    def accepted(self) -> None:
        """Note that what was read last is live.

        From now on it is an error if a layer loses all of its content at once.
        """
        for each in self._sources:
            each.accepted()

    def accepted_before(self, documents: Sequence[Document]) -> None:
        """Note that these documents of the layers are live already, although nothing was read yet."""
        for each, document in zip(self._sources, documents, strict=True):
            each.accepted_before(document)

    @property
    def targets(self) -> list[str]:
        """The files that the paths led to at the last check."""
        return [file.resolved_path.target for _, file in self._files]

    @property
    def complete_targets(self) -> list[str]:
        """Those targets that nobody was writing at the last check."""
        return [file.resolved_path.target for each, file in self._files if each not in self._written_to]

    def writing(self) -> dict[str, float]:
        """The layers, by name, that somebody was writing at the last check, and since when, in monotonic seconds."""
        return {each.layer.name: since for each, since in self._written_to.items()}

    @property
    def stale_mounts(self) -> dict[str, str]:
        """The mount points that edits from outside no longer pass, each with the label of a file behind it."""
        return {point: each.layer.label for each, file in self._files if (point := file.stale_mount) is not None}

    def statuses(self) -> list[LayerStatus]:
        """The state of each layer when it was read last."""
        return [each.status() for each in self._sources]


def _source_of(schema: Schema, layer: Layer, settle: float) -> Source[Any, Any]:
    if isinstance(layer, FileLayer):
        return FileSource(layer, settle)
    if isinstance(layer, FolderLayer):
        return FolderSource(schema, layer, settle)
    if isinstance(layer, ValuesLayer):
        return ValuesSource(schema, layer)
    assert isinstance(layer, StoreLayer)
    return StoreSource(layer)
