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

from .fingerprint import Fingerprint

UNCLOSED = 10.0
"""Seconds without a write after which a file that its writer keeps open is taken as it is."""

_LATE = 0.06
"""Seconds by which the time of a written file may lag (the kernel's clock ticks every ten milliseconds or faster), together with
the delay of an event on a busy machine."""

_ASK_AGAIN = 0.02
"""Least seconds between two questions to the kernel whether a file is still open. Its close may not be reported."""


class WriterState(Enum):
    """What the last event says about whoever changed a file."""

    UNKNOWN = "there was no event, or none that says enough"
    CREATED = "the name was created, and the file may still be written to"
    OPEN = "the file was modified, and its writer has not closed it"
    CLOSED = "its writer has closed it"
    MOVED = "the file was moved here, as a whole"
    ADDED = "the name was added: a rename and a creation look the same, and closes are not reported"


class LastEvent(NamedTuple):
    """The last event about a file, and when it came, in seconds of the monotonic clock.

    ``written`` is the time of the last event that reported a write; other events may have followed.
    """

    writer: WriterState = WriterState.UNKNOWN
    at: float = 0.0
    written_at: float = 0.0


class Swap(Enum):
    """Whether the path leads through other links or folders than when the file was read."""

    NONE = "it leads the same way"
    COMPLETE = "it leads to another file, which was complete before"
    UNCLEAR = "it leads to another file, which may have been written to since"


class Debouncer:
    """Follows one path, and says how long to wait until the file may be read. Times are in seconds of a monotonic clock."""

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._ask_again = max(settle, _ASK_AGAIN)
        self._fingerprint: Fingerprint | None = None
        self._unchanged_since = 0.0
        self._read_at: float | None = None

    def wait(
        self,
        fingerprint: Fingerprint,
        event: LastEvent,
        now: float,
        age: float,
        *,
        swap: Swap = Swap.NONE,
        event_delay: float = 0.0,
        enough_rest: float = math.inf,
        open_for_writing: Callable[[], bool | None] = lambda: None,
    ) -> float:
        """Return how many seconds to wait, 0 if the file can be read now.

        Args:
            fingerprint: What the file looks like now.
            event: The last event about it.
            now: The time.
            age: Seconds since the file was changed, by its own times. They count at the first look only.
            swap: Whether the path leads to another file than before.
            event_delay: Seconds to wait after APPEARED, where the file's times do not show that it was moved.
            enough_rest: Seconds of rest that are always enough, even if somebody has the file open.
            open_for_writing: Asks the kernel, which costs a few microseconds.
        """
        if fingerprint != self._fingerprint:
            self._fingerprint, self._unchanged_since = fingerprint, now
            if self._read_at is None:
                self._unchanged_since -= max(0.0, age)
        news = self.has_event_since_read(event)
        rested = now - (max(self._unchanged_since, event.at) if news else self._unchanged_since)
        if not fingerprint.size or not fingerprint.regular:
            return max(0.0, self._settle - rested)
        writer = event.writer if news else WriterState.UNKNOWN
        swap = Swap.NONE if news else swap
        if writer is WriterState.ADDED and age > now - event.at + _LATE:
            # It was written before it was reported. A file that is being written was still empty then.
            swap = Swap.COMPLETE
        unclear = writer in (WriterState.OPEN, WriterState.CREATED, WriterState.ADDED) or swap is Swap.UNCLEAR
        is_open = open_for_writing() if unclear else None
        needed = min(enough_rest, self._needed(fingerprint, writer, swap, is_open, min(event_delay, self._settle)))
        if rested < needed:
            close_is_told = writer is WriterState.OPEN or (writer is WriterState.CREATED and fingerprint.links == 1)
            return needed - rested if close_is_told or not is_open else min(self._ask_again, needed - rested)
        # It may be taken, unless somebody is still writing.
        if rested < min(UNCLOSED, enough_rest) and (is_open if unclear else open_for_writing()):
            return min(self._ask_again, min(UNCLOSED, enough_rest) - rested)
        return 0.0

    def has_event_since_read(self, event: LastEvent) -> bool:
        """Whether there was an event since the file was read."""
        return event.at > (self._read_at or 0.0)

    def mark_read(self, at: float) -> None:
        """Note that a read began at this time: a later event means a new change."""
        self._read_at = at

    def _needed(
        self, fingerprint: Fingerprint, writer: WriterState, swap: Swap, is_open: bool | None, event_delay: float
    ) -> float:
        """For how many seconds it has to rest."""
        if writer in (WriterState.CLOSED, WriterState.MOVED) or swap is Swap.COMPLETE:
            return 0.0
        if is_open:
            return UNCLOSED
        # Writing sets both times. If ctime is ahead, the last change was to the file's names or its mode.
        unwritten = fingerprint.ctime_ns > fingerprint.mtime_ns
        linked = writer is WriterState.CREATED and fingerprint.links > 1
        if unwritten and (linked or writer is WriterState.ADDED):
            return 0.0
        if is_open is None:
            unclosed = writer is WriterState.OPEN or (writer is WriterState.CREATED and not unwritten and not linked)
            return UNCLOSED if unclosed else self._settle
        if linked or swap is Swap.UNCLEAR:
            return 0.0
        return event_delay if writer is WriterState.ADDED else self._settle
