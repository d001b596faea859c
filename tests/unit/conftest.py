"""A unit test starts no process, opens no connection and never waits: this holds for all of them, whoever writes them."""

import sys
from typing import Any, Final

import pytest

FORBIDDEN: Final = frozenset({"subprocess.Popen", "os.fork", "os.posix_spawn", "socket.connect", "time.sleep"})
_running: list[str] = []


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in FORBIDDEN and _running:
        raise AssertionError(f"{event}{arguments!r:.80} in a unit test: it belongs to tests/component or tests/system")


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest) -> Any:
    _running.append(request.node.nodeid)
    yield
    _running.pop()
