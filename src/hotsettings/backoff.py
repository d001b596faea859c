"""Waiting longer and longer between attempts at what fails."""

from __future__ import annotations

FIRST = 1.0
LONGEST = 60.0
"""Seconds between two attempts: doubled from the first to the longest."""


class Backoff:
    """How long to wait before the next attempt. ``delay`` are the seconds that were asked for last, 0 at first."""

    def __init__(self) -> None:
        self.delay = 0.0

    def next(self, worked: float = 0.0) -> float:
        """Return the seconds to wait after a failure.

        ``worked`` is for how many seconds it had worked before it failed. As long as the last delay, and the delays begin
        anew; as long as the longest one, and there is none.
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
