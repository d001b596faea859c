"""The files of the layers: looked at, waited for, and read together, in a worker thread."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from .errors import LayerError, Problem
from .layers import Document, Layer, fetch, parse
from .problems import in_order
from .routes import Route, find_routes
from .settling import Settling, Told
from .sight import Sight, age, look


class Unchanged(Struct, frozen=True):
    """The files are as they were read last."""


class Unsettled(Struct, frozen=True):
    """Something is still being written: look again after so many seconds."""

    seconds: float


class Read(Struct, frozen=True):
    """The files stood still, and this is what was in all of them at one moment.

    ``contents`` tells two states apart; ``documents`` is an error where a layer could not be read or parsed.
    """

    contents: tuple[bytes | str | None, ...]
    documents: tuple[Document, ...] | LayerError


Observation = Unchanged | Unsettled | Read
Arm = Callable[[Sequence[Route]], bool]
TellAbout = Callable[[str], Told]


class _File:
    """One layer's file: what was seen when it was read last, and what was in it."""

    def __init__(self, layer: Layer, settle: float) -> None:
        self.layer = layer
        self.settling = Settling(settle)
        self.route: Route
        self.read_route: Route | None = None
        self.sight: Sight
        self.seen: Sight | None = None
        self.read_at = 0.0
        self.racy = False
        self.content: bytes | str | None = None
        self.document: Document | Problem | None = None
        self.filled = False

    def look(self) -> None:
        self.sight = look(self.layer.path)

    @property
    def suspect(self) -> bool:
        """Whether its content may be another than the one that was read."""
        return self.sight != self.seen or self.racy

    def wait(self, told: Told, now: float, confirm: float) -> float:
        """Seconds until it may be read."""
        if self.sight == self.seen and not self.settling.has_news(told):
            return 0.0  # only racy: it is read and compared
        return self.settling.wait(self.sight, self._target(), told, now, age(self.sight), confirm)

    def _target(self) -> str:
        """Where the path leads; as before, if a file is now where a link was: it may still be growing."""
        before = self.read_route
        if before is not None and os.path.split(self.route.target) in before.entries:
            return before.target
        return self.route.target

    def read(self) -> bool:
        """Read it, and parse it if it is not what it was; return whether it is not."""
        self.racy = self.sight.racy(time.time_ns())
        problem: Problem | None = None
        content: bytes | str | None
        try:
            content = fetch(self.layer)
        except LayerError as error:
            content, problem = str(error), error.problems[0]
        if self.document is not None and content == self.content:
            return False
        self.content = content
        self.document = problem or self._parsed(content if isinstance(content, bytes) else None)
        return True

    def _parsed(self, data: bytes | None) -> Document | Problem:
        if self.filled and not data:
            missing = "there is no file any more" if data is None else "the file is empty"
            way_out = "put it back, or leave a comment in it to empty it"
            return Problem("", f"{missing}, and there was content before", self.layer.origin(), way_out)
        if data is None:
            return Document(self.layer, "", {}, missing=True)
        try:
            return parse(self.layer, data)
        except LayerError as error:
            return error.problems[0]


class Files:
    """All layers together. ``observe`` belongs into a worker thread: on a stalled mount it may never return."""

    def __init__(self, layers: Sequence[Layer], settle: float) -> None:
        self._settle = settle
        self._files = [_File(layer, settle) for layer in layers]

    def unmoved(self) -> bool:
        """Whether a mere look shows them as they were read: all that is needed as long as nothing was told."""
        return all(
            file.seen is not None and not file.racy and look(file.layer.path) == file.seen for file in self._files
        )

    def observe(self, arm: Arm, told: TellAbout, confirm: float) -> Observation:
        """Look, and read what has changed if it has settled. Raises OSError when no more can be watched."""
        paths = [file.layer.path for file in self._files]
        routes = find_routes(paths)
        while arm(routes):  # and look again: what came before was not told
            routes = find_routes(paths)
        for file, route in zip(self._files, routes, strict=True):
            file.route = route
            file.look()
        suspects = [file for file in self._files if file.suspect]
        if not suspects:
            return Unchanged()
        now = time.monotonic()
        words = {file: told(file.route.target) for file in suspects}
        wait = max(file.wait(words[file], now, confirm) for file in suspects)
        if wait > 0:
            return Unsettled(wait)
        untold = {file for file in suspects if file.sight == file.seen and not file.settling.has_news(words[file])}
        return self._read(suspects, untold, now)

    def _read(self, suspects: Sequence[_File], untold: set[_File], now: float) -> Observation:
        seen = [file.sight for file in self._files]
        differing = {file for file in suspects if file.read()}
        for file in self._files:
            file.look()
        if [file.sight for file in self._files] != seen:
            return Unsettled(0.0)  # they may not belong together
        if any(now - file.read_at < self._settle for file in differing & untold):
            return Unsettled(
                self._settle
            )  # written within a tick of the clock after it was read, and perhaps not finished
        for file in suspects:
            file.seen, file.read_at, file.read_route = file.sight, now, file.route
            file.settling.taken(file.route.target, now)
        return Read(tuple(file.content for file in self._files), self._documents())

    def _documents(self) -> tuple[Document, ...] | LayerError:
        documents = [file.document for file in self._files]
        problems = [document for document in documents if isinstance(document, Problem)]
        if problems:
            return LayerError(in_order(problems))
        return tuple(document for document in documents if isinstance(document, Document))

    def distrust(self) -> None:
        """What was read last is not taken: read all of it again, however unchanged it looks."""
        for file in self._files:
            file.racy = True

    def live(self) -> None:
        """What was read last is live now: a layer that has content may not lose all of it at once."""
        for file in self._files:
            file.filled = bool(file.content)

    @property
    def targets(self) -> list[str]:
        """Where the paths led at the last look."""
        return [file.route.target for file in self._files]

    @property
    def sights(self) -> list[tuple[Layer, Sight | None]]:
        """What was seen of each layer when it was read last."""
        return [(file.layer, file.seen) for file in self._files]
