"""The server as it is run: a process, real files, signals."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
import trustme
from support.api_server import PATIENCE, SECRETS, ApiServer, api_server, free_port
from support.sse_client import SseClient
from support.worker_process import broker

from hotsettings.testing import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def streaming(brokers: str, prefix: str) -> dict[str, object]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": brokers,
        "KAFKA_TOPIC_PREFIX": prefix,
        "ENABLE_EVENT_STREAMING": True,
        "SSE_CONSUMER_POOL_SIZE": 1,
        "LOG_LEVEL": "WARNING",
    }


async def test_open_streams_follow_the_settings_and_end_with_the_server(
    tmp_path: Path, mock_kafka: str, unique: str
) -> None:
    with api_server(tmp_path, streaming(mock_kafka, unique)) as server:
        async with asyncio.TaskGroup() as tasks:
            client = SseClient(server.port)
            tasks.create_task(client.run())
            await client.opened()
            server.edit(SSE_HEARTBEAT_INTERVAL=1)
            await client.until(lambda client: client.heartbeats == ["30", "1", "1"])
            async with httpx.AsyncClient(base_url=server.url) as http:
                for number in range(2):
                    event = {"execution_id": str(number), "kind": "execution.started"}
                    assert (await http.post("/api/v1/events", json=event)).status_code == 202
                await client.until(lambda client: len(client.data) == 2)
                server.edit(ENABLE_EVENT_STREAMING=False)
                await client.until(lambda client: client.events == ["paused"])
                assert (await http.get("/events")).status_code == 503
                server.edit(ENABLE_EVENT_STREAMING=True)
                await client.until(lambda client: client.events == ["paused", "resumed"])
            assert not client.ended
            assert await asyncio.to_thread(server.terminate) == 0, server.output
        assert client.ended_well
        assert client.comments[-1] == "the server is stopping; connect again"
        assert server.output == ""


async def test_a_client_comes_back_with_the_last_id(tmp_path: Path, mock_kafka: str, unique: str) -> None:
    with api_server(tmp_path, streaming(mock_kafka, unique)) as server:
        async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(base_url=server.url) as http:

            async def post(name: str) -> None:
                assert (await http.post("/api/v1/events", json={"execution_id": name, "kind": "a"})).is_success

            first = SseClient(server.port)
            running = tasks.create_task(first.run())
            await first.opened()
            await post("one")
            await first.until(lambda client: len(client.data) == 1)
            running.cancel()
            await post("two")
            again = SseClient(server.port, first.last_event_id)
            tasks.create_task(again.run())
            await post("three")
            await again.until(lambda client: len(client.data) == 2)
            assert ["two" in again.data[0], "three" in again.data[1]] == [True, True]
            await asyncio.to_thread(server.terminate)


async def until_it_waits(server: ApiServer) -> None:
    async with asyncio.timeout(PATIENCE):
        while "Waiting for connections to close" not in server.output:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)


async def half_a_request(server: ApiServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request that the server is reading."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{")
    await writer.drain()
    await asyncio.to_thread(server.health)
    return reader, writer


async def test_a_request_that_is_under_way_is_answered_before_the_end(tmp_path: Path) -> None:
    with api_server(tmp_path, {"LOG_LEVEL": "INFO"}) as server:
        reader, writer = await half_a_request(server)
        server.process.send_signal(signal.SIGTERM)
        await until_it_waits(server)
        writer.write(b"}")
        assert (await reader.readline()).split()[1] == b"422"
        writer.close()
        assert await asyncio.to_thread(server.process.wait, PATIENCE) == 0, server.output


async def test_a_second_signal_waits_for_nobody(tmp_path: Path) -> None:
    with api_server(tmp_path, {"LOG_LEVEL": "INFO"}) as server:
        _, writer = await half_a_request(server)
        server.process.send_signal(signal.SIGINT)
        await until_it_waits(server)
        server.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(server.process.wait, PATIENCE) == 0, server.output
        assert "graceful shutdown exceeded" not in server.output
        writer.close()


async def test_a_bad_edit_degrades_and_stops_nothing(tmp_path: Path) -> None:
    with api_server(tmp_path, {"LOG_LEVEL": "WARNING"}) as server:
        server.break_it("K8S_POD_CPU_LIMIT = 5")
        server.wait_for(lambda now: now["status"] == "degraded")
        assert "K8S_POD_CPU_LIMIT: expected str, got int" in server.output
        server.edit(RATE_LIMITS="100/fortnight")
        server.wait_for_figures(lambda now: now["hotsettings_rejections_total"] == 2)
        assert "100/fortnight" in server.output
        server.edit(RATE_LIMITS="1/minute", LOG_LEVEL="INFO")
        server.wait_for(lambda now: now["status"] == "ok")
        async with httpx.AsyncClient(base_url=server.url) as http:
            statuses = [(await http.get("/api/v1/k8s-limits")).status_code for _ in range(2)]
        assert statuses == [200, 429]
        assert '"GET /api/v1/k8s-limits HTTP/1.1" 429' in server.output, "the level follows: requests are logged now"
        assert server.terminate() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_dead_broker_is_told_within_three_seconds(tmp_path: Path, unique: str, number: signal.Signals) -> None:
    """One that is gone, and one that takes connections and says nothing."""
    with broker() as (servers, process), api_server(tmp_path, streaming(servers, unique)) as server:
        event = {"execution_id": "e-1", "kind": "execution.started"}
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:

            async def healthy() -> str:
                return str((await http.get("/health")).json()["status"])

            assert (await http.post("/api/v1/events", json=event)).status_code == 202
            assert await healthy() == "ok"
            process.send_signal(number)
            began = monotonic()
            refused = await http.post("/api/v1/events", json=event)
            assert monotonic() - began < 3
            assert (refused.status_code, refused.json()) == (503, {"detail": "Kafka does not answer"})
            while await healthy() == "ok":
                assert monotonic() - began < 3
                await asyncio.sleep(0.05)
            health = await http.get("/health")
            assert health.status_code == 200
            assert health.json() == {"status": "degraded", "generation": 1, "layers": ["base", "secrets"]}
            if number == signal.SIGSTOP:
                process.send_signal(signal.SIGCONT)
                server.wait_for(lambda now: now["status"] == "ok")
                assert (await http.post("/api/v1/events", json=event)).status_code == 202


async def test_clients_behind_a_proxy_are_told_apart_where_it_is_trusted(tmp_path: Path) -> None:
    path, limited = "/api/v1/k8s-limits", {"RATE_LIMITS": "1/minute", "LOG_LEVEL": "WARNING"}

    async def statuses(server: ApiServer) -> list[int]:
        async with httpx.AsyncClient(base_url=server.url) as http:
            claims = ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3, 192.0.2.2")
            return [(await http.get(path, headers={"X-Forwarded-For": claim})).status_code for claim in claims]

    for name in ("trusted", "not"):
        (tmp_path / name).mkdir()
    with api_server(tmp_path / "not", limited, "--trusted-proxies", "10.0.0.0/8") as server:
        assert await statuses(server) == [200, 429, 429, 429]
    with api_server(tmp_path / "trusted", limited, "--trusted-proxies", "10.0.0.0/8, 127.0.0.1") as server:
        assert await statuses(server) == [200, 200, 429, 429]


async def test_the_settings_page_is_there_for_who_knows_the_password(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("only-for-operators\n", encoding="utf-8")
    password.chmod(0o600)
    with api_server(tmp_path, {"LOG_LEVEL": "WARNING"}, "--settings-page", str(password)) as server:
        async with httpx.AsyncClient(base_url=server.url, follow_redirects=True) as http:
            for wrong in (None, ("admin", "guess"), ("only-for-operators", "")):
                refused = await http.get("/settings/", auth=wrong)
                assert refused.status_code == 401
                assert refused.headers["WWW-Authenticate"].startswith("Basic")
            page = await http.get("/settings/", auth=("admin", "only-for-operators"))
            assert page.status_code == 200
            assert "SSE_CONSUMER_POOL_SIZE" in page.text
            assert "hidden-password" not in page.text


async def test_there_is_no_settings_page_unless_asked_for(tmp_path: Path) -> None:
    with api_server(tmp_path, {"LOG_LEVEL": "WARNING"}) as server:
        async with httpx.AsyncClient(base_url=server.url) as http:
            assert (await http.get("/settings/")).status_code == 404


async def start(folder: Path, config: Mapping[str, Any], *options: str) -> asyncio.subprocess.Process:
    """A server that says where it listens, on its standard error."""
    workspace = Workspace(folder)
    workspace.write({"LOG_LEVEL": "INFO", **config}, secrets=SECRETS)
    paths = ("--config", str(workspace.config), "--secrets", str(workspace.secrets))
    command = (sys.executable, "-m", "integr8scode.server", *paths, *options)
    return await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)


async def its_end(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Its status, and what it says at the end."""
    async with asyncio.timeout(PATIENCE):
        _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def address_of(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        async for line in process.stderr:
            _, marker, address = line.decode().partition("listening on ")
            if marker:
                return address.strip()
    raise AssertionError("it has ended")


async def test_the_files_say_where_it_listens_and_with_which_certificate(tmp_path: Path) -> None:
    authority, trusting = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trusting)
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    pem, port = str(tmp_path / "both.pem"), free_port()
    config = {"SERVER_HOST": "localhost", "SERVER_PORT": port, "SSL_CERTFILE": pem, "SSL_KEYFILE": pem}
    process = await start(tmp_path, config)
    try:
        url = await address_of(process)
        assert url == f"https://localhost:{port}"
        async with httpx.AsyncClient(base_url=url, verify=trusting) as http:
            assert (await http.get("/health")).json()["status"] == "ok"
        async with httpx.AsyncClient(base_url=url) as http:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await http.get("/health")
        async with httpx.AsyncClient(base_url=f"http://localhost:{port}") as http:
            with pytest.raises(httpx.RemoteProtocolError):
                await http.get("/health")
        process.terminate()
        assert (await its_end(process))[0] == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_options_override_what_the_files_say(tmp_path: Path) -> None:
    config = {"SERVER_HOST": "192.0.2.1", "SSL_CERTFILE": "/nowhere"}
    process = await start(tmp_path, config, "--host", "127.0.0.1", "--port", "0", "--http")
    try:
        url = await address_of(process)
        assert url.startswith("http://127.0.0.1:")
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/health")).is_success
    finally:
        process.terminate()
        assert (await its_end(process))[0] == 0


async def test_a_start_that_cannot_be_names_the_key_and_the_file(tmp_path: Path) -> None:
    status, said = await its_end(await start(tmp_path, {}))
    assert status == 1
    assert "SSL_CERTFILE, which no file sets: cannot read /app/certs/server.crt" in said
    with socket.create_server(("127.0.0.1", 0)) as other:
        config = {"SERVER_HOST": "127.0.0.1", "SERVER_PORT": other.getsockname()[1]}
        status, more = await its_end(await start(tmp_path, config, "--http"))
    assert status == 1
    assert "config.toml:3:15  SERVER_PORT: cannot listen on 127.0.0.1" in more
    assert "Traceback" not in said + more


async def test_a_start_without_its_broker_says_so(tmp_path: Path) -> None:
    config = {"ENABLE_EVENT_STREAMING": True, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    status, said = await its_end(await start(tmp_path, config, "--http", "--port", "0"))
    assert status == 1
    assert "cannot start: KafkaConnectionError" in said
    assert "Traceback" not in said


async def test_it_can_be_stopped_while_it_waits_for_a_broker(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        config = {"ENABLE_EVENT_STREAMING": True, "KAFKA_BOOTSTRAP_SERVERS": servers}
        process = await start(tmp_path, config, "--http", "--port", "0")
        connection, _ = await asyncio.to_thread(silent.accept)
        with connection:
            process.terminate()
            status, said = await its_end(process)
    assert status == 0
    assert "stopping on SIGTERM" in said
    assert "Traceback" not in said


async def test_a_start_with_bad_settings_says_why(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("SSE_CONSUMER_POOL_SIZE = 0\n", encoding="utf-8")
    (tmp_path / "none").touch()
    command = [
        sys.executable,
        "-m",
        "integr8scode.server",
        "--config",
        str(config),
        "--secrets",
        str(tmp_path / "none"),
    ]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "SSE_CONSUMER_POOL_SIZE: expected int >= 1" in done.stderr
    assert "Traceback" not in done.stderr
