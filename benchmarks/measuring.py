"""Timing: several kinds in turns, so that whatever disturbs the machine meets them all alike."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

Measure = Callable[[], Awaitable[float]]
"""Gives the seconds that one operation took."""

LEAST = 0.002
"""Seconds that a batch of calls lasts at least: long against what reading the clock takes."""


def timed(call: Callable[[], object]) -> Measure:
    """Measure a call in batches; how many make one is found out here, which warms it up as well."""
    count, took = 1, _batch(call, 1)
    while took < LEAST:
        count *= 2
        took = _batch(call, count)

    async def measure() -> float:
        return _batch(call, count) / count

    return measure


def _batch(call: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start


async def rounds(measures: Mapping[str, Measure], count: int) -> dict[str, list[float]]:
    """Measure each kind once a round, in another order each round; garbage is collected in between."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for measure in measures.values():
        await measure()
    order = list(measures)
    shuffle = random.Random(0).shuffle
    gc.disable()
    try:
        for _ in range(count):
            shuffle(order)
            for name in order:
                gc.collect()
                taken[name].append(await measures[name]())
    finally:
        gc.enable()
    return taken


def spread(values: Sequence[float]) -> list[float]:
    """The lower quartile, the median and the upper quartile."""
    if len(values) < 2:
        return [*values] * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return [low, middle, high]


def ratios(subject: Sequence[float], reference: Sequence[float]) -> list[float]:
    """The spread of the ratios within each round."""
    return spread([one / other for one, other in zip(subject, reference, strict=True)])


def nearly_all(values: Sequence[float]) -> float:
    """The 99th percentile; of less than a hundred values, the largest."""
    if len(values) < 100:
        return max(values)
    return statistics.quantiles(values, n=100, method="inclusive")[-1]
