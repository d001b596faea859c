"""The servers that the other tests rely on: what they were told they keep, and they are gone when they should be."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import trustme
from anyio import to_thread
from nats.errors import NoServersError
from nats.js import api
from nats.js.kv import KeyValue
from support import TESTS
from support.fleet import taken
from support.nats_client import connected
from support.nats_server import Cluster, Server

pytestmark = pytest.mark.anyio
ONE_TRY: dict[str, Any] = {"max_reconnect_attempts": 1, "reconnect_time_wait": 0.01}


async def test_what_is_put_can_be_got(kv: KeyValue) -> None:
    revision = await kv.put("config.toml", b"PORT = 1")
    entry = await kv.get("config.toml")
    assert (entry.value, entry.revision) == (b"PORT = 1", revision)


async def test_what_was_acknowledged_outlives_a_kill(own_nats: Server, bucket: str) -> None:
    async with connected(own_nats.url) as client:
        kv = await client.jetstream().create_key_value(api.KeyValueConfig(bucket=bucket))
        for number in range(50):
            await kv.put(f"key-{number}", b"%d" % number)

    await to_thread.run_sync(own_nats.restart)
    async with connected(own_nats.url) as client:
        kv = await client.jetstream().key_value(bucket)
        kept = [(await kv.get(f"key-{number}")).value for number in range(50)]
    assert kept == [b"%d" % number for number in range(50)]


async def test_a_paused_server_answers_again_when_it_is_resumed(own_nats: Server) -> None:
    async with connected(own_nats.url) as client:
        own_nats.pause()
        with pytest.raises(TimeoutError):
            await client.jetstream(timeout=0.2).account_info()
        own_nats.resume()
        assert (await client.jetstream().account_info()).streams == 0


async def test_nobody_else_is_given_the_port_of_a_stopped_server(own_nats: Server) -> None:
    own_nats.stop()
    assert not own_nats.running
    with pytest.raises(NoServersError):
        async with connected(own_nats.url, **ONE_TRY):
            pass
    own_nats.start()
    async with connected(own_nats.url) as client:
        assert client.is_connected


async def test_tls_and_a_password(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    tls = {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
    settings = {"tls": tls, "authorization": {"user": "app", "password": "hidden"}}
    with Server(tmp_path / "server", settings) as server:
        trusting = client_tls(authority)
        async with connected(server.url, tls=trusting, user="app", password="hidden") as client:
            assert (await client.jetstream().account_info()).streams == 0
        with pytest.raises(NoServersError):
            async with connected(server.url, tls=trusting, user="app", password="wrong", **ONE_TRY):
                pass


def test_one_that_does_not_start_tells_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no such file"):
        with Server(tmp_path / "server", {"tls": {"cert_file": "absent.pem", "key_file": "absent.pem"}}):
            pass


def test_no_server_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    program = """
import sys, time, pathlib
from support import nats_server
server = nats_server.Server(pathlib.Path(sys.argv[1]))
server.start()
print(server.address, flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    ) as process:
        assert process.stdout is not None
        host, port = process.stdout.readline().decode().split(":")
        assert answers(host, int(port))
        process.kill()
    deadline = monotonic() + 30
    while answers(host, int(port)):
        assert monotonic() < deadline
        sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.thorough
async def test_a_cluster_lives_on_when_any_one_of_its_nodes_is_killed(cluster: Cluster, bucket: str) -> None:
    async with connected(cluster.urls, reconnect_time_wait=0.1) as client:
        configuration = api.KeyValueConfig(bucket=bucket, replicas=3)
        kv = await taken(lambda: client.jetstream().create_key_value(configuration))
        for node in cluster.nodes:
            await taken(lambda: kv.put(node.name, b"before"))  # noqa: B023 - it is awaited in here
            node.kill()
            await to_thread.run_sync(cluster.leader, f"KV_{bucket}")
            await taken(lambda: kv.put(node.name, b"after"))  # noqa: B023
            await to_thread.run_sync(cluster.start)
        assert [(await kv.get(node.name)).value for node in cluster.nodes] == [b"after"] * 3


def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
