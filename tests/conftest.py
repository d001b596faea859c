"""What all tests share."""

import os
import signal
import sys
from typing import Any

import pytest
from hypothesis import settings
from support import chosen_parser

from hotsettings import use_parser

# A shell's background job ignores SIGINT, and so would every process that is started here and then interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a shared machine's hiccup is not a bug. Derandomized in CI, so that a failure there repeats anywhere.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
# For a long session by hand: HYPOTHESIS_PROFILE=long make test ARGS=tests/test_fuzz.py
settings.register_profile("long", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--toml-parser", choices=["toml_rs", "tomllib"], default="toml_rs", help="what hotsettings reads TOML with"
    )


def pytest_configure(config: pytest.Config) -> None:
    chosen_parser.name = config.getoption("--toml-parser")
    use_parser(config.getoption("--toml-parser"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--toml-parser") != "toml_rs":
        for item in items:
            if item.get_closest_marker("toml_rs"):
                item.add_marker(pytest.mark.skip(reason="it is about TOML 1.1, or the words and columns of toml_rs"))


_LOOPS: dict[str, tuple[str, dict[str, Any]]] = {"asyncio": ("asyncio", {}), "trio": ("trio", {})}
if sys.platform != "win32":
    _LOOPS["uvloop"] = ("asyncio", {"use_uvloop": True})


@pytest.fixture(params=list(_LOOPS.values()), ids=list(_LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Every async test that is marked ``anyio`` runs on each of these."""
    return request.param
