"""Sessions: one connection after the other, the last state in between, and nothing left at the end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from nats.js.kv import KeyValue
from support.fleet import Settings, made, published, put, until
from support.nats_client import connected
from support.nats_server import Server

from hotsettings.nats import NatsStore
from hotsettings.nats.replica import Replica
from hotsettings.nats.session import Session

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

QUICK: dict[str, Any] = {"start_timeout": 60.0, "check_interval": 0.2, "reporting": False}


class TestOutages:
    async def test_killed_and_started_again_and_again(
        self, own_nats: Server, bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        await made(own_nats.url, bucket, config="A = 0\n")
        store = NatsStore(own_nats.url, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            seen: list[int] = []
            live.on_change(lambda change: seen.append(change.new.A))
            for number in range(1, 4):
                own_nats.kill()
                await until(lambda: store.state == "offline" and store.client is None)
                own_nats.start()
                await published(own_nats.url, bucket, config=f"A = {number}\n")
                await until(lambda: number == live.current.A)  # noqa: B023 - it is awaited in here
                await live.wait_applied()
            assert seen == [1, 2, 3]
            assert live.status.healthy

    async def test_restarted_at_once(self, own_nats: Server, bucket: str) -> None:
        await made(own_nats.url, bucket, config="A = 1\n")
        store = NatsStore(own_nats.url, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            await anyio.to_thread.run_sync(own_nats.restart)
            await published(own_nats.url, bucket, config="A = 2\n")
            await until(lambda: live.current.A == 2)

    async def test_paused_it_is_given_up_and_found_again(
        self, own_nats: Server, bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Longer than the interval of questions and pings; the same connection or another, it is all one to readers."""
        caplog.set_level(logging.INFO)
        await made(own_nats.url, bucket, config="A = 1\n")
        store = NatsStore(own_nats.url, bucket, ping_interval=0.2, max_outstanding_pings=2, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            own_nats.pause()
            await until(lambda: store.state == "offline" and store.client is None)
            assert live.current.A == 1
            assert [layer.state for layer in live.status.layers] == ["offline"]
            own_nats.resume()
            await published(own_nats.url, bucket, config="A = 2\n")
            await until(lambda: live.current.A == 2 and live.status.healthy)
        assert caplog.text.count("what it held last serves") == 1
        assert caplog.text.count("can be reached again") == 1

    async def test_attempts_grow_rare(self, own_nats: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        waits: list[float] = []

        async def no_time(seconds: float) -> None:
            waits.append(seconds)
            await checkpoint()
            if len(waits) == 40:
                raise asyncio.CancelledError

        own_nats.kill()
        monkeypatch.setattr("hotsettings.nats.session.anyio.sleep", no_time)
        monkeypatch.setattr("hotsettings._concurrency.backoff.random.random", lambda: 1.0)
        running = Session(NatsStore(own_nats.url, bucket).servers, bucket, Replica(), 1.0, lambda: None)
        with pytest.raises(asyncio.CancelledError):
            await running.run()
        assert waits == [0.5, 1.0, 2.0, 4.0] + 36 * [5.0]


class TestLeavingAndEntering:
    async def test_entered_while_another_is_leaving(self, nats: Server, bucket: str, kv: KeyValue) -> None:
        """The one that ends has nothing to say any more: the next one begins at once."""
        await put(kv, "config", "A = 1\n")
        store = NatsStore(nats.url, bucket, **(QUICK | {"start_timeout": 60.0}))
        entered = anyio.Event()

        async def first() -> None:
            async with store.opened():
                entered.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await entered.wait()
            with anyio.fail_after(10):
                last = store.client
                async with store.opened():
                    assert store.state == "read"
                    assert store.client is not None
                    assert store.client is not last, "the one that is being closed"
                    await put(kv, "config", "A = 2\n")
                    await until(lambda: store.position == 2)
                    assert store.state == "read"

    @pytest.mark.slow
    @pytest.mark.parametrize("reporting", [False, True])
    async def test_cancelled_anywhere(self, nats: Server, bucket: str, kv: KeyValue, reporting: bool) -> None:
        """At each step of connecting, asking, watching, reporting and leaving."""
        await put(kv, "config", "A = 1\n")
        reached: set[str] = set()

        async def use() -> None:
            store = NatsStore(nats.url, bucket, **(QUICK | {"reporting": reporting}))
            reached.add("starting")
            async with Settings.watch(layers=[store.layer("config")]) as live:
                reached.add("following")
                await put(kv, "config", f"A = {live.current.A + 1}\n")
                await live.reload()
            reached.add("left")

        async def cancelled_after(steps: int, seconds: float) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(use)
                for _ in range(steps):
                    await checkpoint()
                if seconds:
                    await anyio.sleep(seconds)
                tasks.cancel_scope.cancel()

        await use()
        tasks, descriptors = len(asyncio.all_tasks()), _descriptors()
        for number in range(60):
            await cancelled_after(2 * number, 0)
            await cancelled_after(0, number * 0.0006)
        assert reached == {"starting", "following", "left"}
        await until(lambda: nats.monitor("/connz").get("num_connections") == 1)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: _descriptors() <= descriptors)

    @pytest.mark.slow
    async def test_often(self, nats: Server, bucket: str, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        store = NatsStore(nats.url, bucket, **QUICK)

        async def turns(number: int) -> tuple[int, int, int]:
            for _ in range(number):
                async with Settings.watch(layers=[store.layer("config")]):
                    pass
            await until(lambda: nats.monitor("/connz").get("num_connections") == 1)
            gc.collect()
            return len(asyncio.all_tasks()), _descriptors(), threading.active_count()

        before = await turns(10)
        after = await turns(100)
        assert after <= before


async def test_a_client_of_another_that_is_killed_leaves_nothing(own_nats: Server, bucket: str) -> None:
    """While a report is under way, and a watch."""
    await made(own_nats.url, bucket, config="A = 1\n")
    store = NatsStore(own_nats.url, bucket, **(QUICK | {"reporting": True}))
    async with Settings.watch(layers=[store.layer("config")]):
        async with connected(own_nats.url) as client:
            assert client.is_connected
        own_nats.kill()
        await until(lambda: store.client is None)


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
