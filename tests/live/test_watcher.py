"""Looking and being told at once: what was read while somebody wrote is not taken."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from hotsettings import watcher as module
from hotsettings.layers import FileLayer
from hotsettings.routes import Route
from hotsettings.settling import Told, Writer
from hotsettings.stack import Read, Unchanged, Unsettled
from hotsettings.watcher import Watcher

pytestmark = pytest.mark.anyio


class Telling:
    """Wakeups that tell, when a look is over, what has been put down for it."""

    confirm = 0.0
    blind = False

    def __init__(self) -> None:
        self.word = Told(Writer.CLOSED, time.monotonic())
        self.next: Told | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Telling, None]:
        yield self

    def arm(self, routes: Sequence[Route]) -> bool:
        return False

    def drain(self) -> None:
        if self.next is not None:
            self.word, self.next = self.next, None

    def told(self, target: str) -> Told:
        return self.word

    async def run(self, wake: Callable[[], None]) -> None:
        await anyio.sleep_forever()


@pytest.mark.parametrize("writer", [Writer.OPEN, Writer.CREATED, Writer.CLOSED])
async def test_written_and_perhaps_closed_while_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: Writer
) -> None:
    telling = Telling()
    monkeypatch.setattr(module, "opener", lambda kind: telling.open)
    path = tmp_path / "config.toml"
    path.write_text("A = 1")
    monkeypatch.setattr("hotsettings.sight._COARSEST_CLOCK", 0.0)  # as if it had been written long ago
    watcher = Watcher([FileLayer(str(path), name="base", label="config.toml")], 0.01, 60.0, "auto")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watcher.run)
        later = time.monotonic() + 60.0
        telling.next = Told(writer, later, later)  # of the half that this look has read
        assert await watcher.observe(lambda read: read, print) == Unsettled(0.0)
        # However unchanged the file looks, it is read again, and that is taken.
        telling.word = Told(Writer.CLOSED, time.monotonic())
        watcher.wake()
        with anyio.fail_after(10):
            while not isinstance(seen := await watcher.observe(lambda read: read, print), tuple):
                await anyio.sleep(0.01)
                watcher.wake()
        assert isinstance(seen[0], Read)
        assert seen[0].contents == (b"A = 1",)
        # A rename in the middle of a look hides nothing: what was read was whole.
        path.write_text("A = 2")
        telling.next = Told(Writer.CLOSED, later, 0.0)
        telling.word = Told(Writer.CLOSED, time.monotonic())
        watcher.wake()
        seen = await watcher.observe(lambda read: read, print)
        assert not isinstance(seen, Unchanged | Unsettled)
        assert seen[0].contents == (b"A = 2",)
        tasks.cancel_scope.cancel()
