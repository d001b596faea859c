"""A start while somebody is still writing: it ends, and it does not keep silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import anyio
import pytest
from support.live import Settings

from hotsettings import LayerError
from hotsettings._live.reload import reloader

pytestmark = pytest.mark.anyio

Kind = Literal["inotify", "watchfiles", "poll"]
SETTLE = 0.1


@pytest.fixture(params=["inotify", "watchfiles", "poll"])
def watcher(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("PATIENCE", 0.5), ("_ACCEPT_OPEN_AFTER", 0.8), ("_START_FAILS_AFTER", 1.2)):
        monkeypatch.setattr(reloader, name, seconds)


@contextmanager
def appending(path: Path, every: float) -> Generator[None]:
    """Keep a file open, and append a line to it again and again."""
    over = threading.Event()

    def write() -> None:
        with path.open("a") as file:
            while not over.is_set():
                file.write("# a line\n")
                file.flush()
                over.wait(every)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


async def test_what_rests_between_two_writes_is_taken_in_the_end(
    tmp_path: Path, watcher: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "config.toml"
    path.write_text("A = 1\n")
    began = time.monotonic()
    with appending(path, 5 * SETTLE), anyio.fail_after(20):
        async with Settings.watch(path, secrets_path=None, settle=SETTLE, watcher=watcher) as live:
            assert time.monotonic() - began >= 0.8
            assert live.current.A == 1
    waits = [message for message in caplog.messages if "the start waits" in message]
    assert len(waits) == 1
    assert "layer base, which somebody is still writing" in waits[0]


async def test_what_never_rests_is_an_error(tmp_path: Path, watcher: Kind, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text("B = 1\n")
    (tmp_path / "config.toml").write_text("A = 1\n")
    with appending(path, SETTLE / 20), anyio.fail_after(20), pytest.raises(LayerError) as caught:
        async with Settings.watch(tmp_path / "config.toml", secrets_path=path, settle=3 * SETTLE, watcher=watcher):
            pytest.fail("it began with what was not complete")
    [problem] = caught.value.problems
    assert problem.origin.layer == "secrets"
    assert "without a pause" in problem.message
    assert "layer secrets, which somebody is still writing" in caplog.text


async def test_a_writer_that_ends_is_waited_for(tmp_path: Path, watcher: Kind) -> None:
    """Not even the first state is half a file, as long as its writer takes no longer than that."""
    path = tmp_path / "config.toml"
    path.write_text("A = 1\n")

    def write() -> None:
        with path.open("a") as file:
            opened.set()
            time.sleep(3 * SETTLE)
            file.write("B = 7\n")

    opened = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    opened.wait()
    async with Settings.watch(path, secrets_path=None, settle=SETTLE, watcher=watcher) as live:
        assert (live.current.A, live.current.B) == (1, 7)
    writer.join()
