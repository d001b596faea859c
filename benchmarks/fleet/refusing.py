"""A fleet of which some run an older release, and refuse what the others take."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from support.nats_server import Cluster

from .documents import WORD
from .processes import Fleet, came, settings_fleet
from .publishing import Publisher, publisher
from .reading import Reports, reported
from .records import KEYS, SERVICE, Shown
from .scale import Scale

BUCKET = "settings"
NEW = 'GREETING = "sesame and more"\nQUOTA = 4711\n'
"""The older release does not know the one, and the stricter one does not take the other."""
VALUES = (WORD.encode(), b"4711")
PLACES = {"older": f"{BUCKET}/{SERVICE}@{{}}:2:1  GREETING: ", "stricter": f"{BUCKET}/{SERVICE}@{{}}:3:9  QUOTA: "}
"""Where it says that, and how a report has to name it."""


class Refused(Struct, frozen=True):
    """How many processes there were of each release, how many named a place and the rule, an example, and what was wrong."""

    count: dict[str, int]
    named: dict[str, int]
    example: dict[str, str]
    wrong: dict[str, list[str]]


WRONG = {
    "unnamed": "processes that refuse, and do not report the place and the rule",
    "others": "processes that report a refusal without one",
    "values": "reports with a value in them",
    "serving": "processes that refuse, and serve something else than before",
    "behind": "processes that take it, and do not serve it",
    "unhealed": "processes that a rollback has not healed",
    "died": "processes that died, or did not end in order",
}
"""What may be wrong, in words."""


async def refuse(cluster: Cluster, folder: Path, scale: Scale) -> Refused:
    """Publish what some refuse, read all reports, and roll back."""
    older, stricter = scale.refusing
    async with publisher(cluster.urls, BUCKET) as source:
        with settings_fleet(folder, cluster.urls, BUCKET) as fleet:
            fleet.grow(older, "older")
            fleet.grow(older + stricter, "stricter")
            fleet.grow(scale.processes)
            await fleet.reach(source.ledger.position())
            before = source.ledger.position()
            published = await source.publish(SERVICE, NEW)
            refused = await _refused(source, fleet, before, published.revision)
            await source.publish(SERVICE)
            refused.wrong["unhealed"] += await _unhealed(source, fleet)
        refused.wrong["died"] += [member.order.name for member in fleet.members if not member.ended_well]
        return refused


async def _refused(source: Publisher, fleet: Fleet[Shown], before: int, after: int) -> Refused:
    refusing = {member.order.name: member.order.release for member in fleet.members if member.order.release in PLACES}
    begins = {name: PLACES[release].format(after) for name, release in refusing.items()}

    def all_through(found: Reports) -> bool:
        """Whether all have taken it or refused it; in between a report says neither."""
        return len(found) == len(fleet.members) and all(
            report.tried[SERVICE] == after and (report.applied[SERVICE] == after or report.rejection is not None)
            for report, _ in found.values()
        )

    found = await reported(source.client, BUCKET, all_through)
    named = {name for name, (report, _) in found.items() if report.rejection is not None}
    right = {name for name in named & begins.keys() if _is_named(found, name, begins[name], before, after)}
    positions = {member.order.name: member.position() for member in fleet.members}
    wrong = {kind: list[str]() for kind in WRONG}
    wrong["unnamed"] += [f"{name}: {found[name][0] if name in found else None}" for name in begins.keys() - right]
    wrong["others"] += [f"{name}: {found[name][0]}" for name in named - begins.keys()]
    wrong["values"] += [f"{name}: {raw!r}" for name, (_, raw) in found.items() if any(value in raw for value in VALUES)]
    wrong["serving"] += [name for name in begins if positions[name] != before]
    wrong["behind"] += [name for name, position in positions.items() if name not in begins and position != after]
    releases = [member.order.release for member in fleet.members]
    return Refused(
        {release: releases.count(release) for release in dict.fromkeys(releases)},
        {release: sum(refusing[name] == release for name in right) for release in PLACES},
        {refusing[name]: found[name][0].rejection or "" for name in sorted(right, reverse=True)},
        wrong,
    )


def _is_named(found: Reports, name: str, begin: str, before: int, after: int) -> bool:
    report, _ = found[name]
    rule = (report.rejection or "").removeprefix(begin)
    revisions = (report.applied[SERVICE], report.tried[SERVICE])
    return bool(rule) and rule != report.rejection and not report.healthy and revisions == (before, after)


async def _unhealed(source: Publisher, fleet: Fleet[Shown]) -> list[str]:
    last = {key: source.ledger.standing(key) for key in KEYS}

    def ill(found: Reports) -> list[str]:
        reports = (report for report, _ in found.values())
        healed = {
            report.instance
            for report in reports
            if report.healthy and report.rejection is None and report.applied == report.tried == last
        }
        return [member.order.name for member in fleet.members if member.order.name not in healed]

    found = await reported(source.client, BUCKET, lambda found: not ill(found))
    await came(lambda: fleet.all_at(source.ledger.position()))
    behind = [member.order.name for member in fleet.members if member.position() < source.ledger.position()]
    return [f"{name}: {found[name][0] if name in found else None}" for name in {*ill(found), *behind}]
