"""Servers, asked over HTTP while their files are edited."""

from __future__ import annotations

import json
import signal
import socket
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager

from support.api_server import free_port
from support.example_process import PATIENCE, SECRET, Example, get, post

Make = Callable[[str], Example]


@contextmanager
def serving(server: Example, path: str) -> Generator[str]:
    """Start a server on a free port, and give its address when it answers at this path."""
    port = free_port()
    server.edit("config.toml", PORT=str(port))
    server.start()
    url = f"http://127.0.0.1:{port}"
    server.until(lambda: get(f"{url}{path}"))
    yield url


@contextmanager
def half_a_request(url: str, path: str, length: int) -> Generator[socket.socket]:
    """A request that the application is known to be in the middle of: it has asked for the body."""
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert b"100 Continue" in connection.recv(4096)
        yield connection


def rest_of(connection: socket.socket, body: str) -> str:
    connection.sendall(body.encode())
    answer = b""
    while data := connection.recv(65536):
        answer += data
    return answer.decode().partition("\r\n\r\n")[2]


def test_fastapi(example: Make) -> None:
    server = example("fastapi_app")
    server.write("secrets.toml", f'ADMIN_PASSWORD = "{SECRET}"\n')
    with serving(server, "/health") as url:
        body = '{"quantity": 3}'
        assert json.loads(post(f"{url}/orders", body)[1]) == {"price": 10.0, "discount": 0.1, "total": 27.0}
        with half_a_request(url, "/orders", len(body)) as connection:
            server.edit("config.toml", PRICE="20.0", DISCOUNT="0.5")
            server.until(lambda: json.loads(get(f"{url}/health")[1])["generation"] == 2)
            assert json.loads(rest_of(connection, body))["total"] == 27.0
        assert json.loads(post(f"{url}/orders", body)[1])["total"] == 30.0

        server.edit("config.toml", DISCOUNT="1.0")
        server.until(lambda: not json.loads(get(f"{url}/health")[1])["healthy"])
        server.until(lambda: "DISCOUNT: expected float < 1" in server.err)
        assert "DISCOUNT" not in get(f"{url}/health")[1]
        assert json.loads(post(f"{url}/orders", body)[1])["total"] == 30.0

        page = f"{url}/admin/settings/"
        password = b64encode(f"admin:{SECRET}".encode()).decode()
        assert get(page)[0] == 401
        assert get(page, Authorization="Basic nonsense")[0] == 401
        status, text = get(page, Authorization=f"Basic {password}")
        assert status == 200
        assert "DISCOUNT" in text
        assert SECRET not in text
        server.write("secrets.toml", f'ADMIN_PASSWORD = "another-{SECRET}"\n')
        server.edit("config.toml", DISCOUNT="0.0")
        server.until(lambda: get(page, Authorization=f"Basic {password}")[0] == 401)
        password = b64encode(f"admin:another-{SECRET}".encode()).decode()
        assert get(page, Authorization=f"Basic {password}")[0] == 200
        server.end(signal.SIGINT)


def test_fastapi_without_secrets(example: Make) -> None:
    done = example("fastapi_app").run()
    assert done.returncode == 1
    assert "ADMIN_PASSWORD: required" in done.stderr
    assert "Traceback" not in done.stderr


def test_event_stream(example: Make) -> None:
    server = example("event_stream")
    with serving(server, "/") as url:
        connection = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=PATIENCE)
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")

            def until_line(wanted: bytes) -> int:
                """Read on until there is this line; tell how many heartbeats came before it."""
                heartbeats = 0
                for line in lines:
                    if line.strip() == wanted:
                        return heartbeats
                    heartbeats += b"heartbeat" in line
                raise AssertionError(f"the stream has ended before {wanted!r}")

            assert until_line(b'data: "hello"') == 0
            # Nothing would come for the rest of these 15 seconds: it is the edit that begins a new wait.
            server.edit("config.toml", HEARTBEAT="0.01")
            for _ in range(5):
                until_line(b": heartbeat")
            server.edit("config.toml", MESSAGE='"changed"')
            until_line(b'data: "changed"')
            server.edit("config.toml", HEARTBEAT="0")
            server.until_said("HEARTBEAT: expected float > 0")
            until_line(b": heartbeat")
            server.edit("config.toml", HEARTBEAT="1000", MESSAGE='"slow"')
            until_line(b'data: "slow"')
            server.edit("config.toml", MESSAGE='"last"')
            assert until_line(b'data: "last"') == 0
            server.end(signal.SIGINT)


def test_many_processes(example: Make) -> None:
    server = example("many_processes")
    server.edit("config.toml", PROCESSES="3")
    with serving(server, "/") as url:
        answered = everybody(server, url, "Hello", 3)
        server.edit("config.toml", GREETING='"Good evening"')
        assert set(everybody(server, url, "Good evening", 3)) == set(answered)
        server.edit("config.toml", GREETING="1")
        server.until(lambda: server.err.count("GREETING: expected str, got int") >= 3)
        assert set(everybody(server, url, "Good evening", 3)) == set(answered)
        server.edit("config.toml", GREETING='"Hello"')
        assert set(everybody(server, url, "Hello", 3).values()) == set(answered.values())
        server.end()


def everybody(server: Example, url: str, greeting: str, processes: int) -> dict[int, str]:
    """Ask until every process has answered with this greeting, and none with another since; their digests by pid."""
    answered: dict[int, str] = {}

    def ask() -> bool:
        answer = json.loads(get(url)[1])
        if answer["greeting"] != greeting:
            assert answer["pid"] not in answered, "it has gone back to the old settings"
            return False
        answered[answer["pid"]] = answer["digest"]
        return len(answered) == processes

    server.until(ask)
    assert len(set(answered.values())) == 1
    return answered
