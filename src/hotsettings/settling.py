"""When a file that has changed is complete: told by who wrote it, or by how long it has stood still.

Pure: what is seen, what is known of the writer, and the time go in; how long to wait comes out.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from .sight import Sight

UNCLOSED = 10.0
"""Seconds after which a file that was modified and not closed is taken as it is: truncate(2) never closes."""

_LATE = 0.06
"""Seconds that a file's time may be behind when it is written (the kernel's clock ticks every ten milliseconds or faster),
and that the news of a write may be late on a busy machine."""


class Writer(Enum):
    """What is known of whoever changed a file."""

    UNKNOWN = "nothing was told, or not enough"
    CREATED = "the name has appeared, and what stands there may still be written"
    OPEN = "it was modified, and its writer has not closed it"
    CLOSED = "its writer has closed it, or it was moved here whole"
    APPEARED = "it was there at once, as a moved file is, but nobody tells when a writer closes"


class Told(NamedTuple):
    """The last word on a file, and when it came, in seconds of the monotonic clock.

    ``written`` is when it was told last that somebody was writing, which the last word may no longer say.
    """

    writer: Writer = Writer.UNKNOWN
    at: float = 0.0
    written: float = 0.0


class Settling:
    """Follows one path, and tells how long to wait before it may be read. Times are in seconds of a monotonic clock."""

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._seen: Sight | None = None
        self._since = 0.0
        self._read_target: str | None = None
        self._read_at = 0.0

    def wait(self, sight: Sight, target: str, told: Told, now: float, age: float, confirm: float) -> float:
        """Return how many seconds to wait, 0 if it can be read now.

        ``target`` is where the path leads, ``age`` for how long the file has not been changed by its own account. That a
        file stands still counts from the first look on, where ``age`` counts too. ``confirm`` are the seconds that APPEARED
        takes where the file's times do not tell that it was moved.
        """
        if sight != self._seen:
            self._seen, self._since = sight, now
            if self._read_target is None:
                self._since -= max(0.0, age)
        news = self.has_news(told)
        if self._read_target not in (None, target) and sight.size and not news:
            return 0.0  # a link was swapped, and what it leads to was made before
        still = now - (max(self._since, told.at) if news else self._since)
        if news and told.writer is Writer.APPEARED and age > now - told.at + _LATE:
            confirm = 0.0  # written last before it was told of, when a file that is being written was still empty
        needed = self._needed(sight, told.writer if news else Writer.UNKNOWN, min(confirm, self._settle))
        return max(0.0, needed - still)

    def has_news(self, told: Told) -> bool:
        """Whether anything was told since it was read."""
        return told.at > self._read_at

    def taken(self, target: str, at: float) -> None:
        """It was read, beginning at this time: what is told later is a new change."""
        self._read_target, self._read_at = target, at

    def _needed(self, sight: Sight, writer: Writer, confirm: float) -> float:
        """For how long it has to stand still."""
        if not sight.size or not sight.regular:
            return self._settle  # a gap between two files, or before the first byte: seldom meant
        # Writing sets both times. Where the other one is ahead, the last change was to the file's names or its mode.
        unwritten = sight.ctime_ns > sight.mtime_ns
        if writer is Writer.CLOSED or (writer is Writer.CREATED and sight.links > 1):
            return 0.0
        if writer is Writer.APPEARED:
            return 0.0 if unwritten else confirm
        if writer is Writer.CREATED and unwritten:
            return self._settle  # another name of it may have been removed since; or a writer has changed its mode
        return UNCLOSED if writer in (Writer.OPEN, Writer.CREATED) else self._settle
