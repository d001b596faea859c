"""Notifiers: how the watcher learns that a file may have changed.

An event is only a hint. What counts are the fingerprints of the files when they are checked afterwards. There are three
kinds: inotify (Linux), watchfiles (everywhere), and polling, which has no events at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from ..debounce import LastEvent
from ..symlinks import ResolvedPath

Kind = Literal["auto", "inotify", "watchfiles", "poll"]
KINDS = ("auto", "inotify", "watchfiles", "poll")


class Notifier(Protocol):
    """Reports that files may have changed, and what the last event about each file was."""

    event_delay: float
    """Seconds after ``WriterState.ADDED`` within which a write that followed would be reported."""

    reports_events: bool
    """Whether events are reported now."""

    def watch(self, resolved: Sequence[ResolvedPath]) -> bool:
        """Watch these paths from now on, and no others.

        Called in a worker thread. Returns whether another set of paths or inodes is watched now. Then the caller has to
        resolve the paths again, because changes before the watch began caused no events. Raises OSError if the system
        grants no more watches.
        """
        ...

    def read_pending(self) -> None:
        """Process the events that have arrived so far, without waiting. Called on the event loop."""
        ...

    def forked(self) -> None:
        """Close the descriptors that a forked process has inherited, and touch nothing else."""
        ...

    def last_event(self, target: str) -> LastEvent:
        """The last event about this file. Can be called from any thread."""
        ...

    async def run(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` whenever a file may have changed, until cancelled.

        Raises OSError if events can no longer be read.
        """
        ...


Opening = Callable[[], AbstractAsyncContextManager[Notifier]]


def opener(kind: Kind) -> Opening:
    """Return the function that opens a notifier of this kind. It raises OSError if the system grants no more of them.

    Raises:
        ValueError: There is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"watcher must be one of {', '.join(KINDS)}, not {kind!r}")
    if kind == "auto":
        kind = "inotify" if sys.platform == "linux" else "watchfiles"
    if kind == "inotify":
        from .inotify import Inotify

        return Inotify.open
    if kind == "watchfiles":
        from .watchfiles import Watchfiles

        return Watchfiles.open
    from .polling import Polling

    return Polling.open
