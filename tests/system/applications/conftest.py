"""One application after the other, each in a folder of its own with its files."""

import importlib
import os
import shutil
from pathlib import Path

import pytest
from support.applications import Application
from support.command import run
from support.faults.volumes import Volume

__all__ = ["run"]

HERE = Path(__file__).parent
NAMES = ["shop", "training", "tenants", "game", "pipeline", "gateway"]


@pytest.fixture(params=NAMES)
def application(request: pytest.FixtureRequest) -> Application:
    found: Application = importlib.import_module(f"system.applications.{request.param}.expected").APPLICATION
    return found


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """Where Kubernetes mounts the secrets of an application."""
    return Volume(tmp_path / "secrets")


@pytest.fixture
def folder(application: Application, tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, as it is on a machine where the application runs: secrets.toml is made of its example."""
    for name in [name for name in os.environ if name.startswith("GIT")]:
        monkeypatch.delenv(name)
    source = HERE / application.name
    left_out = ["*.py", "__pycache__", *(["secrets"] if application.mounted else [])]
    shutil.copytree(source, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*left_out))
    if application.mounted:
        volume.publish({path.name: path.read_text(encoding="utf-8") for path in (source / "secrets").iterdir()})
    if (example := tmp_path / "secrets.example.toml").exists():
        example.rename(tmp_path / "secrets.toml")
    for path in [*tmp_path.glob("*.toml"), *tmp_path.glob("secrets/[!.]*")]:
        path.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    return tmp_path
