"""The model of 10,000 processes: its table is what the code's constants give, and what it calls measured is measured again."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import anyio
import pytest
from nats.js.kv import KeyValue
from support import ROOT
from support.nats_client import connected
from support.nats_server import Cluster

from hotsettings import BaseSettings, LayerError, Live
from hotsettings.nats import NatsStore
from hotsettings.nats.connection import servers
from hotsettings.nats.publishing import create_bucket, publish
from hotsettings.nats.reports import reports_bucket

PATIENCE = 30.0
NAME = "of-the-model"
NEARLY = 0.15
"""What may differ from one run to the next: the lengths of names, times and numbers."""


def model() -> Any:
    """A script of docs, which is no package."""
    spec = importlib.util.spec_from_file_location("fleet_model", ROOT / "docs/fleet_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_table_of_today() -> None:
    page = (ROOT / "docs/fleet-model.md").read_text(encoding="utf-8")
    assert model().written(page) == page, "python docs/fleet_model.py writes it anew"


class Settings(BaseSettings):
    A: int = 0


class Count(NamedTuple):
    """What the servers have counted for a connection; ``asked`` is what came from the process."""

    asked: int
    told: int
    asked_bytes: int
    told_bytes: int

    def since(self, before: Count) -> Count:
        return Count(*(now - then for now, then in zip(self, before, strict=True)))


def count(cluster: Cluster) -> Count:
    connections = [each for node in cluster.nodes for each in node.monitor("/connz").get("connections", ())]
    [ours] = [each for each in connections if each.get("name") == NAME]
    return Count(*(ours[key] for key in ("in_msgs", "out_msgs", "in_bytes", "out_bytes")))


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - nobody tells of it
            await anyio.sleep(0.01)


def store_of(cluster: Cluster, bucket: str, *, check_interval: float = 60.0, reporting: bool = False) -> NatsStore:
    return NatsStore(cluster.urls, bucket, service=NAME, check_interval=check_interval, reporting=reporting)


@pytest.fixture
async def replicated(anyio_backend: Any, cluster: Cluster, bucket: str) -> Any:
    where = servers(cluster.urls, {})
    with anyio.fail_after(PATIENCE):
        while True:
            try:
                await create_bucket(where, bucket, replicas=3)
                break
            except LayerError:  # a cluster that has just been started may still be electing
                await anyio.sleep(0.1)
    await publish(where, bucket, "config.toml", b"A = 1\n", 0)
    async with connected(cluster.urls) as client:
        yield await client.jetstream().key_value(bucket)


pytestmark = pytest.mark.slow


@pytest.mark.anyio
async def test_a_question(cluster: Cluster, bucket: str, replicated: KeyValue) -> None:
    store = store_of(cluster, bucket, check_interval=0.02)
    async with Settings.watch(layers=[store.layer("config.toml")]):
        before = count(cluster)
        await until(lambda: count(cluster).asked >= before.asked + 20)
        found = count(cluster).since(before)
    assert found.told_bytes / found.told == pytest.approx(model().Measured().answer, rel=NEARLY)


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_beginning_and_a_heartbeat(cluster: Cluster, bucket: str, replicated: KeyValue) -> None:
    store = store_of(cluster, bucket)
    async with Settings.watch(layers=[store.layer("config.toml")]):
        await until(lambda: store.state == "read")
        before = count(cluster)
        assert before.asked == model().Measured().begin
        await until(lambda: count(cluster).told > before.told)
        found = count(cluster).since(before)
    assert found.asked == 0
    assert found.told_bytes / found.told == pytest.approx(model().Measured().heartbeat, rel=NEARLY)


@pytest.mark.anyio
async def test_a_report(cluster: Cluster, bucket: str, replicated: KeyValue) -> None:
    async with connected(cluster.urls) as client:
        await reports_bucket(client.jetstream(), bucket)
    store = store_of(cluster, bucket, reporting=True)
    measured = model().Measured()
    async with Settings.watch(layers=[store.layer("config.toml")]) as live:
        await until(lambda: reported(cluster, bucket) > 0)
        # A slow machine has time for more than one: of what was told, and of what is live.
        before_reports = measured.begin + measured.first_report - 1
        await until(lambda: count(cluster).asked == before_reports + reported(cluster, bucket))
        before = count(cluster)
        for number in range(2, 7):
            revision = reported(cluster, bucket)
            await replicated.put("config.toml", b"A = %d\n" % number)
            await until(lambda: reported(cluster, bucket) > revision and applied(live, number))  # noqa: B023
        found = count(cluster).since(before)
    assert found.asked_bytes / found.asked == pytest.approx(measured.report, rel=NEARLY)


def applied(live: Live[Settings], number: int) -> bool:
    return live.current.A == number  # noqa: SIM300 - a key is no constant


def reported(cluster: Cluster, bucket: str) -> int:
    """The newest position of the reports' stream."""
    states = [
        stream["state"]["last_seq"]
        for node in cluster.nodes
        for account in node.monitor("/jsz?streams=1").get("account_details", ())
        for stream in account.get("stream_detail", ())
        if stream["name"] == f"KV_{bucket}-reports"
    ]
    return max(states, default=0)
