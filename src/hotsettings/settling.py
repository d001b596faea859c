"""Debouncing: when a file that has changed may be read.

The half of a TOML file is often a valid TOML file. So nothing in a file tells that it is complete; what counts is what is
known of its writer. There are four sources, and each of them may be silent:

1. **Events.** inotify tells when a name appears (CREATED), when something is moved to it (MOVED), when it is modified (OPEN)
   and when a writer closes it (CLOSED). watchfiles tells that a name has appeared (APPEARED) and that a file was modified,
   never that it was closed. A look without events is told nothing (UNKNOWN).
2. **The way.** The file is another one because a link was swapped or a folder renamed (``Arrival``). Nobody has watched it
   before, so that no event has told of what happened to it. Its times tell: a file that was last changed before the swap was
   complete, or whoever swapped would not have swapped. A file that was changed after the swap may have a writer of whom no
   event has told, and so may one that was changed in the same tick of the clock. The link of a Kubernetes volume needs no
   times: what it leads to is never written to after the swap.
3. **The kernel.** Linux grants a read lease on a file only while no process has it open for writing (``sight.being_written``).
   Only the owner of a file may ask, and only of a local file system is the answer the whole truth; else it is not known (None).
4. **Rest.** For how long the file has stood still, by our looks and, at the first look, by its own times.

What follows from them, the strongest first:

- A file that is missing, empty or no file is taken after ``settle`` seconds: it is a gap between two files, or before the
  first byte. The kernel is not asked.
- A file that was moved or swapped in whole, or whose writer has closed it, is taken at once.
- A file that is known to be written (OPEN, CREATED, or the kernel says so) waits for its close, or until it has not been
  written for ``UNCLOSED`` seconds. If the kernel says that nobody has it open, that is truncate(2), which never closes: it
  is taken after ``settle``.
- A file that has arrived, was linked in or has appeared, and may have been written since, is taken at once if the kernel
  says that nobody writes (``confirm`` gives watchfiles the time to tell of a second write). If the kernel does not say, the
  file waits for a close that is told, or for ``settle``.
- Everything else has to stand still for ``settle``: closes are not told, or an event was lost.
- Before any file with content is taken, the kernel is asked. This finds a writer whose file was renamed or swapped in before
  he had finished, one whose file somebody else has closed (``touch`` opens and closes, too), and one who rests for longer
  than ``settle`` where no event tells of closes. Whoever keeps a finished file open pays for it with ``UNCLOSED`` seconds.

What remains is what nobody can know: a writer that was killed in the middle, a full disk, a writer that opens and closes the
file several times. Where the kernel does not say who writes: a rename before the last byte, a close by another process, and
a writer that rests for longer than ``settle`` after it has begun before the watch has.

Pure: what is seen, what is known of the writer, and the time go in; how long to wait comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from .sight import Sight

UNCLOSED = 10.0
"""Seconds without a write after which a file that its writer keeps open is taken as it is."""

_LATE = 0.06
"""Seconds that a file's time may be behind when it is written (the kernel's clock ticks every ten milliseconds or faster),
and that the news of a write may be late on a busy machine."""

_ASK_AGAIN = 0.02
"""Seconds, at least, between two questions to the kernel whether a file is still open: its close may not be told."""


class Writer(Enum):
    """What events have told of whoever changed a file."""

    UNKNOWN = "nothing was told, or not enough"
    CREATED = "the name has appeared, and what stands there may still be written"
    OPEN = "it was modified, and its writer has not closed it"
    CLOSED = "its writer has closed it"
    MOVED = "it was moved here, which is said of whole files"
    APPEARED = "it was there at once, as a moved file is, but nobody tells when a writer closes"


class Told(NamedTuple):
    """The last word on a file, and when it came, in seconds of the monotonic clock.

    ``written`` is when it was told last that somebody was writing, which the last word may no longer say.
    """

    writer: Writer = Writer.UNKNOWN
    at: float = 0.0
    written: float = 0.0


class Arrived(Enum):
    """Whether the way to the file has changed since it was read."""

    NOT = "the way is the same"
    COMPLETE = "another file was put in its place, and was complete before"
    UNKNOWN = "another file was put in its place, and may have been written to since"


class Settling:
    """Follows one path, and tells how long to wait before it may be read. Times are in seconds of a monotonic clock."""

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._again = max(settle, _ASK_AGAIN)
        self._seen: Sight | None = None
        self._since = 0.0
        self._read_at: float | None = None

    def wait(
        self,
        sight: Sight,
        told: Told,
        now: float,
        age: float,
        *,
        arrived: Arrived = Arrived.NOT,
        confirm: float = 0.0,
        being_written: Callable[[], bool | None] = lambda: None,
    ) -> float:
        """Return how many seconds to wait, 0 if it can be read now.

        ``age`` is for how long the file has not been changed by its own account. That a file stands still counts from the
        first look on, where ``age`` counts too. ``confirm`` are the seconds that APPEARED takes where the file's times do
        not tell that it was moved. ``being_written`` asks the kernel, which costs a few microseconds.
        """
        if sight != self._seen:
            self._seen, self._since = sight, now
            if self._read_at is None:
                self._since -= max(0.0, age)
        news = self.has_news(told)
        still = now - (max(self._since, told.at) if news else self._since)
        if not sight.size or not sight.regular:
            return max(0.0, self._settle - still)
        writer = told.writer if news else Writer.UNKNOWN
        arrived = Arrived.NOT if news else arrived
        if writer is Writer.APPEARED and age > now - told.at + _LATE:
            arrived = (
                Arrived.COMPLETE
            )  # written last before it was told of, when one that is being written was still empty
        unclear = writer in (Writer.OPEN, Writer.CREATED, Writer.APPEARED) or arrived is Arrived.UNKNOWN
        written = being_written() if unclear else None
        needed = self._needed(sight, writer, arrived, written, min(confirm, self._settle))
        if still < needed:
            close_is_told = writer is Writer.OPEN or (writer is Writer.CREATED and sight.links == 1)
            return needed - still if close_is_told or not written else min(self._again, needed - still)
        # It may be taken, unless somebody is still at it.
        if still < UNCLOSED and (written if unclear else being_written()):
            return min(self._again, UNCLOSED - still)
        return 0.0

    def has_news(self, told: Told) -> bool:
        """Whether anything was told since it was read."""
        return told.at > (self._read_at or 0.0)

    def taken(self, at: float) -> None:
        """It was read, beginning at this time: what is told later is a new change."""
        self._read_at = at

    def _needed(self, sight: Sight, writer: Writer, arrived: Arrived, written: bool | None, confirm: float) -> float:
        """For how long it has to stand still."""
        if writer in (Writer.CLOSED, Writer.MOVED) or arrived is Arrived.COMPLETE:
            return 0.0
        if written:
            return UNCLOSED
        # Writing sets both times. Where the other one is ahead, the last change was to the file's names or its mode.
        unwritten = sight.ctime_ns > sight.mtime_ns
        linked = writer is Writer.CREATED and sight.links > 1
        if unwritten and (linked or writer is Writer.APPEARED):
            return 0.0
        if written is None:
            unclosed = writer is Writer.OPEN or (writer is Writer.CREATED and not unwritten and not linked)
            return UNCLOSED if unclosed else self._settle
        if linked or arrived is Arrived.UNKNOWN:
            return 0.0
        return confirm if writer is Writer.APPEARED else self._settle
