"""How large a run is."""

from __future__ import annotations

from typing import NamedTuple


class Scale(NamedTuple):
    """Times are in seconds. ``sizes`` are numbers of processes; with ``loads`` of them the store's load is measured too."""

    processes: int
    publishes: int
    apart: float
    pace: float
    """Between two publishes: when nothing happens, and on average while faults do."""
    sizes: tuple[int, ...]
    loads: tuple[int, ...]
    idle: float
    shortest: float
    longest: float
    """Of a fault."""
    silent: float
    """For which a node is paused until those who are connected to it give it up."""
    between: float
    """Between two faults."""
    refusing: tuple[int, int]
    """How many processes run an older release, and a stricter one."""
    seed: int = 7


FULL = Scale(50, 200, 0.1, 0.4, (1, 2, 5, 10, 20, 50), (1, 10, 50), 60.0, 2.0, 8.0, 20.0, 2.0, (3, 2))
QUICK = Scale(8, 30, 0.1, 0.4, (1, 2, 4, 8), (1, 8), 12.0, 0.5, 3.0, 10.0, 0.5, (1, 1))
