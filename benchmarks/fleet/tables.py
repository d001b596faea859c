"""What a fleet's run has found, as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..figures import Cell, Figure, Row, Target
from ..measuring import nearly_all, spread
from .faults import KINDS
from .judging import arrivals, to_the_last
from .measuring import Measured
from .publishing import Accepted
from .refusing import WRONG as WRONG_REFUSING
from .refusing import Refused
from .scale import Scale
from .surviving import WRONG as WRONG_SURVIVING
from .surviving import Survived

OURS, BARE = "hotsettings", "nats-py alone (the floor)"
QUIET, TROUBLED = "without faults", "with faults"
Sizes = Mapping[int, Measured]


def latency(ours: Sizes, bare: Sizes, survived: Survived, scale: Scale) -> Figure:
    """From an acknowledged publish to all processes."""
    size = max(scale.sizes)
    accepted, logs = counted(survived), list(survived.logs.values())
    rows = [
        Row(f"{OURS}, the last process", _times(ours[size].to_last), QUIET),
        Row(f"{BARE}, the last process", _times(bare[size].to_last), QUIET),
        Row(f"{OURS}, each process", _times(ours[size].to_each), QUIET),
        Row(f"{BARE}, each process", _times(bare[size].to_each), QUIET),
        Row("the publish itself", _times(ours[size].published), QUIET),
        Row(f"{OURS}, the last process", _times(to_the_last(accepted, logs)), TROUBLED),
        Row(f"{OURS}, each process", _times([s for records in logs for s in arrivals(accepted, records)]), TROUBLED),
        Row("the publish itself", _times([(one.acknowledged - one.asked) / 1e9 for one in accepted]), TROUBLED),
    ]
    return Figure(
        name="fleet-latency",
        title=f"From an acknowledged publish to {size} processes",
        measured="From the acknowledgement, which a majority of three nodes has written to the disk, until the processes' "
        f"subscribers run: {scale.publishes} publishes, {scale.apart * 1000:g} ms apart without faults, {scale.pace:g} s with "
        "them. All processes, the three nodes and the publisher share the cores that are named above: with many processes "
        "the last one waits for the decoding of all others, which in a real fleet happens on other machines. A process may "
        "be told before the publisher is, which is a time below zero. With faults a publish takes as long as it has to be "
        "tried, and each process also keeps its copy on disk. The plot shows the 99th percentile.",
        columns={"median": "seconds", "99th": "seconds", "longest": "seconds"},
        rows=rows,
        targets=[],
        drawn="99th",
    )


def growth(ours: Sizes, bare: Sizes, scale: Scale) -> Figure:
    """How that grows with the number of processes."""
    rows = [
        Row(f"{who}, the last process", _times(sizes[size].to_last), str(size))
        for size in scale.sizes
        for who, sizes in ((OURS, ours), (BARE, bare))
    ]
    return Figure(
        name="fleet-growth",
        title="From an acknowledged publish to the last of many processes",
        measured=f"The same without faults, with more and more processes: {scale.publishes} publishes for each number.",
        columns={"median": "seconds", "99th": "seconds", "longest": "seconds"},
        rows=rows,
        targets=[],
        drawn="median",
        lines=True,
        over="processes",
    )


def loads(ours: Sizes, bare: Sizes, scale: Scale) -> Figure:
    """What each process costs the store."""
    rows = [
        Row(who, _load(sizes[size], size, scale), f"{size} processes" if size > 1 else "1 process")
        for size in scale.loads
        for who, sizes in ((OURS, ours), (BARE, bare))
    ]
    return Figure(
        name="fleet-load",
        title="What a process costs the store",
        measured="For each process: connections, subscriptions and consumers as they stand; messages and bytes in both "
        f"directions in a minute without a publish (of {scale.idle:g} s), and what each publish adds to that. For the "
        "store: the processor time of the three nodes together without a publish, and while ten documents are "
        "published per second, as a share of one core; the memory of the largest node. For one process: its processor time "
        "without a publish, and what each publish adds to that, in seconds; and the memory that it has for itself. "
        "The plot shows the bytes a minute.",
        columns={
            "connections": "count",
            "subscriptions": "count",
            "consumers": "count",
            "messages a minute": "count",
            "bytes a minute": "bytes",
            "messages a publish": "count",
            "bytes a publish": "bytes",
            "nodes idle": "share",
            "nodes publishing": "share",
            "memory of a node": "bytes",
            "a process idle": "share",
            "a process, each publish": "seconds",
            "memory of a process": "bytes",
        },
        rows=rows,
        targets=[],
        drawn="bytes a minute",
    )


def survival(survived: Survived, scale: Scale) -> Figure:
    """What became of publishes during faults, and whether anything was shown that should not have been."""
    accepted, ledger = counted(survived), survived.ledger
    times = to_the_last(accepted, list(survived.logs.values()))
    rows = [_fault(kind, survived, accepted, times) for kind in KINDS]
    states = sum(map(len, survived.logs.values()))
    return Figure(
        name="fleet-faults",
        title="Publishing while nodes fail",
        measured=f"{scale.processes} processes and {len(accepted)} publishes by compare-and-set, each tried until it is "
        f"taken; {ledger.unknown} attempts got no answer, {len(ledger.refused)} were refused, some of them on purpose. One "
        f"fault after the other, {scale.shortest:g} to {scale.longest:g} s each, or {scale.silent:g} s for a node that is "
        f"given up, in an order that the seed {scale.seed} decides, and the cluster is whole in between. All of the {states} "
        "states that the processes have shown were compared with what was acknowledged. For each kind: the publishes that "
        "were under way during such a fault or until the cluster was whole again, the longest of them from its first attempt "
        "to its acknowledgement, and the times from there to the last process. The plot shows the longest.",
        columns={
            "faults": "count",
            "publishes": "count",
            "longest publish": "seconds",
            "median": "seconds",
            "longest": "seconds",
        },
        rows=rows,
        targets=[_none(text, survived.wrong[kind]) for kind, text in WRONG_SURVIVING.items()],
        drawn="longest",
    )


def refusal(refused: Refused) -> Figure:
    """Who refuses a publish, and what is known of it."""
    return Figure(
        name="fleet-refusal",
        title="A publish that some refuse",
        measured="Some processes run an older release, which does not know a new key, and some a stricter one, which takes a "
        "smaller value only. What all processes report is read from the store; then the document is rolled back.",
        columns={"processes": "count", "name the place and the rule": "count", "such as": "text"},
        rows=[
            Row(
                f"{release} release",
                {
                    "processes": count,
                    "name the place and the rule": refused.named.get(release),
                    "such as": f"`{refused.example[release]}`" if release in refused.example else None,
                },
            )
            for release, count in refused.count.items()
        ],
        targets=[_none(text, refused.wrong[kind]) for kind, text in WRONG_REFUSING.items()],
        drawn="",
    )


def counted(survived: Survived) -> list[Accepted]:
    """The publishes that count: those since the first fault began, without those that began it all."""
    first = min((each.begin for each in survived.happened), default=0)
    return [publish for publish in survived.ledger.accepted if publish.asked >= first]


def _none(text: str, found: Sequence[str]) -> Target:
    return Target(text, float(len(found)), 0.0, unit="count")


def _times(seconds: Sequence[float]) -> dict[str, Cell]:
    return {"median": spread(seconds), "99th": nearly_all(seconds), "longest": max(seconds)}


def _fault(kind: str, survived: Survived, accepted: Sequence[Accepted], times: Sequence[float]) -> Row:
    spans = [(each.begin, each.end) for each in survived.happened if each.kind == kind]
    during = [
        ((publish.acknowledged - publish.asked) / 1e9, seconds)
        for publish, seconds in zip(accepted, times, strict=True)
        if any(publish.asked <= end and publish.acknowledged >= begin for begin, end in spans)
    ]
    cells: dict[str, Cell] = {"faults": len(spans), "publishes": len(during)}
    if during:
        taken, arrived = zip(*during, strict=True)
        cells |= {"longest publish": max(taken), "median": spread(arrived), "longest": max(arrived)}
    return Row(kind, cells)


def _load(measured: Measured, size: int, scale: Scale) -> dict[str, Cell]:
    idle, busy = measured.idle, measured.busy
    assert idle is not None
    return {
        "connections": idle.connections / size,
        "subscriptions": idle.subscriptions / size,
        "consumers": idle.consumers / size,
        "messages a minute": idle.messages / scale.idle * 60 / size,
        "bytes a minute": idle.bytes / scale.idle * 60 / size,
        "messages a publish": _added(busy.messages, idle.messages, measured, scale) / size,
        "bytes a publish": _added(busy.bytes, idle.bytes, measured, scale) / size,
        "nodes idle": idle.cpu / scale.idle,
        "nodes publishing": busy.cpu / measured.busy_for,
        "memory of a node": float(max(idle.memory, busy.memory)),
        "a process idle": measured.resting / scale.idle,
        "a process, each publish": (measured.working - measured.resting * measured.busy_for / scale.idle)
        / scale.publishes,
        "memory of a process": measured.memory,
    }


def _added(busy: float, idle: float, measured: Measured, scale: Scale) -> float:
    return (busy - idle * measured.busy_for / scale.idle) / scale.publishes
