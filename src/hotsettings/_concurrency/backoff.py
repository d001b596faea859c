"""Exponential backoff between attempts."""

from __future__ import annotations

import random

FIRST = 1.0
"""Seconds of the first delay, unless a backoff is made with another."""
LONGEST = 60.0
"""Seconds of the longest delay, unless a backoff is made with another."""


class Backoff:
    """How long to wait before the next attempt: twice as long after each failure.

    ``delay`` is the last delay in seconds, jitter left out, and 0 at first.

    Args:
        first: Seconds of the first delay; ``FIRST`` if None.
        longest: Seconds of the longest delay; ``LONGEST`` if None.
        jitter: Whether to wait for a random part of each delay, so that many processes do not try again at the same
            moment.
    """

    def __init__(self, first: float | None = None, longest: float | None = None, *, jitter: bool = False) -> None:
        self.first = FIRST if first is None else first
        self.longest = LONGEST if longest is None else longest
        self.delay = 0.0
        self._jitter = jitter

    def next(self, worked: float = 0.0) -> float:
        """Return how many seconds to wait after a failure.

        Args:
            worked: For how many seconds it had worked before it failed. If that is at least the last delay, the delays
                start again with the first one. If it is at least the longest delay, there is no delay at all.
        """
        if worked >= self.longest:
            self.delay = 0.0
        elif worked >= self.delay:
            self.delay = self.first
        else:
            self.delay = min(2 * self.delay, self.longest)
        return self.delay * random.random() if self._jitter else self.delay

    def reset(self) -> None:
        """Start again with the first delay."""
        self.delay = 0.0
