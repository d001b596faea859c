"""What happens to a cluster: nodes are killed, paused and started again, in an order that a seed decides."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from threading import Event

from msgspec import Struct
from support.nats_server import Cluster, Server

from ..process import MeasurementFailed
from .processes import PATIENCE

GIVEN_UP = "paused until it is given up"
KINDS = ("killed", "paused", GIVEN_UP, "restarted", "leader killed", "leader paused", "two down")


class Fault(Struct, frozen=True):
    """``node`` is the number of one, for those that do not meet the leader of the stream."""

    kind: str
    node: int
    seconds: float


class Happened(Struct, frozen=True):
    """A fault, from its beginning until the cluster was whole again: nanoseconds of the monotonic clock."""

    kind: str
    begin: int
    end: int


def schedule(seed: int, shortest: float, longest: float, silent: float) -> Iterator[Fault]:
    """Yield faults for ever, every kind once in each round. A node is given up that was ``silent`` for so many seconds."""
    chance = random.Random(seed)
    while True:
        kinds = [*KINDS]
        chance.shuffle(kinds)
        for kind in kinds:
            node, seconds = chance.randrange(3), chance.uniform(shortest, longest)
            yield Fault(kind, node, silent if kind == GIVEN_UP else seconds)


def let_happen(cluster: Cluster, bucket: str, faults: Iterator[Fault], enough: Event, pause: float) -> list[Happened]:
    """Let one fault happen after the other, until it is enough and every kind has been there. Blocks."""
    happened: list[Happened] = []
    for fault in faults:
        begin = time.monotonic_ns()
        _happen(cluster, f"KV_{bucket}", fault)
        _heal(cluster)
        happened.append(Happened(fault.kind, begin, time.monotonic_ns()))
        time.sleep(pause)
        if enough.is_set() and len(happened) >= len(KINDS):
            break
    return happened


def _happen(cluster: Cluster, stream: str, fault: Fault) -> None:
    leader = "leader" in fault.kind
    node = cluster.leader(stream) if leader else cluster.nodes[fault.node]
    if fault.kind == "two down":
        _another(cluster, node).pause()
        node.kill()
    elif "paused" in fault.kind:
        node.pause()
    elif fault.kind == "restarted":
        node.stop()
    else:
        node.kill()
    time.sleep(fault.seconds)


def _another(cluster: Cluster, node: Server) -> Server:
    return cluster.nodes[(cluster.nodes.index(node) + 1) % len(cluster.nodes)]


def _heal(cluster: Cluster) -> None:
    for node in cluster.nodes:
        if node.running:
            node.resume()
        else:
            node.launch()
    deadline = time.monotonic() + PATIENCE
    while not cluster.ready():
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"the cluster was not whole again within {PATIENCE:g} s")
        time.sleep(0.1)
