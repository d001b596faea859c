"""A layer in a file, followed: looked at, waited for while it is written, and read."""

from __future__ import annotations

import os
import time

from .followed import Followed, TellAbout
from .layers import FileLayer, fetch
from .routes import Route, arrival
from .settling import Arrived, Settling
from .sight import Sight, age, being_written, look
from .status import LayerState


class FollowedFile(Followed[FileLayer, Sight]):
    """One file. Its ``route``, where the path leads, is to be set before each look."""

    gone = "there is no file any more"
    empty = "the file is empty"
    way_out = "put it back, or leave a comment in it to empty it"

    def __init__(self, layer: FileLayer, settle: float) -> None:
        super().__init__(layer)
        self.path = os.fsdecode(layer.path)
        self.route: Route
        self.racy = False
        self._settle = settle
        self._settling = Settling(settle)
        self._read_route: Route | None = None
        self._untold = False

    def look(self) -> None:
        """Take a new sight."""
        self.sight = look(self.path)
        if self.sight == self.seen:
            self._read_route = self.route  # another way to what was read

    @property
    def suspect(self) -> bool:
        """Whether its content may be another than the one that was read."""
        return self.sight != self.seen or self.racy

    @property
    def unmoved(self) -> bool:
        """Whether a mere look shows it as it was read: all that is needed as long as nothing was told."""
        return self.seen is not None and not self.racy and look(self.path) == self.seen

    def wait(self, told: TellAbout, now: float, confirm: float) -> float:
        """Seconds until it may be read."""
        word = told(self.route.target)
        self._untold = self.sight == self.seen and not self._settling.has_news(word)
        if self._untold:
            return 0.0  # only racy: it is read and compared
        return self._settling.wait(
            self.sight,
            word,
            now,
            age(self.sight),
            arrived=self._arrived(),
            confirm=confirm,
            being_written=lambda: being_written(self.path),
        )

    def unsure(self, now: float) -> bool:
        """Whether it was written within a tick of the clock after it was read, and is perhaps not finished."""
        return self._untold and now - self.read_at < self._settle

    def taken(self, now: float) -> None:
        """What is in sight was read, beginning at this time."""
        super().taken(now)
        self._read_route = self.route
        self._settling.taken(now)

    def _state(self) -> LayerState:
        if self.seen is not None and self.seen.inode and not self.seen.links:
            return "stale"
        return "missing" if self.seen is None or self.seen.missing else "read"

    def _fetch(self) -> tuple[object, bytes | None]:
        self.racy = self.sight.racy(time.time_ns())
        data = fetch(self.layer)
        return data, data

    def _arrived(self) -> Arrived:
        """Whether another file was put in its place by a change to the way that leads there."""
        new = self._read_route and arrival(self._read_route, self.route)
        if not new:
            return Arrived.NOT
        return Arrived.COMPLETE if new.complete(self.sight) else Arrived.UNKNOWN
