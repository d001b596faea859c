"""A fleet that is published to while nodes of its store are killed, paused and started again."""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import anyio
from anyio import to_thread
from msgspec import Struct
from support.nats_server import Cluster

from .faults import Happened, let_happen, schedule
from .judging import FAULTS, judge, lost_from
from .processes import Fleet, came, settings_fleet
from .publishing import Ledger, Publisher, answered, publisher_by_the_library
from .reading import Reports, reported
from .records import BASE, KEYS, SERVICE, Shown
from .scale import Scale

BUCKET = "settings"
COMPLAINT = re.compile(r"Traceback|never retrieved|never awaited|was destroyed")


class Survived(Struct, frozen=True):
    """What was published, shown and found; ``wrong`` has each kind of fault with what was found of it."""

    ledger: Ledger
    logs: dict[str, list[Shown]]
    happened: list[Happened]
    wrong: dict[str, list[str]]


WRONG = FAULTS | {
    "history": "entries in which the bucket's history differs from what was acknowledged",
    "reports": "processes that do not report the last revisions in the end",
    "more": "processes with more descriptors or threads than before",
    "died": "processes that died, or did not end in order",
    "said": "processes with an error that nobody has foreseen",
}
"""What may be wrong, in words."""


async def survive(cluster: Cluster, folder: Path, scale: Scale) -> Survived:
    """Publish while faults happen, and judge what all processes have shown."""
    async with publisher_by_the_library(cluster.urls, BUCKET) as source:
        with settings_fleet(folder, cluster.urls, BUCKET) as fleet:
            fleet.grow(scale.processes, copying=True)
            await fleet.reach(source.ledger.position())
            for key in KEYS:  # what a process has from its first reload on counts as there from the beginning
                await source.publish(key)
            await fleet.reach(source.ledger.position())
            before = _held(fleet)
            happened = await _publish_under_faults(cluster, source, scale)
            await came(lambda: fleet.all_at(source.ledger.position()))
            wrong = {
                "history": lost_from(await _kept(source), source.ledger.accepted),
                "reports": await _unreported(source, fleet),
                "more": await _grown(fleet, before),
            }
        wrong["died"] = [f"{member.order.name}: {member.said}" for member in fleet.members if not member.ended_well]
        wrong["said"] = [
            f"{member.order.name}: {member.said}" for member in fleet.members if COMPLAINT.search(member.said)
        ]
        for member in fleet.members:
            member.log.last()  # reads what was written to the end
        logs = {member.order.name: member.log.records for member in fleet.members}
        return Survived(source.ledger, logs, happened, judge(source.ledger, logs) | wrong)


async def _publish_under_faults(cluster: Cluster, source: Publisher, scale: Scale) -> list[Happened]:
    """Publish as often as is wanted, and on until every kind of fault has been there."""
    chance, enough = random.Random(scale.seed), Event()
    happened: list[Happened] = []
    over = anyio.Event()

    async def trouble() -> None:
        faults = schedule(scale.seed, scale.shortest, scale.longest, scale.silent)
        happened.extend(await to_thread.run_sync(let_happen, cluster, BUCKET, faults, enough, scale.between))
        over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(trouble)
        try:
            for number in itertools.count(1):
                await anyio.sleep(chance.uniform(0.5, 1.5) * scale.pace)
                await source.publish(chance.choice((BASE, SERVICE)))
                if number % 10 == 0:
                    await source.refused(chance.choice((BASE, SERVICE)))
                if number >= scale.publishes:
                    enough.set()
                    if over.is_set():
                        break
        finally:
            enough.set()
    return happened


async def _kept(source: Publisher) -> dict[str, dict[int, bytes]]:
    """The history of each key, by revision."""
    kept: dict[str, dict[int, bytes]] = {}
    for key in KEYS:
        entries = await answered(functools.partial(source.bucket.history, key))
        kept[key] = {entry.revision or 0: entry.value or b"" for entry in entries}
    return kept


async def _unreported(source: Publisher, fleet: Fleet[Shown]) -> list[str]:
    last = {key: source.ledger.standing(key) for key in KEYS}
    names = {member.order.name for member in fleet.members}

    def done(found: Reports) -> set[str]:
        return {name for name, (report, _) in found.items() if report.applied == last and report.healthy}

    found = await reported(source.client, BUCKET, lambda found: done(found) == {*found} == names)
    return [f"{name}: {found[name][0] if name in found else None}" for name in names - done(found)]


def _held(fleet: Fleet[Shown]) -> list[dict[str, int]]:
    return [
        {"descriptors": member.status.num_fds(), "threads": member.status.num_threads()}
        for member in fleet.members
        if member.running
    ]


async def _grown(fleet: Fleet[Shown], before: Sequence[dict[str, int]]) -> list[str]:
    """What has more than before, in the end: a connection may just be made anew."""

    def grown() -> list[str]:
        return [
            f"a process with {now}, {was} before"
            for now, was in zip(_held(fleet), before, strict=False)
            if any(now[what] > was[what] for what in was)
        ]

    async def none_has() -> bool:
        return not grown()

    await came(none_has)
    return grown()
