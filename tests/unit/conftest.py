"""A unit test starts no process, opens no connection and never waits: this holds for all of them, whoever writes them."""

import sys
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

FORBIDDEN: Final = frozenset({"subprocess.Popen", "os.fork", "os.posix_spawn", "socket.connect"})
_running: list[str] = []


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {*FORBIDDEN, "time.sleep"} and _running:
        raise AssertionError(f"{event}{arguments!r:.80} in a unit test: it belongs to tests/component or tests/system")


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(time, "sleep", lambda seconds: _refuse("time.sleep", (seconds,)))
    _running.append(request.node.nodeid)
    yield
    _running.pop()
