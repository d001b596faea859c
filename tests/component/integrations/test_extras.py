"""An integration says which extra it needs, and nobody pays for one that is not used."""

import subprocess
import sys
from importlib import metadata

import pytest

EXTRAS = {"fastapi": "fastapi", "prometheus": "prometheus_client", "opentelemetry": "opentelemetry"}


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("extra", "module"), EXTRAS.items())
def test_without_its_library_it_says_what_to_install(extra: str, module: str) -> None:
    done = run(f"import sys; sys.modules[{module!r}] = None; import hotsettings.integrations.{extra}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"ModuleNotFoundError: hotsettings.integrations.{extra} needs {module}"
    )
    assert done.stderr.rstrip().endswith(f"; install it with: pip install 'hotsettings[{extra}]'")


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_extra_exists(extra: str) -> None:
    assert extra in (metadata.metadata("hotsettings").get_all("Provides-Extra") or ())


def test_the_others_need_nothing_optional() -> None:
    optional = {"fastapi", "starlette", "prometheus_client", "opentelemetry", "pydantic", "rich", "typer"}
    done = run(
        "import sys, hotsettings.integrations.asgi, hotsettings.integrations.logging, hotsettings.integrations.page\n"
        f"print(*{optional} & set(sys.modules))"
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_watching_loads_no_integration() -> None:
    done = run(
        "import sys, hotsettings, hotsettings._live.watch, hotsettings.testing\n"
        "print(*(name for name in sys.modules if name.startswith('hotsettings.integrations')))"
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
