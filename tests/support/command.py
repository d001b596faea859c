"""The command in the process of the tests, in a folder of its own with a small application."""

import functools
import importlib
import json
import os
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import anyio
import pytest
import typer.main
from nats.aio.client import Client

from hotsettings.cli import main
from hotsettings.nats import Report
from hotsettings.nats.bucket import reached
from hotsettings.nats.connection import servers
from hotsettings.nats.publishing import create_bucket
from hotsettings.nats.reports import encoded, reports_bucket
from support import chosen_parser
from support.nats_client import connected
from support.nats_server import Server

APP = """
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hotsettings import BaseSettings, RestartRequired, Secret, Section


class Database(Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "localhost"
    port: Annotated[int, Meta(ge=1, le=65535)] = 5432
    password: Secret[str | None] = None


class Settings(BaseSettings):
    NAME: Annotated[str, Section("Core"), Meta(description="What it is called.")] = "demo"
    TOKEN: Annotated[Secret[str], Meta(min_length=8, description="Signs things.")]
    LEVEL: Literal["low", "high"] = "low"
    RATE: Annotated[float, Meta(ge=0)] = 0.5
    PROXY: str | None = None
    db: Annotated[Database, Section("Storage")] = Database()
    LABELS: Mapping[str, str] = {"tier": "one"}
    KEYS: Secret[Mapping[str, str]] = {}
    WORKERS: RestartRequired[int] = 4
"""
CLASS = "demo_app:Settings"
made_once = functools.cache(typer.main.get_command)
"""The command that typer makes of the application."""


class Result(NamedTuple):
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Run(Protocol):
    def __call__(self, *args: str) -> Result: ...


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory: demo_app.py, and files for it that are good."""
    (tmp_path / "demo_app.py").write_text(chosen_parser.use_it() + APP, encoding="utf-8")
    (tmp_path / "config.toml").write_text('NAME = "shop"\ndb.port = 5433\n', encoding="utf-8")
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('TOKEN = "open-sesame"\n', encoding="utf-8")
    secrets.chmod(0o600)
    (tmp_path / "worker.toml").write_text('NAME = "worker"\nWORKERS = 2\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in [name for name in os.environ if name.startswith("GIT")]:
        monkeypatch.delenv(name)
    known = set(sys.modules)
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command there."""

    monkeypatch.setattr(typer.main, "get_command", made_once)  # making it takes longer than most commands

    def run(*args: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["hotsettings", *args])
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        else:
            code = 0
        assert isinstance(code, int)
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return run


class Store:
    """A bucket of a real server, as the tests see it."""

    def __init__(self, server: Server, bucket: str) -> None:
        self.server = server
        self.bucket = bucket
        self.options = ["--url", server.url, "--bucket", bucket]
        self._where = servers(server.url, {})

    def make(self) -> None:
        anyio.run(create_bucket, self._where, self.bucket)

    def put(self, key: str, text: str, *, delete: bool = False) -> int:
        """Write without asking anybody."""

        async def put(client: Client) -> int:
            kv = await client.jetstream().key_value(self.bucket)
            if delete:
                await kv.delete(key)
                return 0
            return await kv.put(key, text.encode())

        return self._do(put)

    def texts(self, key: str) -> list[str | None]:
        """What all revisions hold, the newest first; None where it was deleted."""

        async def look() -> list[str | None]:
            async with reached(self._where, self.bucket) as bucket:
                found = await bucket.history(key)
                return [None if each.data is None else each.data.decode() for each in found]

        return anyio.run(look)

    def report(self, instance: str, /, **fields: Any) -> None:
        """Report what an instance does."""
        now = datetime.now(UTC)
        known: dict[str, Any] = {"applied": {"config.toml": 1}, "tried": fields.get("applied", {"config.toml": 1})}
        usual: dict[str, Any] = {
            "service": "web",
            "generation": 1,
            "digest": "a" * 64,
            "healthy": True,
            "rejection": None,
            "pending_restart": (),
            "source": "store",
            "started_at": now,
            "at": now,
        }
        self.report_bytes(instance, encoded(Report(**{"instance": instance, **usual, **known, **fields})))

    def make_reports(self) -> None:
        """Make the bucket of the reports, with none in it."""

        async def make(client: Client) -> int:
            await reports_bucket(client.jetstream(), self.bucket)
            return 0

        self._do(make)

    def report_bytes(self, instance: str, data: bytes | None) -> None:
        """Write what may be no report; None withdraws it."""

        async def put(client: Client) -> int:
            kv = await reports_bucket(client.jetstream(), self.bucket)
            await (kv.delete(instance) if data is None else kv.put(instance, data))
            return 0

        self._do(put)

    def _do(self, work: Callable[[Client], Awaitable[int]]) -> int:
        async def connect() -> int:
            async with connected(self.server.url) as client:
                return await work(client)

        return anyio.run(connect)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module; none of them may stop it."""
    with Server(tmp_path_factory.mktemp("nats") / "server") as server:
        yield server


@pytest.fixture
def store(server: Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A bucket that no other test has."""
    for name in [name for name in os.environ if name.startswith("NATS_")]:
        monkeypatch.delenv(name)
    store = Store(server, f"settings-{uuid.uuid4().hex[:12]}")
    store.make()
    return store
