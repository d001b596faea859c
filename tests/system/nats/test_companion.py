"""Beside a live object: reports are renewed, come back whatever happens to their bucket, and hurt nobody."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from nats.js.kv import KeyValue
from support.fleet import Settings, made, published, put, until
from support.nats_client import connected
from support.nats_server import Server
from support.reports import until_reported

from hotsettings.nats import NatsStore, reporter
from hotsettings.nats.reports import own_name, reports_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

QUICK: dict[str, Any] = {"start_timeout": 20.0, "check_interval": 0.2}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "RENEWAL", 0.4)


async def test_it_is_renewed(nats: Server, bucket: str, kv: KeyValue) -> None:
    await put(kv, "config", "A = 1\n")
    store = NatsStore(nats.url, bucket, **QUICK)
    async with Settings.watch(layers=[store.layer("config")]):
        first = await until_reported(kv)
        js, name = kv._js, reports_of(bucket)
        held = await js.key_value(name)
        revision = (await held.get(own_name())).revision
        assert revision is not None
        for _ in range(2):
            await js.purge_stream(f"KV_{name}")  # as if its time were over
            again = await until_reported(kv)
            assert again.at > first.at
            assert again.started_at == first.started_at


async def test_its_bucket_is_deleted(nats: Server, bucket: str, kv: KeyValue) -> None:
    await put(kv, "config", "A = 1\n")
    store = NatsStore(nats.url, bucket, **QUICK)
    async with Settings.watch(layers=[store.layer("config")]) as live:
        await until_reported(kv)
        await kv._js.delete_key_value(reports_of(bucket))
        await until_reported(kv, healthy=True)
        await put(kv, "config", "A = 2\n")
        await until_reported(kv, generation=live.snapshot.generation + 1)


async def test_the_server_is_started_again(own_nats: Server, bucket: str) -> None:
    """With it goes the bucket, which is in memory."""
    await made(own_nats.url, bucket, config="A = 1\n")
    store = NatsStore(own_nats.url, bucket, **QUICK)
    async with Settings.watch(layers=[store.layer("config")]):
        own_nats.restart()
        async with connected(own_nats.url) as client:
            report = await until_reported(await client.jetstream().key_value(bucket))
    assert report.source == "store"


async def test_begun_with_the_copy(own_nats: Server, bucket: str, tmp_path: Path) -> None:
    await made(own_nats.url, bucket, config="A = 1\n")
    store = NatsStore(own_nats.url, bucket, copy=tmp_path / "copy", **(QUICK | {"start_timeout": 0.3}))
    async with Settings.watch(layers=[store.layer("config")]):
        await until((tmp_path / "copy").exists)
    own_nats.kill()
    async with Settings.watch(layers=[store.layer("config")]) as live:
        assert live.status.layers[0].state == "copy"
        own_nats.start()
        async with connected(own_nats.url) as client:
            kv = await client.jetstream().key_value(bucket)
            await until_reported(kv, source="store", applied={"config": 1})


async def test_reports_are_not_permitted(
    tmp_path: Path, bucket: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning, however often it fails, and settings change as ever."""
    monkeypatch.setattr(reporter, "RENEWAL", 1.0)  # half of it is how long an answer is waited for
    denied = {"publish": {"deny": [f"$JS.API.STREAM.CREATE.KV_{reports_of(bucket)}"]}}
    users = [{"user": "admin", "password": "a"}, {"user": "reader", "password": "r", "permissions": denied}]
    with Server(tmp_path / "server", {"authorization": {"users": users}}) as server:
        admin = server.url.replace("//", "//admin:a@")
        await made(admin, bucket, config="A = 0\n")
        store = NatsStore(server.url, bucket, user="reader", password="r", **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            await until(lambda: "cannot be reported" in caplog.text)
            for number in range(1, 4):
                await published(admin, bucket, config=f"A = {number}\n")
                await until(lambda: number == live.current.A)  # noqa: B023 - it is awaited in here
            # At the third attempt, the second one has failed too.
            await until(lambda: server.output.count(f"STREAM.CREATE.KV_{reports_of(bucket)}") >= 3)
            assert live.status.healthy
            assert caplog.text.count("what is applied cannot be reported") == 1
            async with connected(admin) as client:
                js = client.jetstream()
                await js.create_key_value(bucket=reports_of(bucket))
                await until_reported(await js.key_value(bucket), applied={"config": 4})


async def test_the_connection_is_lost_at_the_end(own_nats: Server, bucket: str) -> None:
    """Nobody waits for a report to be withdrawn by a server that does not answer."""
    await made(own_nats.url, bucket, config="A = 1\n")
    async with connected(own_nats.url) as client:
        kv = await client.jetstream().key_value(bucket)
        store = NatsStore(own_nats.url, bucket, **(QUICK | {"check_interval": 60.0}))
        async with Settings.watch(layers=[store.layer("config")]):
            await until_reported(kv)
            own_nats.pause()
            began = monotonic()
        took = monotonic() - began
        own_nats.resume()
        assert took < 5
