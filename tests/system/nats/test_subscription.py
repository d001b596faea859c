"""Following over one connection: a watch that falls silent is found out, whoever has forgotten it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from nats.js import api
from nats.js.kv import KeyValue
from support.examples import first
from support.fleet import PATIENCE, Settings, made, published, put, taken, until
from support.nats_client import connected
from support.nats_server import Cluster, Server

from hotsettings import LayerError
from hotsettings._layers.store import StoreValue
from hotsettings.nats import NatsStore, connection, subscription
from hotsettings.nats.connection import Servers
from hotsettings.nats.replica import BucketEntry, BucketState, Replica, StreamEnd
from hotsettings.nats.subscription import Subscription, SubscriptionLost

pytestmark = pytest.mark.anyio

QUICK: dict[str, Any] = {"start_timeout": 60.0, "check_interval": 0.2, "reporting": False}


async def replicated(cluster: Cluster, bucket: str) -> None:
    async with connected(cluster.urls) as client:
        config = api.KeyValueConfig(bucket=bucket, history=64, replicas=3)
        kv = await taken(lambda: client.jetstream().create_key_value(config))
        await taken(lambda: put(kv, "config", "A = 0\n"))


async def publish(cluster: Cluster, bucket: str, text: str) -> None:
    """Until the cluster takes it."""
    async with connected(cluster.urls) as client:
        js = client.jetstream(timeout=0.5)

        async def once() -> int:
            return await put(await js.key_value(bucket), "config", text)

        await taken(once)


class TestOneServer:
    async def test_more_keys_than_a_watch_keeps_at_hand(self, nats: Server, bucket: str, kv: KeyValue) -> None:
        for number in range(600):
            await put(kv, f"key{number}", "A = 1\n")
        store = NatsStore(nats.url, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("key0"), store.layer("key599")]) as live:
            assert store.position == 600
            await put(kv, "key599", "A = 2\n")
            await until(lambda: live.current.A == 2)

    async def test_a_consumer_that_is_gone_again_and_again(self, nats: Server, bucket: str, kv: KeyValue) -> None:
        """Nobody tells. Only what is published afterwards shows that there is silence."""
        await put(kv, "config", "A = 0\n")
        store = NatsStore(nats.url, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            for number in range(1, 4):
                for consumer in await kv._js.consumers_info(f"KV_{bucket}"):
                    await kv._js.delete_consumer(f"KV_{bucket}", consumer.name)
                await put(kv, "config", f"A = {number}\n")
                await until(lambda: number == live.current.A)  # noqa: B023 - it is awaited in here
                assert live.status.healthy
            assert len(await kv._js.consumers_info(f"KV_{bucket}")) == 1

    async def test_a_message_that_is_removed_is_no_silence(self, nats: Server, bucket: str, kv: KeyValue) -> None:
        """The stream's last position is one that no watch can tell of: it is watched anew once, and not for ever."""
        await put(kv, "config", "A = 1\n")
        await put(kv, "other", "A = 2\n")
        store = NatsStore(nats.url, bucket, **(QUICK | {"check_interval": 0.02}))
        await kv._js.purge_stream(f"KV_{bucket}", subject=f"$KV.{bucket}.other")
        async with Settings.watch(layers=[store.layer("config")]) as live:
            [consumer] = await kv._js.consumers_info(f"KV_{bucket}")
            await anyio.sleep(0.3)
            assert [each.name for each in await kv._js.consumers_info(f"KV_{bucket}")] == [consumer.name]
            assert live.status.healthy

    async def test_a_bucket_that_is_made_anew_between_two_looks_at_it(
        self, nats: Server, bucket: str, kv: KeyValue
    ) -> None:
        """The server reports nothing, and the positions of the new bucket begin at 1 again."""
        for number in range(3):
            await put(kv, "config", f"A = {number}\n")
        store = NatsStore(nats.url, bucket, **(QUICK | {"check_interval": 1.0}))
        async with Settings.watch(layers=[store.layer("config")]) as live:
            await kv._js.delete_key_value(bucket)
            again = await kv._js.create_key_value(api.KeyValueConfig(bucket=bucket))
            await put(again, "config", "A = 7\n")
            await until(lambda: live.current.A == 7)
            assert live.status.healthy

    async def test_a_watch_that_may_not_begin(self, tmp_path: Path, bucket: str) -> None:
        """It is tried again, and the process begins nonetheless as soon as it may."""
        denied = {"publish": {"deny": ["$JS.API.CONSUMER.CREATE.>"]}}
        users = [
            {"user": "admin", "password": "a"},
            {"user": "reader", "password": "r", "permissions": denied},
        ]
        with Server(tmp_path / "server", {"authorization": {"users": users}}) as server:
            await made(server.url.replace("//", "//admin:a@"), bucket, config="A = 1\n")
            store = NatsStore(server.url, bucket, user="reader", password="r", **(QUICK | {"start_timeout": 1.5}))
            with pytest.raises(LayerError, match="cannot be reached"):
                async with Settings.watch(layers=[store.layer("config")]):
                    pass

    @pytest.mark.parametrize("how", ["killed", "left"])
    async def test_a_watch_leaves_no_task(self, own_nats: Server, bucket: str, how: str) -> None:
        """Sooner than nats-py would end them by itself, which it does after ten seconds."""
        await made(own_nats.url, bucket, config="A = 1\n")
        before = asyncio.all_tasks()
        store = NatsStore(own_nats.url, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]):
            if how == "killed":
                own_nats.kill()
                await until(lambda: store.client is None)
        with anyio.fail_after(3):
            while not asyncio.all_tasks() <= before:  # noqa: ASYNC110 - tasks tell nobody
                await anyio.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # elections take seconds, whichever event loop waits for them
class TestThreeServers:
    @pytest.mark.parametrize("whose", first(1, ["stream", "consumer", "connection", "cluster"]))
    async def test_a_node_is_killed(self, cluster: Cluster, bucket: str, whose: str) -> None:
        """Whatever it was for: the one that leads the stream, that has the watch, that we speak to, or that leads all."""
        await replicated(cluster, bucket)
        store = NatsStore(cluster.urls, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            node = await held_by(whose, cluster, store, bucket)
            await anyio.to_thread.run_sync(node.kill)
            await publish(cluster, bucket, "A = 1\n")
            await until(lambda: live.current.A == 1 and live.status.healthy)

    @pytest.mark.thorough
    async def test_a_stream_without_a_leader(self, cluster: Cluster, bucket: str) -> None:
        await replicated(cluster, bucket)
        store = NatsStore(cluster.urls, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            leader = await anyio.to_thread.run_sync(cluster.leader, f"KV_{bucket}")
            [other, _] = [node for node in cluster.nodes if node is not leader]
            for node in (leader, other):
                await anyio.to_thread.run_sync(node.kill)
            await until(lambda: live.status.layers[0].state == "offline")
            assert live.current.A == 0
            await anyio.to_thread.run_sync(cluster.start)
            await publish(cluster, bucket, "A = 1\n")
            await until(lambda: live.current.A == 1 and live.status.healthy)


async def held_by(whose: str, cluster: Cluster, store: NatsStore, bucket: str) -> Server:
    """The node that is in charge of it."""
    if whose == "connection":
        assert store.client is not None
        url = store.client.connected_url
        assert url is not None
        return cluster.node_at(url.netloc)
    if whose == "consumer":
        async with connected(cluster.urls) as client:
            [consumer] = await taken(lambda: client.jetstream().consumers_info(f"KV_{bucket}"))
        assert consumer.cluster is not None
        [node] = [node for node in cluster.nodes if node.name == consumer.cluster.leader]
        return node
    return await anyio.to_thread.run_sync(cluster.leader, f"KV_{bucket}" if whose == "stream" else None)


async def test_published_while_nobody_was_connected(own_nats: Server, bucket: str) -> None:
    await made(own_nats.url, bucket, config="A = 1\n")
    store = NatsStore(own_nats.url, bucket, **QUICK)
    async with store.opened():
        assert store.value("config").revision == 1
    await published(own_nats.url, bucket, config="A = 2\n")
    async with store.opened():
        assert store.value("config").revision == 2, "not the one that it held"


def update(revision: int) -> KeyValue.Entry:
    return KeyValue.Entry("settings", "config", b"A = 1", revision, 0, None, None)


async def test_a_store_that_answers_no_more(own_nats: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server accepts everything and says nothing: a new connection may find another one."""
    monkeypatch.setattr(subscription, "_SHORTEST_ANSWER_TIMEOUT", 0.1)
    monkeypatch.setattr(subscription, "_PONG_TIMEOUT", 0.1)
    await made(own_nats.url, bucket, config="A = 1\n")
    answers: list[bool] = []
    async with connection.connected(Servers((own_nats.url,), {})) as (client, _):
        own_nats.pause()
        subscribed = Subscription(client, bucket, Replica(), 0.1, answers.append, lambda: None)
        try:
            with anyio.fail_after(PATIENCE), pytest.raises(SubscriptionLost, match="its server does not answer"):
                await subscribed.run()
        finally:
            own_nats.resume()
    assert answers == [False]


async def test_a_follower_without_a_leader_is_not_believed(nats: Server, bucket: str, kv: KeyValue) -> None:
    """It answers for itself alone, and may have missed the last entries."""
    await put(kv, "config", "A = 1\n")
    answers: list[bool] = []
    async with connection.connected(Servers((nats.url,), {})) as (client, _):
        subscribed = Subscription(client, bucket, Replica(), 0.01, answers.append, lambda: None)
        asked = subscribed._js.stream_info

        async def stream_info(name: str) -> api.StreamInfo:
            info = await asked(name)
            return info.evolve(cluster=api.ClusterInfo(leader="" if len(answers) < 2 else "n1"))

        subscribed._js.stream_info = stream_info  # type: ignore[method-assign, assignment]  # pyright: ignore[reportAttributeAccessIssue]
        assert (await subscribed._stream_end()).position == 1
    assert answers == [False, False, True]


async def test_what_is_delivered_a_little_later_is_no_silence(
    nats: Server, bucket: str, kv: KeyValue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "_DELIVERY", 2.0)
    await put(kv, "config", "A = 1\n")
    behind: list[bool] = []

    class Asked(Replica):
        def is_behind(self, end: StreamEnd) -> bool:
            behind.append(super().is_behind(end))
            return behind[-1]

    replica = Asked()
    async with connection.connected(Servers((nats.url,), {})) as (client, _), anyio.create_task_group() as tasks:
        subscribed = Subscription(client, bucket, replica, 0.01, lambda _: None, lambda: None)
        replica.begin(await subscribed._stream_end())
        tasks.start_soon(subscribed._until_silent)
        await until(lambda: True in behind)
        replica.take(BucketEntry("config", 1, b"A = 1\n"))
        await until(lambda: behind[behind.index(True) + 1 :][:2] == [False, False])
        tasks.cancel_scope.cancel()


async def test_the_past_is_not_shown_again(nats: Server, bucket: str, kv: KeyValue) -> None:
    """A watch on a server that lags behind delivers what the replica has long known."""
    await put(kv, "config", "A = 1\n")
    replica, shown = Replica(), list[int]()
    replica.state = BucketState({"config": StoreValue(2, b"A = 2\n")}, 2)
    watch = subscription.Watch(replica, StreamEnd(1, None), lambda: shown.append(replica.state.position))
    async with connection.connected(Servers((nats.url,), {})) as (client, _), anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run, client, bucket, 5.0)
        await watch.started.wait()
        for number in (2, 3):
            await put(kv, "config", f"A = {number}\n")
        await until(lambda: replica.state.position == 3)
        tasks.cancel_scope.cancel()
    assert shown == [2, 3]  # once when it is complete


async def test_what_comes_after_all_was_said_to_be_told() -> None:
    """By a server that is behind its leader: a start may not take the little that it has for all."""

    async def watch() -> AsyncGenerator[KeyValue.Entry | None, None]:
        yield update(1)
        yield None
        await checkpoint()
        yield update(2)

    updates: Any = watch()
    entries = await subscription.Watch(Replica(), StreamEnd(2, None), lambda: None).contents(updates)
    assert [entry.position for entry in entries] == [1, 2]


async def test_what_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last entries of the stream were removed from it."""
    monkeypatch.setattr(subscription, "_CATCH_UP", 0.01)

    async def watch() -> AsyncGenerator[KeyValue.Entry | None, None]:
        yield update(1)
        yield None
        await anyio.sleep_forever()

    updates: Any = watch()
    entries = await subscription.Watch(Replica(), StreamEnd(2, None), lambda: None).contents(updates)
    assert [entry.position for entry in entries] == [1]
