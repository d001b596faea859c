"""Debouncing: how long to wait until a changed file may be read.

Half of a TOML file is often valid TOML, so the content never shows whether a file is complete. What counts is whether
its writer has finished. Four things can show that, and each of them may be unknown:

1. **The last event** (``WriterState``). inotify reports that a name was created (CREATED), that a file was moved there
   (MOVED), that it was modified (OPEN), and that a writer closed it (CLOSED). watchfiles reports that a name was added
   (ADDED) or that a file was modified, but never a close. Without an event, nothing is known (UNKNOWN).
2. **A swap of the path** (``Swap``). After a symlink is swapped or a folder renamed, the path leads to another file.
   That file was not watched before, so there was no event about it, but there are its times. If it was last changed
   before the swap, it is complete, because nobody swaps in a file that is not. If it was changed after the swap, or in
   the same tick of the clock, somebody may still be writing it. In a Kubernetes volume the times do not matter: the
   kubelet never writes to its files after the swap.
3. **The kernel** (``fingerprint.open_for_writing``). Linux grants a read lease on a file only while no process has it
   open for writing. Only the owner of the file may ask for a lease, and the kernel knows all writers only on a local
   file system. Otherwise the answer is None: not known.
4. **Rest.** For how many seconds the fingerprint of the file has been the same. When the file is checked for the first
   time, its own times count, too.

The rules, the strongest first:

- A file that is missing, empty or not a regular file has to rest for ``settle`` seconds. This may be the gap between
  two files, or the moment before the first byte. The kernel is not asked.
- A file that was moved or swapped in as a whole, or closed by its writer, is read at once.
- A file that somebody is writing (OPEN, CREATED, or the kernel says so) waits for the close, or has to rest for
  ``UNCLOSED`` seconds. If it is OPEN but the kernel says that nobody has it open, it was changed by truncate(2), which
  is never followed by a close. Then it has to rest for ``settle``.
- A file that was swapped in, hard-linked or ADDED may have been written to since. If the kernel says that nobody has it
  open, it is read at once. With watchfiles it first has to rest for ``event_delay`` seconds, so that a second write can
  be reported. If the kernel does not know, the file waits for a close event, or has to rest for ``settle``.
- Every other file has to rest for ``settle``: closes are not reported, or an event was lost.
- The kernel is asked before any file with content is read. Its answer reveals writers of three more kinds: those whose
  file was renamed or swapped in before it was finished, those whose file another process has closed (as ``touch``
  does), and those that pause for longer than ``settle`` where closes are not reported. The price: a complete file that
  somebody keeps open has to rest for ``UNCLOSED``.
- A rest of ``enough_rest`` seconds is always enough, so that a start does not wait for ever.

Some incomplete files cannot be recognised: those whose writer was killed, found the disk full, or opens and closes the
file several times. Where the kernel does not know who writes, there are three more: those that are renamed before they
are finished, those that another process closes meanwhile, and those whose writer began before the watch did and
pauses for longer than ``settle``.

This module is pure: it does no I/O and reads no clock. Callers pass in what they know and the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from .fingerprint import Fingerprint

UNCLOSED = 10.0
"""Seconds of rest after which a file that its writer keeps open is read as it is."""

_LATE = 0.06
"""Seconds by which the times of a file may lag (the kernel's clock ticks every ten milliseconds or faster), plus the
delay of an event on a busy machine."""

_ASK_AGAIN = 0.02
"""Shortest pause, in seconds, before the kernel is asked again whether a file is open. Its close may not be
reported."""


class WriterState(Enum):
    """What the last event about a file says of its writer."""

    UNKNOWN = "there was no event, or none that shows it"
    CREATED = "the name was created, and the writer may still have the file open"
    OPEN = "the file was modified, and its writer has not closed it"
    CLOSED = "the writer has closed the file"
    MOVED = "a whole file was moved here"
    ADDED = "the name was added, by a rename or by a creation; closes are not reported"


class LastEvent(NamedTuple):
    """The last event about a file.

    Args:
        writer: What it says of the writer.
        at: When it arrived, in seconds of the monotonic clock.
        written_at: When the last event arrived that reported a write. Other events may have followed it.
    """

    writer: WriterState = WriterState.UNKNOWN
    at: float = 0.0
    written_at: float = 0.0


class Swap(Enum):
    """Whether a symlink or folder on the path was swapped since the file was read."""

    NONE = "the path leads the same way"
    COMPLETE = "the path leads to another file, which was complete before the swap"
    UNCLEAR = "the path leads to another file, which may have been written to since the swap"


class Debouncer:
    """Debounces the changes of one file. All times are in seconds of a monotonic clock."""

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
        """Return how many seconds to wait before checking again; 0 if the file may be read now.

        Args:
            fingerprint: The fingerprint of the file now.
            event: The last event about the file.
            now: The time now.
            age: Seconds since the file was changed, by its own times. Until the file has been read once, this counts as
                rest.
            swap: Whether the path leads to another file since the file was read.
            event_delay: Seconds of rest after ADDED within which another write would be reported. Not needed if the
                times of the file show that it was moved.
            enough_rest: Seconds of rest that are always enough, even if somebody has the file open.
            open_for_writing: Asks the kernel, which takes a few microseconds.
        """
        if fingerprint != self._fingerprint:
            self._fingerprint, self._unchanged_since = fingerprint, now
            if self._read_at is None:
                self._unchanged_since -= max(0.0, age)
        event_is_new = self.has_event_since_read(event)
        rested = now - (max(self._unchanged_since, event.at) if event_is_new else self._unchanged_since)
        if not fingerprint.size or not fingerprint.regular:
            return max(0.0, self._settle - rested)
        writer = event.writer if event_is_new else WriterState.UNKNOWN
        swap = Swap.NONE if event_is_new else swap
        if writer is WriterState.ADDED and age > now - event.at + _LATE:
            # It was last written before the event. A file that was just created would have been empty then: this one
            # was moved.
            swap = Swap.COMPLETE
        unclear = writer in (WriterState.OPEN, WriterState.CREATED, WriterState.ADDED) or swap is Swap.UNCLEAR
        is_open = open_for_writing() if unclear else None
        needed = min(enough_rest, self._needed(fingerprint, writer, swap, is_open, min(event_delay, self._settle)))
        if rested < needed:
            # Where a close will wake us, no polling of the kernel is needed.
            close_is_reported = writer is WriterState.OPEN or (writer is WriterState.CREATED and fingerprint.links == 1)
            return needed - rested if close_is_reported or not is_open else min(self._ask_again, needed - rested)
        # It may be read, unless somebody still has it open.
        if rested < min(UNCLOSED, enough_rest) and (is_open if unclear else open_for_writing()):
            return min(self._ask_again, min(UNCLOSED, enough_rest) - rested)
        return 0.0

    def has_event_since_read(self, event: LastEvent) -> bool:
        """Whether this event arrived since the file was read."""
        return event.at > (self._read_at or 0.0)

    def mark_read(self, at: float | None) -> None:
        """Note when the read of the file began. A later event means another change. None: it was not read yet."""
        self._read_at = at

    def _needed(
        self, fingerprint: Fingerprint, writer: WriterState, swap: Swap, is_open: bool | None, event_delay: float
    ) -> float:
        """Return for how many seconds the file has to rest."""
        if writer in (WriterState.CLOSED, WriterState.MOVED) or swap is Swap.COMPLETE:
            return 0.0
        if is_open:
            return UNCLOSED
        # A write sets both times. If ctime is ahead, the last change was a rename, a link or a new mode, and not a
        # write.
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
