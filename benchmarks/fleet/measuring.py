"""Latency and load of fleets that grow, while nothing else happens."""

from __future__ import annotations

from pathlib import Path

import anyio
import psutil
from anyio import to_thread
from msgspec import Struct
from support.nats_server import Cluster

from .judging import arrivals, to_the_last
from .load import Load, load
from .processes import Fleet, bare_fleet, settings_fleet
from .publishing import Publisher, publisher
from .records import KEYS, R
from .scale import Scale

WARMING = 10
"""Publishes before those that count."""


class Measured(Struct, frozen=True):
    """So many processes: seconds from each acknowledgement to the last process and to each one, and what each publish took.

    ``idle`` is the store's load in ``scale.idle`` seconds without a publish, ``busy`` that in ``busy_for`` seconds with all
    of them; ``resting`` and ``working`` are the seconds of processor time that one process has taken then, on average.
    ``memory`` is what one process has for itself, in bytes, on the median.
    """

    to_last: list[float]
    to_each: list[float]
    published: list[float]
    idle: Load | None
    busy: Load
    busy_for: float
    resting: float
    working: float
    memory: float


async def settings_growth(cluster: Cluster, folder: Path, scale: Scale) -> dict[int, Measured]:
    """Measure processes that follow settings, for each size."""
    with settings_fleet(folder, cluster.urls, "settings") as fleet:
        return await _growth(cluster, fleet, "settings", scale)


async def bare_growth(cluster: Cluster, folder: Path, scale: Scale) -> dict[int, Measured]:
    """Measure processes that watch with nats-py alone, for each size."""
    with bare_fleet(folder, cluster.urls, "bare") as fleet:
        return await _growth(cluster, fleet, "bare", scale)


async def _growth(cluster: Cluster, fleet: Fleet[R], bucket: str, scale: Scale) -> dict[int, Measured]:
    async with publisher(cluster.urls, bucket) as source:
        return {size: await _measured(cluster, fleet, source, size, scale) for size in scale.sizes}


async def _measured(cluster: Cluster, fleet: Fleet[R], source: Publisher, size: int, scale: Scale) -> Measured:
    bucket = fleet.bucket
    fleet.grow(size)
    await fleet.reach(source.ledger.position())
    await _publish(source, WARMING, scale.apart)
    await fleet.reach(source.ledger.position())
    await anyio.sleep(1.0)
    before, spent = await to_thread.run_sync(load, cluster, bucket), _spent(fleet)
    idle, resting = None, 0.0
    if size in scale.loads:
        await anyio.sleep(scale.idle)
        after = await to_thread.run_sync(load, cluster, bucket)
        idle, before = after.since(before), after
        resting, spent = _spent(fleet) - spent, _spent(fleet)
    began, first = anyio.current_time(), len(source.ledger.accepted)
    await _publish(source, scale.publishes, scale.apart)
    await fleet.reach(source.ledger.position())
    busy_for = anyio.current_time() - began
    busy = (await to_thread.run_sync(load, cluster, bucket)).since(before)
    accepted = source.ledger.accepted[first:]
    logs = [member.log.records for member in fleet.members]
    return Measured(
        to_the_last(accepted, logs),
        [seconds for records in logs for seconds in arrivals(accepted, records)],
        [(publish.acknowledged - publish.asked) / 1e9 for publish in accepted],
        idle,
        busy,
        busy_for,
        resting,
        _spent(fleet) - spent,
        sorted(_memory(member.status) for member in fleet.members)[len(fleet.members) // 2],
    )


async def _publish(source: Publisher, count: int, apart: float) -> None:
    for number in range(count):
        await source.publish(KEYS[number % len(KEYS)])
        await anyio.sleep(apart)


def _spent(fleet: Fleet[R]) -> float:
    """Seconds of processor time that one process has taken so far, on average."""
    times = [member.status.cpu_times() for member in fleet.members]
    return float(sum(each.user + each.system for each in times)) / len(times)


def _memory(process: psutil.Process) -> float:
    return float(process.memory_full_info().uss)
