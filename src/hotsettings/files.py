"""A layer in a file, followed: looked at, waited for while it is written, and read."""

from __future__ import annotations

import os
import time

from .followed import Followed, TellAbout
from .layers import FileLayer, fetch
from .routes import Route
from .settling import Settling
from .sight import Sight, age, look
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

    @property
    def suspect(self) -> bool:
        """Whether its content may be another than the one that was read."""
        return self.sight != self.seen or self.racy

    @property
    def unmoved(self) -> bool:
        """Whether a mere look shows it as it was read: all that is needed as long as nothing was told."""
        return self.seen is not None and not self.racy and look(self.path) == self.seen

    def distrust(self) -> None:
        """What was read last is not taken: it is suspect, however unchanged it looks."""
        self.racy = True  # and what settled is still settled

    def wait(self, told: TellAbout, now: float, confirm: float) -> float:
        """Seconds until it may be read."""
        word = told(self.route.target)
        self._untold = self.sight == self.seen and not self._settling.has_news(word)
        if self._untold:
            return 0.0  # only racy: it is read and compared
        return self._settling.wait(self.sight, self._target(), word, now, age(self.sight), confirm)

    def unsure(self, now: float) -> bool:
        """Whether it was written within a tick of the clock after it was read, and is perhaps not finished."""
        return self._untold and now - self.read_at < self._settle

    def taken(self, now: float) -> None:
        """What is in sight was read, beginning at this time."""
        super().taken(now)
        self._read_route = self.route
        self._settling.taken(self.route.target, now)

    def _state(self) -> LayerState:
        if self.seen is not None and self.seen.inode and not self.seen.links:
            return "stale"
        return "missing" if self.seen is None or self.seen.missing else "read"

    def _fetch(self) -> tuple[object, bytes | None]:
        self.racy = self.sight.racy(time.time_ns())
        data = fetch(self.layer)
        return data, data

    def _target(self) -> str:
        """Where the path leads; as before, if a file is now where a link was: it may still be growing."""
        before = self._read_route
        if before is not None and os.path.split(self.route.target) in before.entries:
            return before.target
        return self.route.target
