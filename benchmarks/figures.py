"""What a benchmark gives: rows of a table, and how its targets were met."""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct, field

Kind = Literal["seconds", "ratio", "count", "bytes", "share", "text"]
Cell = float | list[float] | str | None
"""One value, three (the lower quartile, the median, the upper quartile), words, or nothing. In seconds and bytes."""


class Row(Struct, frozen=True):
    """What was found for one contestant; ``group`` is what it did."""

    who: str
    cells: dict[str, Cell]
    group: str = ""


class Target(Struct, frozen=True):
    """``found`` may be at most ``most``. What is ``guarded`` is a ratio that any machine should give, and CI looks at it."""

    text: str
    found: float
    most: float
    guarded: bool = False
    unit: Kind = "ratio"

    def met(self, margin: float = 1.0) -> bool:
        """Whether it is, with some margin."""
        return self.found <= self.most * margin


class Figure(Struct, frozen=True):
    """One benchmark's results. ``drawn`` is the column that the plot shows; without one there is no plot."""

    name: str
    title: str
    measured: str
    columns: dict[str, Kind]
    rows: list[Row]
    targets: list[Target]
    drawn: str
    lines: bool = False
    """Drawn over the group, which is a number, and not as bars."""
    over: str = "keys"
    """What that number counts."""


class Results(Struct, frozen=True):
    """One whole run."""

    environment: dict[str, str]
    quick: bool
    seconds: float
    figures: list[Figure] = field(default_factory=list[Figure])


class Scale(NamedTuple):
    """How much is measured."""

    processes: int
    rounds: int
    imports: int
    passes: int
    edits: int
    idle: float
    reloads: int
    watchers: tuple[int, ...]
    waiters: tuple[int, ...]
    sizes: tuple[int, ...]


FULL = Scale(3, 12, 12, 2, 50, 6.0, 10_000, (1, 10, 100), (1, 100, 10_000), (10, 100, 1000, 10_000))
QUICK = Scale(1, 7, 9, 1, 5, 1.0, 1000, (1, 10), (1, 100, 10_000), (10, 100, 1000))
TINY = Scale(1, 2, 1, 1, 2, 0.2, 200, (1,), (1, 10), (10, 100))
"""Enough to see that everything runs."""


def middle(cell: Cell) -> float | None:
    """The value to draw and compare."""
    if isinstance(cell, list):
        return cell[1]
    return None if isinstance(cell, str) else cell
