"""Applications: a command line tool, a web service with a database, a stream processor."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from time import time
from typing import Any

import pytest
from support.api_server import free_port
from support.example_process import Example, get, post

Make = Callable[[str], Example]


def old_file(folder: Path, name: str, size: int, days: float) -> None:
    path = folder / name
    path.write_bytes(b"x" * size)
    os.utime(path, (time() - days * 86400,) * 2)


def test_cli_tool(example: Make, tmp_path: Path) -> None:
    tool, folder = example("cli_tool"), tmp_path / "downloads"
    folder.mkdir()
    old_file(folder, "new.zip", 20_000, 1)
    old_file(folder, "old.zip", 20_000, 10)
    old_file(folder, "small.zip", 10, 10)
    old_file(folder, "ancient.txt", 10, 40)
    old_file(folder, "ancient.md", 10, 40)
    (folder / "link.zip").symlink_to(folder / "old.zip")

    def listed(*options: str) -> list[str]:
        done = tool.run("list", str(folder), *options)
        assert (done.returncode, done.stderr) == (0, "")
        return [Path(line).name for line in done.stdout.splitlines()]

    assert listed() == ["ancient.txt"]
    assert listed("--profile", "downloads") == ["old.zip"]
    assert listed("--profile", "downloads", "--older-than", "0.5") == ["new.zip", "old.zip"]
    assert listed("--profile", "downloads", "--larger-than", "1 B") == ["old.zip", "small.zip"]
    assert "LARGER_THAN = '10 kB'" in tool.run("config", "--profile", "downloads").stdout

    tool.edit("config.toml", MOST="1")
    refused = tool.run("clean", str(folder), "--profile", "downloads", "--larger-than", "1 B", "--yes")
    assert refused.returncode == 1
    assert "more than MOST = 1" in refused.stderr
    assert tool.run("clean", str(folder), "--profile", "downloads", stdin="n\n").returncode == 1
    assert (folder / "old.zip").exists()
    assert tool.run("clean", str(folder), "--profile", "downloads", "--yes").stdout == "removed 1 files\n"
    assert sorted(path.name for path in folder.iterdir() if path.exists()) == [
        *("ancient.md", "ancient.txt", "new.zip", "small.zip")
    ]


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        ([], "OLDER_THAN_DAYS = -1\n", "config.toml:1:19  OLDER_THAN_DAYS: expected float >= 0"),
        ([], 'ONLY = ["*.md"]\nKEEP = ["*.md"]\n', "ONLY and KEEP both say *.md"),
        (["--larger-than", "5 apples"], "", "LARGER_THAN: expected str matching"),
        (["--profile", "nobody"], "", "nobody.toml  no such file"),
    ],
)
def test_cli_tool_with_what_is_wrong(example: Make, arguments: list[str], text: str, said: str) -> None:
    tool = example("cli_tool")
    tool.write("config.toml", text)
    done = tool.run("config", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_web_service(example: Make) -> None:
    server = example("web_service")
    url = started(server)

    def notes() -> list[str]:
        return [note["text"] for note in json.loads(get(f"{url}/notes")[1])]

    assert post(f"{url}/notes", '{"text": ""}')[0] == 422
    for text in ("one", "two", "three"):
        assert post(f"{url}/notes", json.dumps({"text": text}))[0] == 201
    assert notes() == ["three", "two", "one"]
    server.edit("config.toml", PAGE_SIZE="2", POOL_SIZE="1")
    server.until(lambda: notes() == ["three", "two"])

    with closing(sqlite3.connect(server.folder / "other.db")) as other:
        other.execute("CREATE TABLE something (id INTEGER PRIMARY KEY)")
        server.edit("config.toml", DATABASE='"other.db"')
        status = server.until(lambda: unhealthy(url))
        assert set(status) == {"generation", "healthy", "pending_restart"}
        server.until(lambda: "DATABASE = 'other.db': no such table: notes" in server.err)
        assert notes() == ["three", "two"]
        # Nobody edits anything now: what a hook has refused is tried again.
        other.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        other.execute("INSERT INTO notes (text) VALUES ('elsewhere')")
        other.commit()
        server.until(lambda: notes() == ["elsewhere"])

    server.edit("config.toml", DATABASE='"typo.db"', PORT="1")
    server.until(lambda: unhealthy(url))
    server.until(lambda: "unable to open" in server.err)
    assert not (server.folder / "typo.db").exists()
    server.edit("config.toml", DATABASE='"notes.db"', PORT="1")
    server.until(lambda: notes() == ["three", "two"])
    assert health(url)["pending_restart"] == ["PORT"]
    server.end(signal.SIGINT)
    assert "leases still held" not in server.err


def test_web_service_loses_no_request_to_a_new_pool(example: Make) -> None:
    server = example("web_service")
    url, stop, failures = started(server), threading.Event(), []

    def writes() -> None:
        number = 0
        while not stop.is_set():
            status, said = post(f"{url}/notes", json.dumps({"text": f"note {number}"}))
            if status != 201:
                failures.append((status, said))
            number += 1

    writers = [threading.Thread(target=writes) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for generation, size in enumerate([1, 3, 2, 5, 1], 2):
            server.edit("config.toml", POOL_SIZE=str(size))
            server.until(partial(reached, url, generation))
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert failures == []
    assert len(json.loads(get(f"{url}/notes")[1])) > 0


def started(server: Example) -> str:
    port = free_port()
    server.edit("config.toml", PORT=str(port))
    server.start()
    url = f"http://127.0.0.1:{port}"
    server.until(lambda: get(f"{url}/health"))
    return url


def reached(url: str, generation: int) -> bool:
    return bool(health(url)["generation"] == generation)


def health(url: str) -> Any:
    return json.loads(get(f"{url}/health")[1])


def unhealthy(url: str) -> Any:
    status = health(url)
    return None if status["healthy"] else status


@contextmanager
def sender(processor: Example, port: int) -> Generator[Callable[..., None]]:
    """Connect, and give what sends lines."""
    connection = processor.until(lambda: socket.create_connection(("127.0.0.1", port), timeout=5))
    with connection:
        yield lambda *lines: connection.sendall("".join(f"{line}\n" for line in lines).encode())


def windows(processor: Example) -> list[dict[str, Any]]:
    return [json.loads(line) for line in processor.out.splitlines()]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_stream_processor(example: Make, backend: str) -> None:
    processor = example("stream_processor")
    port, another = free_port(), free_port()
    processor.edit("config.toml", PORT=str(port), WINDOW="3600", SLIDE="3600")
    processor.start(backend)
    with sender(processor, port) as send:
        send("a 1", "a 2", "b 5", "nonsense")
        processor.until_said("not a key and a number: b'nonsense'")

        # The window of an hour is closed at once, when its length changes.
        processor.edit("config.toml", WINDOW="1800", SLIDE="1800")
        processor.until(lambda: len(windows(processor)) == 2)
        assert windows(processor) == [
            {"by": "processor", "seconds": 3600, "key": "a", "count": 2, "mean": 1.5},
            {"by": "processor", "seconds": 3600, "key": "b", "count": 1, "mean": 5},
        ]
        processor.edit("config.toml", WINDOW="100")
        processor.until_said("SLIDE (1800 s) is longer than WINDOW (100 s)")
        processor.edit("config.toml", WINDOW="1800", MOST_KEYS="1")
        processor.until_said("the window at hand holds 2 keys, more than MOST_KEYS = 1")

    with sender(processor, port) as send:
        send("x" * 200_000)  # more than arrives at once
        processor.until_said("a line is too long")
    processor.edit("config.toml", PORT=str(another), MOST_KEYS="2")
    with sender(processor, another) as send:
        send("c 1", "d 1", "nothing")
        processor.until_said("b'nothing'")
        processor.edit("config.toml", SLIDE="900")
        processor.until(lambda: len(windows(processor)) == 5)
    assert [window["key"] for window in windows(processor)[2:]] == ["(others)", "a", "b"]
    assert processor.end() == 0
    assert "Traceback" not in processor.err


def test_stream_processor_asks_again(example: Make) -> None:
    processor = example("stream_processor")
    port = free_port()
    processor.edit("config.toml", PORT=str(port), WINDOW="2", SLIDE="0.1")
    processor.start()
    with sender(processor, port) as send:
        send("a 1", "b 1", "nonsense")
        processor.until_said("b'nonsense'")
        processor.edit("config.toml", MOST_KEYS="1")
        processor.until_said("the window at hand holds 2 keys")
        # Nobody edits anything any more: the window empties, and the same file is taken.
        processor.until_said("generation 2 is live: MOST_KEYS")
        send("a 1", "b 1")
        processor.until(lambda: "(others)" in [window["key"] for window in windows(processor)])
    assert processor.end() == 0
