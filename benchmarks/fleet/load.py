"""What processes cost the store, by the servers' own account, and by the system's."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import psutil
from msgspec import Struct
from msgspec.structs import asdict
from support.nats_server import Cluster, Server

from ..process import MeasurementFailed
from .processes import PATIENCE

NAME = "worker"
"""What the connections of the processes are called."""


class Load(Struct, frozen=True):
    """Counts of all nodes together since their start; ``memory`` is that of the largest node, in bytes.

    Messages and bytes are those between the servers and the processes; of ``cpu`` it is the seconds of all nodes.
    """

    connections: int
    subscriptions: int
    consumers: int
    messages: float
    bytes: float
    cpu: float
    memory: int

    def since(self, before: Load) -> Load:
        """What has come since; connections and memory are as they stand."""
        counted = {name: getattr(self, name) - getattr(before, name) for name in ("messages", "bytes", "cpu")}
        return Load(**(asdict(self) | counted))


def load(cluster: Cluster, bucket: str) -> Load:
    """Ask all nodes, which run. Blocks."""
    connections = [
        connection
        for node in cluster.nodes
        for connection in _monitored(node, "/connz?limit=4096")["connections"]
        if connection.get("name") == NAME
    ]
    processes = list(nodes_of(cluster))
    times = [process.cpu_times() for process in processes]
    return Load(
        connections=len(connections),
        subscriptions=sum(connection["subscriptions"] for connection in connections),
        consumers=_consumers(cluster, f"KV_{bucket}"),
        messages=sum(connection["in_msgs"] + connection["out_msgs"] for connection in connections),
        bytes=sum(connection["in_bytes"] + connection["out_bytes"] for connection in connections),
        cpu=sum(each.user + each.system for each in times),
        memory=max(process.memory_info().rss for process in processes),
    )


def nodes_of(cluster: Cluster) -> Iterable[psutil.Process]:
    """The servers' processes: children of this one, each with the configuration in its node's folder."""
    folders = [str(node.folder) for node in cluster.nodes]
    for child in psutil.Process().children():
        if any(part.startswith(tuple(folders)) for part in child.cmdline()):
            yield child


def _consumers(cluster: Cluster, stream: str) -> int:
    """Each consumer that a watch makes lives on one node."""
    return sum(
        each["state"]["consumer_count"]
        for node in cluster.nodes
        for account in _monitored(node, "/jsz?streams=1").get("account_details", ())
        for each in account.get("stream_detail", ())
        if each["name"] == stream
    )


def _monitored(node: Server, path: str) -> dict[str, Any]:
    """What a node says of itself, asked until it does."""
    deadline = time.monotonic() + PATIENCE
    while not (said := node.monitor(path)):
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"{node.name} does not tell {path}")
    return said
