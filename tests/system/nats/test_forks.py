"""Children that are forked from a process which follows a store: each has a connection of its own, and the parent keeps its."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig
from nats.js.errors import BucketNotFoundError, NoKeysError
from support.fleet import Settings
from support.forking import Child, descriptors, in_child, until
from support.nats_client import connected
from support.nats_server import Server

from hotsettings import BlockingLive
from hotsettings.nats import NatsStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def in_bucket(server: Server, work: Callable[[JetStreamContext], Awaitable[object]]) -> None:
    async def run() -> None:
        async with connected(server.url) as client:
            await work(client.jetstream())

    asyncio.run(run())


def publish(server: Server, text: str) -> None:
    async def put(stream: JetStreamContext) -> None:
        await (await stream.key_value("settings")).put("config.toml", text.encode())

    in_bucket(server, put)


@pytest.fixture
def server(own_nats: Server) -> Server:
    in_bucket(own_nats, lambda stream: stream.create_key_value(KeyValueConfig(bucket="settings")))
    publish(own_nats, "A = 1\n")
    return own_nats


def started(server: Server, instance: str | None = None) -> BlockingLive[Settings]:
    store = NatsStore(server.url, "settings", reporting=instance is not None, instance=instance, check_interval=0.2)
    return Settings.watch(layers=[store.layer("config.toml")]).start()


def sees(live: BlockingLive[Settings], value: int) -> int:
    until(lambda: value == live.current.A and live.status.healthy, f"A = {value}, it is {live.status}")
    return live.snapshot.generation


def test_both_follow(server: Server) -> None:
    live = started(server)
    before = descriptors()
    children = [Child(lambda: [sees(live, 1), sees(live, 2), descriptors() == before]) for _ in range(3)]
    publish(server, "A = 2\n")
    assert [child.result() for child in children] == [[1, 2, True]] * 3
    assert sees(live, 2) == 2
    publish(server, "A = 3\n")
    assert sees(live, 3) == 3
    live.stop()


def test_forks_of_forks(server: Server) -> None:
    live = started(server)
    before = len(descriptors())

    def descend(depth: int) -> list[int]:
        sees(live, 1)
        return [len(descriptors()), *(in_child(lambda: descend(depth - 1)) if depth else [])]

    assert descend(4) == [before] * 5
    live.stop()


def test_the_store_is_away_at_the_moment_of_the_fork(server: Server) -> None:
    live = started(server)
    server.kill()
    until(lambda: not live.status.healthy)

    def work() -> list[object]:
        began = time.monotonic()
        live.changes()  # it has begun, with what is known
        took = time.monotonic() - began
        [layer] = live.status.layers
        return [took < 2, layer.state, live.current.A, sees(live, 2)]

    child = Child(work)
    time.sleep(0.5)
    server.start()
    publish(server, "A = 2\n")
    assert child.result() == [True, "offline", 1, 2]
    assert sees(live, 2) == 2
    live.stop()


def test_each_process_reports_for_itself(server: Server, tmp_path: Path) -> None:
    live = started(server, "web-1")

    def names() -> set[str]:
        found: set[str] = set()

        async def keys(stream: JetStreamContext) -> None:
            with suppress(BucketNotFoundError, NoKeysError):
                found.update(await (await stream.key_value("settings-reports")).keys())

        in_bucket(server, keys)
        return found

    done = tmp_path / "done"

    def work() -> None:
        sees(live, 1)
        until(done.exists)

    child = Child(work)
    until(lambda: names() == {"web-1", f"web-1/{child.pid}"}, f"the reports: {names()}")
    done.touch()
    child.result()
    live.stop()
