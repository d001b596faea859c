"""Being woken to look at files again. An event is a hint only: what counts is what a look then shows.

All kinds have one face, ``Wakeups``: inotify itself (Linux), watchfiles (everywhere), and looking alone.
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
    """Something that tells when to look again, and what it knows of who is writing."""

    event_delay: float
    """Seconds that ``Writer.APPEARED`` takes to confirm."""

    blind: bool
    """Whether nothing can be told, or it is not known yet that something can."""

    def watch(self, resolved: Sequence[ResolvedPath]) -> bool:
        """Watch these routes from now on; return whether that is another set than before, so that a look must follow.

        Called in a worker thread. Raises OSError when the system gives no more watches.
        """
        ...

    def read_pending(self) -> None:
        """Take in what has been told so far, without waiting."""
        ...

    def last_event(self, target: str) -> LastEvent:
        """The last word on who changed this file."""
        ...

    async def run(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` whenever something may have changed, until cancelled. Raises OSError when that cannot go on."""
        ...


Opening = Callable[[], AbstractAsyncContextManager[Notifier]]


def opener(kind: Kind) -> Opening:
    """Return what opens wakeups of this kind; opening raises OSError where the system has no more to give."""
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
