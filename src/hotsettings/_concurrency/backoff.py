"""Exponential backoff between attempts."""

from __future__ import annotations

FIRST = 1.0
LONGEST = 60.0
"""Seconds: each delay is twice the one before, from the first to the longest."""


class Backoff:
    """How long to wait before the next attempt. ``delay`` is what ``next`` returned last, in seconds, 0 at first."""

    def __init__(self) -> None:
        self.delay = 0.0

    def next(self, worked: float = 0.0) -> float:
        """Return how many seconds to wait after a failure.

        Args:
            worked: For how many seconds it had worked before it failed. If that is at least the last delay, the delays begin
                with the first one again. If it is at least the longest delay, there is no delay at all.
        """
        if worked >= LONGEST:
            self.delay = 0.0
        elif worked >= self.delay:
            self.delay = FIRST
        else:
            self.delay = min(2 * self.delay, LONGEST)
        return self.delay

    def reset(self) -> None:
        """Begin with the first delay again."""
        self.delay = 0.0
