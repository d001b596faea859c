"""Servers and buckets for the tests of what speaks with NATS."""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js import api
from nats.js.kv import KeyValue
from support.nats_client import connected
from support.nats_server import Cluster, Server

# nats-py is written for asyncio.
_LOOPS: dict[str, tuple[str, dict[str, Any]]] = {"asyncio": ("asyncio", {})}
if sys.platform != "win32":
    _LOOPS["uvloop"] = ("asyncio", {"use_uvloop": True})


@pytest.fixture(params=list(_LOOPS.values()), ids=list(_LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Every async test that is marked ``anyio`` runs on each of these."""
    return request.param


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs three servers is marked, and stays together: a module shares a cluster."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("cluster")
            item.add_marker(pytest.mark.xdist_group(f"cluster-{item.path.stem}"))


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module; none of them may stop it."""
    with Server(tmp_path_factory.mktemp("nats") / "server") as server:
        yield server


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, to be killed, paused and started again."""
    with Server(tmp_path / "server") as server:
        yield server


@pytest.fixture(scope="module")
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Not for tests, which ask for ``cluster``."""
    with Cluster(tmp_path_factory.mktemp("nats")) as cluster:
        yield cluster


@pytest.fixture
def cluster(three_nodes: Cluster) -> Iterator[Cluster]:
    """A cluster of which a test may kill and pause nodes: the next one finds it whole."""
    yield three_nodes
    for node in three_nodes.nodes:
        if node.running:
            node.resume()
    three_nodes.start()


@pytest.fixture
def bucket() -> str:
    """The name of a bucket that no other test has."""
    return f"settings-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def client(anyio_backend: Any, nats: Server) -> AsyncIterator[Client]:
    """A connection to the module's server."""
    async with connected(nats.url) as client:
        yield client


@pytest.fixture
async def kv(client: Client, bucket: str) -> KeyValue:
    """The test's bucket, made and empty."""
    return await client.jetstream().create_key_value(api.KeyValueConfig(bucket=bucket, history=64))
