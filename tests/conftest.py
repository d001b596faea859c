"""What all tests share: options, event loops, and how much of what could be tried is tried."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support import blocking_face, chosen_parser

from hotsettings import use_parser

# A shell's background job ignores SIGINT, and so would every process that is started here and then interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LOOPS: dict[str, tuple[str, dict[str, Any]]] = {"asyncio": ("asyncio", {}), "trio": ("trio", {})}
if sys.platform != "win32":
    LOOPS["uvloop"] = ("asyncio", {"use_uvloop": True})
# No event loop, but the face of programs that have none: what a test awaits, waits in a thread. See support.blocking_face.
LOOPS["blocking"] = ("asyncio", {"debug": False})
FOR_BLOCKING = [Path(__file__).parent / folder / "live" for folder in ("component", "system")]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--toml-parser", choices=["toml_rs", "tomllib"], default="toml_rs", help="what hotsettings reads TOML with"
    )
    parser.addoption(
        "--loops", choices=[*LOOPS, "all"], default="asyncio", help="the event loop that async tests run on, or all"
    )
    parser.addoption(
        "--thorough", action="store_true", help="run what is exhaustive too: every combination, and more examples"
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One for each core with ``-n logical``. With ``-n auto`` twice as many and one more: those tests wait most of the time."""
    cores = os.cpu_count() or 1
    return 2 * cores + 1 if config.option.numprocesses == "auto" else cores


def pytest_configure(config: pytest.Config) -> None:
    chosen_parser.name = config.getoption("--toml-parser")
    use_parser(config.getoption("--toml-parser"))
    # No deadline: a shared machine's hiccup is not a bug. Derandomized in CI, so that a failure there repeats anywhere.
    repeatable: dict[str, Any] = (
        {"derandomize": True, "database": None, "print_blob": True} if os.environ.get("CI") else {}
    )
    examples = 100 if config.getoption("--thorough") else 20
    settings.register_profile("tests", deadline=None, max_examples=examples, **repeatable)
    # For a long session by hand: HYPOTHESIS_PROFILE=long make test ARGS=tests/system/fuzz
    settings.register_profile("long", deadline=None, max_examples=5000)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--toml-parser") != "toml_rs":
        for item in items:
            if item.get_closest_marker("toml_rs"):
                item.add_marker(pytest.mark.skip(reason="it is about TOML 1.1, or the words and columns of toml_rs"))
    left_out = [item for item in items if not _wanted(config, item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _wanted(config, item)]


def _wanted(config: pytest.Config, item: pytest.Item) -> bool:
    loops = config.getoption("--loops")
    if loops != "all" and isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        on = item.callspec.params.get("anyio_backend")
        # Whatever is written for other loops than the chosen one runs on its own.
        if on is not None and on != LOOPS[loops]:
            return False
    if isinstance(item, pytest.Function) and _face(item) == LOOPS["blocking"] and not _for_blocking(item):
        return False
    return config.getoption("--thorough") or item.get_closest_marker("thorough") is None


def _for_blocking(item: pytest.Item) -> bool:
    return not item.get_closest_marker("async_only") and any(folder in item.path.parents for folder in FOR_BLOCKING)


def _face(item: pytest.Function) -> object:
    return item.callspec.params.get("anyio_backend") if hasattr(item, "callspec") else None


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Every async test that is marked ``anyio`` runs on each of these, where ``--loops`` asks for it."""
    with blocking_face.installed() if request.param == LOOPS["blocking"] else nullcontext():
        yield request.param
