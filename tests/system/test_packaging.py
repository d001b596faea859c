"""What is installed is what pyproject.toml promises; the same tests run against the checkout and the built wheel."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

import hotsettings

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

needs_source = pytest.mark.skipif(
    not (ROOT / "src" / "hotsettings").is_dir(), reason="the library's source is not here: the wheel is under test"
)


def python(*args: str) -> str:
    """Run this interpreter with `args` from the root of the project; give what it printed."""
    done = subprocess.run([sys.executable, *args], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_version() -> None:
    assert hotsettings.__version__ == metadata.version("hotsettings") == PROJECT["version"]


@pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="there is no README.md yet")
def test_readme_is_the_long_description() -> None:
    assert PROJECT.get("readme") == "README.md"


def test_types_are_shipped() -> None:
    assert resources.files("hotsettings").joinpath("py.typed").is_file()


def test_command_can_be_loaded() -> None:
    (command,) = metadata.entry_points(group="console_scripts", name="hotsettings")
    assert callable(command.load())


def test_importing_the_core_loads_nothing_optional() -> None:
    loaded = python("-c", "import sys, hotsettings; print(*sys.modules)").split()
    assert not {"anyio", "watchfiles", "typer", "click", "rich", "pydantic"} & set(loaded)


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-oldest.txt"])
def test_constraints_are_exact_and_say_no_place(file: str) -> None:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    pins = re.split(r"(?m)^(?=\S)", "\n".join(line for line in lines if not line.lstrip().startswith("#")))[1:]
    assert pins
    for pin in pins:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.+]+( ; .+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n*", pin)


@needs_source
def test_wheel_holds_the_library_and_nothing_else(tmp_path: Path) -> None:
    python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = f"hotsettings-{PROJECT['version']}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"hotsettings", info}
    assert {"hotsettings/__init__.py", "hotsettings/py.typed", f"{info}/licenses/LICENSE"} <= names


@needs_source
def test_sdist_can_be_tested_and_holds_no_secrets(tmp_path: Path) -> None:
    python("-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path))
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"src/hotsettings/__init__.py", "src/integr8scode/py.typed", "tests/conftest.py", "constraints.txt"} <= names
    assert not {name for name in names if Path(name).name == "secrets.toml"}


def test_the_library_under_test_is_the_expected_one() -> None:
    from_source = Path(hotsettings.__file__).is_relative_to(ROOT / "src")
    assert from_source == (ROOT / "src" / "hotsettings").is_dir()
