"""The command in the process of the tests, in a folder of its own with a small application."""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from hotsettings.cli import main

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
    (tmp_path / "demo_app.py").write_text(APP, encoding="utf-8")
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
