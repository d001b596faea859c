"""Debouncing: when a changed file may be read.

Half of a TOML file is often valid TOML, so the content never shows whether a file is complete. What counts is whether its
writer has finished. There are four sources of knowledge, and each of them may have no answer:

1. **Events.** inotify reports that a name was created (CREATED), that a file was moved there (MOVED), that it was modified
   (OPEN), and that a writer closed it (CLOSED). watchfiles reports that a name was added (APPEARED) or that a file was
   modified, but never a close. Where there are no events, nothing is known (UNKNOWN).
2. **The path.** A swapped link or a renamed folder puts another file at the path (``Arrival``). That file was not watched
   before, so no event says anything about it, but its times do. If it was last changed before the swap, it was complete,
   because nobody swaps in a file that is not. If it was changed after the swap, or in the same tick of the clock, somebody may
   still be writing it. A Kubernetes volume needs no times: the kubelet never writes to its files after the swap.
3. **The kernel.** Linux grants a read lease on a file only while no process has it open for writing
   (``sight.being_written``). Only the owner of the file may ask for one, and only on a local file system does the kernel know
   of every writer. Everywhere else the answer is None: not known.
4. **Rest.** For how long the file has not changed. Our own looks tell, and at the first look the file's times do, too.

The rules, the strongest first:

- The file is missing, empty, or not a regular file: it is taken after ``settle`` seconds. This may be the gap between two
  files, or the moment before the first byte. The kernel is not asked.
- The file was moved or swapped in whole, or its writer has closed it: it is taken at once.
- Somebody is writing the file (OPEN, CREATED, or the kernel says so): it waits for the close, or until nobody has written for
  ``UNCLOSED`` seconds. If it is OPEN and the kernel says that nobody has it open, it was changed by truncate(2), which never
  closes: it is taken after ``settle``.
- The file was swapped in, hard-linked or added (APPEARED), and may have been written to since: it is taken at once if the
  kernel says that nobody has it open. With watchfiles ``confirm`` seconds pass first, so that a second write can be reported.
  If the kernel does not know, the file waits for a close event or for ``settle``.
- Everything else has to rest for ``settle``: closes are not reported, or an event was lost.
- The kernel is asked before any file with content is taken. The answer finds three more writers: one whose file was renamed or
  swapped in before it was finished, one whose file another process has closed (``touch`` opens and closes, too), and one that
  pauses for longer than ``settle`` where no event reports closes. The price: a finished file that somebody keeps open
  waits for ``UNCLOSED`` seconds.
- ``longest`` limits all of this: a start does not wait for ever.

Some halves cannot be recognised: the file of a writer that was killed, of one that met a full disk, and of one that opens and
closes the file several times. Where the kernel does not know who writes, there are three more: a file that is renamed
before its last byte, a file that another process closes meanwhile, and a writer that was there before the watch began and
pauses for longer than ``settle``.

The module is pure. What is seen, what is known about the writer and the time go in; how long to wait comes out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from .fingerprint import Sight

UNCLOSED = 10.0
"""Seconds without a write after which a file that its writer keeps open is taken as it is."""

_LATE = 0.06
"""Seconds by which the time of a written file may lag (the kernel's clock ticks every ten milliseconds or faster), together with
the delay of an event on a busy machine."""

_ASK_AGAIN = 0.02
"""Least seconds between two questions to the kernel whether a file is still open. Its close may not be reported."""


class Writer(Enum):
    """What the last event says about whoever changed a file."""

    UNKNOWN = "there was no event, or none that says enough"
    CREATED = "the name was created, and the file may still be written to"
    OPEN = "the file was modified, and its writer has not closed it"
    CLOSED = "its writer has closed it"
    MOVED = "the file was moved here, as a whole"
    APPEARED = "the name was added: a rename and a creation look the same, and closes are not reported"


class Told(NamedTuple):
    """The last event about a file, and when it came, in seconds of the monotonic clock.

    ``written`` is the time of the last event that reported a write; other events may have followed.
    """

    writer: Writer = Writer.UNKNOWN
    at: float = 0.0
    written: float = 0.0


class Arrived(Enum):
    """Whether the path leads through other links or folders than when the file was read."""

    NOT = "it leads the same way"
    COMPLETE = "it leads to another file, which was complete before"
    UNKNOWN = "it leads to another file, which may have been written to since"


class Settling:
    """Follows one path, and says how long to wait until the file may be read. Times are in seconds of a monotonic clock."""

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
        longest: float = math.inf,
        being_written: Callable[[], bool | None] = lambda: None,
    ) -> float:
        """Return how many seconds to wait, 0 if the file can be read now.

        Args:
            sight: What the file looks like now.
            told: The last event about it.
            now: The time.
            age: Seconds since the file was changed, by its own times. They count at the first look only.
            arrived: Whether the path leads to another file than before.
            confirm: Seconds to wait after APPEARED, where the file's times do not show that it was moved.
            longest: Seconds of rest that are always enough, even if somebody has the file open.
            being_written: Asks the kernel, which costs a few microseconds.
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
            # It was written before it was reported. A file that is being written was still empty then.
            arrived = Arrived.COMPLETE
        unclear = writer in (Writer.OPEN, Writer.CREATED, Writer.APPEARED) or arrived is Arrived.UNKNOWN
        written = being_written() if unclear else None
        needed = min(longest, self._needed(sight, writer, arrived, written, min(confirm, self._settle)))
        if still < needed:
            close_is_told = writer is Writer.OPEN or (writer is Writer.CREATED and sight.links == 1)
            return needed - still if close_is_told or not written else min(self._again, needed - still)
        # It may be taken, unless somebody is still writing.
        if still < min(UNCLOSED, longest) and (written if unclear else being_written()):
            return min(self._again, min(UNCLOSED, longest) - still)
        return 0.0

    def has_news(self, told: Told) -> bool:
        """Whether there was an event since the file was read."""
        return told.at > (self._read_at or 0.0)

    def taken(self, at: float) -> None:
        """Note that a read began at this time: a later event means a new change."""
        self._read_at = at

    def _needed(self, sight: Sight, writer: Writer, arrived: Arrived, written: bool | None, confirm: float) -> float:
        """For how many seconds it has to rest."""
        if writer in (Writer.CLOSED, Writer.MOVED) or arrived is Arrived.COMPLETE:
            return 0.0
        if written:
            return UNCLOSED
        # Writing sets both times. If ctime is ahead, the last change was to the file's names or its mode.
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
