"""What is loaded by an import of the package, and by a load, in a fresh interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

# Packages that only those load who use them.
LATER = {"_concurrency", "_watching", "_live", "frozen", "testing", "pytest_plugin", "nats", "cli", "integrations"}

# What a script that only loads would feel: 5 to 100 ms each, or a thread, or a logger.
HEAVY = {
    *(
        "anyio",
        "asyncio",
        "trio",
        "uvloop",
        "watchfiles",
        "inotify_simple",
        "rich",
        "typer",
        "click",
        "pytest",
        "pydantic",
    ),
    *("difflib", "urllib", "logging", "inspect", "hashlib", "threading", "concurrent", "multiprocessing", "subprocess"),
    *(
        "socket",
        "ssl",
        "json",
        "base64",
        "html",
        "traceback",
        "tempfile",
        "tomllib",
        "email",
        "signal",
        "queue",
        "uuid",
        "ipaddress",
        "zoneinfo",
        "pathlib",
    ),
}


PROBE = """
import sys
import msgspec, msgspec.inspect, msgspec.structs, toml_rs
before = set(sys.modules)
import hotsettings
imported = sorted(set(sys.modules) - before)

from typing import Annotated, Literal
from collections.abc import Mapping
class Nested(msgspec.Struct, frozen=True):
    port: Annotated[int, msgspec.Meta(ge=1)] = 1
class Settings(hotsettings.BaseSettings):
    name: str
    token: hotsettings.Secret[str]
    level: hotsettings.RestartRequired[Literal["a", "b"]] = "a"
    nested: Nested = Nested()
    mapping: Mapping[str, Nested] = {}
config, secrets = sys.argv[1:]
settings = Settings(config, secrets_path=secrets)
repr(settings), settings.replace(name="x"), settings.from_values(name="y", token="z")
print([imported, sorted(set(sys.modules) - before)])
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> list[set[str]]:
    """Modules loaded by the import, and by a load after it, beyond those that msgspec and toml_rs load."""
    folder = tmp_path_factory.mktemp("probe")
    (folder / "c.toml").write_text("name = 'n'\nmapping.a.port = 2\n[nested]\nport = 3")
    (folder / "s.toml").write_text("token = 't'")
    run = subprocess.run(
        [sys.executable, "-c", PROBE, str(folder / "c.toml"), str(folder / "s.toml")],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert run.returncode == 0, run.stderr
    return [set(modules) for modules in ast.literal_eval(run.stdout)]


@pytest.mark.parametrize("step", [0, 1], ids=["import", "load"])
def test_nothing_heavy_is_loaded(probe: list[set[str]], step: int) -> None:
    loaded = {module.partition(".")[0] for module in probe[step]}
    assert not loaded & HEAVY
    assert "hotsettings" in loaded


def test_only_the_core_is_loaded(probe: list[set[str]]) -> None:
    own = {name.removeprefix("hotsettings.") for name in probe[1] if name.startswith("hotsettings.")}
    assert not {name.partition(".")[0] for name in own} & LATER
    assert not own & {"_loading.explain", "_redaction", "_log"}


def test_what_comes_late_comes(tmp_path: Path) -> None:
    """Every public name can be had, though only a few are there from the start."""
    code = "import hotsettings; print([getattr(hotsettings, name).__name__ for name in hotsettings.__all__])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 0, run.stderr


def test_loading_needs_neither_anyio_nor_a_watcher() -> None:
    code = (
        "import sys, hotsettings\n"
        "class S(hotsettings.BaseSettings):\n    PORT: int = 1\n"
        "S.from_values(PORT=2)\n"
        "print(*{'anyio', 'watchfiles', 'asyncio', 'logging', 'inspect', 'difflib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"anyio", "watchfiles", "asyncio", "difflib"} & set(done.stdout.split())
