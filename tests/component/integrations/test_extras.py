"""An integration says which extra it needs, and nobody pays for one that is not used."""

import shlex
import subprocess
import sys
from importlib import metadata

import pytest

from hotsettings._extras import install_command

EXTRAS = {"django": "django", "fastapi": "fastapi", "prometheus": "prometheus_client", "opentelemetry": "opentelemetry"}


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("extra", "module"), EXTRAS.items())
def test_without_its_library_it_says_what_to_install(extra: str, module: str) -> None:
    done = run(f"import sys; sys.modules[{module!r}] = None; import hotsettings.integrations.{extra}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"ModuleNotFoundError: hotsettings.integrations.{extra} needs {module}"
    )
    package = module.replace("_", "-").replace("opentelemetry", "opentelemetry-api")
    assert f"; install it with: pip install '{package}>=" in done.stderr


def test_the_command_names_packages_that_are_on_an_index_and_not_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for extra in ("cli", "nats", *EXTRAS):
        wanted = [each for each in metadata.requires("hotsettings") or () if each.endswith(f"extra == '{extra}'")]
        named = shlex.split(install_command(extra))
        assert named == ["pip", "install", *(each.partition(";")[0] for each in wanted)]
        assert len(named) > 2
    monkeypatch.setattr(metadata, "requires", lambda _: None)
    assert install_command("cli") == "pip install 'hotsettings[cli]'"
    monkeypatch.setattr(metadata, "requires", not_installed)
    assert install_command("cli") == "pip install 'hotsettings[cli]'"


def not_installed(name: str) -> list[str]:
    raise metadata.PackageNotFoundError(name)


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_extra_exists(extra: str) -> None:
    assert extra in (metadata.metadata("hotsettings").get_all("Provides-Extra") or ())


def test_the_others_need_nothing_optional() -> None:
    optional = {"django", "fastapi", "starlette", "prometheus_client", "opentelemetry", "pydantic", "rich", "typer"}
    done = run(
        "import sys, hotsettings.integrations.asgi, hotsettings.integrations.wsgi\n"
        "import hotsettings.integrations.logging, hotsettings.integrations.page\n"
        f"print(*{optional} & set(sys.modules))"
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_watching_loads_no_integration() -> None:
    done = run(
        "import sys, hotsettings, hotsettings._live.watch, hotsettings.testing\n"
        "print(*(name for name in sys.modules if name.startswith('hotsettings.integrations')))"
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
