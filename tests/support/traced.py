"""Whether coverage measures this process, and those that it starts.

It slows Python down, but no compiled code, so no limit of time holds there.
"""

import os

import pytest
from coverage import Coverage

TRACED = Coverage.current() is not None

untraced = pytest.mark.skipif(TRACED, reason="coverage slows Python down; the limit is for a process without it")
"""Marks a test that limits the time of its own process."""


def untraced_environ() -> dict[str, str]:
    """Return an environment in which coverage does not measure the process that gets it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}
