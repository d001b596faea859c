"""Programs without an event loop: Flask and Django under gunicorn, Celery, a script."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.api_server import free_port
from support.example_process import SECRET, Example, get, post
from support.redis_server import RedisServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn and Celery's pool of processes need fork")

Make = Callable[[str], Example]
WORKERS = 3


@contextmanager
def gunicorn(server: Example, app: str, path: str, *options: str) -> Generator[str]:
    """Serve with three workers, and give the address when one of them answers at this path."""
    port = free_port()
    server.start("--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}", *options, app, module="gunicorn")
    url = f"http://127.0.0.1:{port}"
    server.until(lambda: get(f"{url}{path}"))
    yield url
    assert server.end() == 0


def everybody(server: Example, url: str, wanted: Callable[[Any], bool]) -> set[int]:
    """Ask until each worker has answered as it should, and none in another way since; return their pids."""
    answered = set[int]()

    def ask() -> bool:
        said = json.loads(get(url)[1])
        if wanted(said):
            answered.add(said["pid"])
        else:
            assert said["pid"] not in answered, said
        return len(answered) == WORKERS

    server.until(ask)
    return answered


@pytest.mark.parametrize("options", [(), ("--preload",), ("--threads", "4")], ids=["plain", "preload", "threads"])
def test_flask(example: Make, options: tuple[str, ...]) -> None:
    server = example("flask_app")
    with gunicorn(server, "main:app", "/health", *options) as url:
        body = '{"quantity": 3}'
        assert json.loads(post(f"{url}/orders", body)[1]) == {"price": 10.0, "discount": 0.1, "total": 27.0}
        before = json.loads(get(f"{url}/health")[1])["digest"]
        workers = everybody(server, f"{url}/health", lambda said: said["digest"] == before)

        server.edit("config.toml", PRICE="20.0", DISCOUNT="0.5")
        assert everybody(server, f"{url}/health", lambda said: said["digest"] != before) == workers
        assert {json.loads(post(f"{url}/orders", body)[1])["total"] for _ in range(9)} == {30.0}

        server.edit("config.toml", DISCOUNT="1.0")
        assert everybody(server, f"{url}/health", lambda said: not said["healthy"]) == workers
        server.until(lambda: server.err.count("DISCOUNT: expected float < 1") >= WORKERS)
        assert json.loads(post(f"{url}/orders", body)[1])["total"] == 30.0


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["plain", "preload"])
def test_flask_with_wrong_files_does_not_start(example: Make, options: tuple[str, ...]) -> None:
    server = example("flask_app")
    server.edit("config.toml", PRICE="-1.0")
    done = server.run(*options, "--bind", f"127.0.0.1:{free_port()}", "main:app", module="gunicorn")
    assert done.returncode in (1, 3)
    assert "config.toml:1:9  PRICE: expected float > 0" in done.stderr


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["plain", "preload"])
def test_django(example: Make, options: tuple[str, ...]) -> None:
    server = example("django_app")
    server.write("secrets.toml", f'SECRET_KEY = "{SECRET}-{SECRET}"\n')
    with gunicorn(server, "main:application", "/health", *options) as url:
        assert json.loads(get(f"{url}/")[1]) == {"greeting": "Hello"}
        before = json.loads(get(f"{url}/health")[1])["digest"]
        workers = everybody(server, f"{url}/health", lambda said: said["digest"] == before)
        server.edit("config.toml", GREETING='"Good evening"', DEBUG="true")
        waiting = everybody(server, f"{url}/health", lambda said: said["pending_restart"] == ["DEBUG"])
        assert waiting == workers
        assert {get(f"{url}/")[1] for _ in range(9)} == {'{"greeting": "Good evening"}'}
        status, page = get(f"{url}/absent")
        assert (status, "DEBUG" in page) == (404, False)


def test_django_development_server(example: Make) -> None:
    server = example("django_app")
    server.write("secrets.toml", f'SECRET_KEY = "{SECRET}-{SECRET}"\n')
    port = free_port()
    server.start("runserver", str(port))
    server.until(lambda: get(f"http://127.0.0.1:{port}/")[1] == '{"greeting": "Hello"}')
    server.edit("config.toml", GREETING='"Hi"')
    server.until(lambda: get(f"http://127.0.0.1:{port}/")[1] == '{"greeting": "Hi"}')


def test_celery(example: Make, tmp_path: Path) -> None:
    script = example("celery_app")
    with RedisServer(tmp_path) as redis:
        script.edit("config.toml", BROKER=f'"{redis.url}"')
        script.start("--app", "main", "worker", "--concurrency", str(WORKERS), module="celery")
        assert all(greeted(script, "Hello"))
        script.edit("config.toml", GREETING='"Good evening"')
        script.until(lambda: all(greeted(script, "Good evening")))
        script.edit("config.toml", GREETING="1")
        script.until(lambda: script.err.count("GREETING: expected str, got int") == WORKERS + 1)  # the main process too
        script.edit("config.toml", GREETING='"Good night"')
        script.until(lambda: all(greeted(script, "Good night")))
        assert script.end() == 0


def greeted(script: Example, greeting: str) -> list[int]:
    """Have twenty greeted; return the process of each one who was greeted so, and 0 for any other."""
    done = script.run(*(f"name{number}" for number in range(20)))
    lines = done.stdout.splitlines()
    assert len(lines) == 20, done.stderr
    found = (re.fullmatch(rf"{greeting}, name\d+! \(process (\d+)\)", line) for line in lines)
    return [int(match[1]) if match else 0 for match in found]


def test_script(example: Make) -> None:
    script = example("script")
    script.edit("config.toml", PAUSE="0.01", SIZE="1000")
    script.start()
    script.until_said("2 pieces of 1000 bytes: {'541b3e9d'}")
    script.edit("config.toml", WORKERS="4")
    script.until_said("generation 2: WORKERS", "4 pieces of 1000 bytes")
    script.edit("config.toml", SIZE="0")
    script.until_said("SIZE: expected int >= 1")
    script.edit("config.toml", SIZE="2000")
    script.until_said("4 pieces of 2000 bytes")
    assert script.end(signal.SIGINT) == 0
    assert "Traceback" not in script.err
