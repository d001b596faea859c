"""What users get for their own tests: live(), the workspace and the fixture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from support.live import Settings, given

from hotsettings import BaseSettings, InvalidSettings, Rejected, RestartRequired
from hotsettings.testing import InMemoryLive, Workspace, live

pytestmark = pytest.mark.anyio


class Limits(BaseSettings):
    LOW: RestartRequired[int] = 1
    HIGH: int = 2

    def __post_init__(self) -> None:
        if self.LOW > self.HIGH:
            raise ValueError("LOW is above HIGH")


@pytest.mark.async_only
async def test_live_has_what_it_is_given() -> None:
    settings = given(A=1)
    async with live(settings) as held:
        assert isinstance(held, InMemoryLive)
        assert held.current is settings
        assert held.snapshot.settings is settings
        assert held.snapshot.generation == 1
        status = held.status
        assert (status.healthy, status.generation, status.layers, status.loaded_at) == (
            True,
            1,
            (),
            held.snapshot.loaded_at,
        )
        assert await held.reload() is None
        change = await held.publish(given(A=2))
        assert change is not None
        assert (change.old, change.new) == (settings, held.current)
        assert await held.publish(given(A=2)) is None
        assert "first-secret" not in repr(held)
        assert "Settings(A=2" in repr(held)
        assert held.explain("A").winner.value == 2
        assert held.snapshot.loaded_at >= status.loaded_at
        assert held.status.last_attempt_at >= status.last_attempt_at


async def test_what_is_published_is_validated_where_a_restart_is_pending() -> None:
    async with live(Limits.from_values(LOW=5, HIGH=9)) as held:
        with pytest.raises(Rejected) as caught:
            await held.publish(Limits.from_values(LOW=1, HIGH=3))
        assert isinstance(caught.value.reason, InvalidSettings)
        assert caught.value.problems


async def test_an_exception_of_the_block_leaves_it_as_itself() -> None:
    for error in (ValueError("mine"), ExceptionGroup("mine", [ValueError()]), SystemExit(3)):
        with pytest.raises(type(error)) as caught:
            async with live(given()):
                raise error
        assert caught.value is error
        assert error.__context__ is None


async def test_the_block_can_be_cancelled() -> None:
    with anyio.move_on_after(0.01) as scope:
        async with live(given()):
            await anyio.sleep_forever()
    assert scope.cancelled_caught


def test_workspace(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write({"A": 1, "db": {"host": "x", "pool": {"size": 3}}}, secrets={"SECRET_KEY": "abc"})
    workspace.write(override="A = 2")
    settings = Settings(**workspace.paths)
    assert (settings.A, settings.db.host, settings.db.pool.size, settings.SECRET_KEY) == (2, "x", 3, "abc")
    workspace.write(override={})
    assert Settings(**workspace.paths).A == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.override.toml", "config.toml", "secrets.toml"]
    assert workspace.secrets.stat().st_mode & 0o077 == 0, "nobody else reads the secrets"


TESTS = """
from hotsettings import BaseSettings
from hotsettings.testing import Workspace

class Settings(BaseSettings):
    A: int = 0

def test_with_files(settings_workspace):
    assert isinstance(settings_workspace, Workspace)
    settings_workspace.write({"A": 5})
    assert Settings(**settings_workspace.paths).A == 5

def test_each_gets_its_own(settings_workspace):
    assert Settings(**settings_workspace.paths).A == 0
"""


def test_the_plugin_in_a_project_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_plugin_loads_little() -> None:
    code = "import sys, hotsettings.pytest_plugin as p; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"anyio", "watchfiles", "hotsettings._live.live"} & set(done.stdout.split())
