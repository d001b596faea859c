"""A watch that fails unexpectedly, at any seam, is unhealthy while that lasts, reports it once, and recovers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import anyio
import pytest
from support.live import Settings, until
from support.seams import CANARY, SEAMS, spoil

from hotsettings import Applied, Rejected, Rejection, SettingsError, UnforeseenError
from hotsettings._layers.status import LayerState
from hotsettings._layers.store import StoreLayer, StoreValue
from hotsettings._watching.consistent_read import ConsistentReader
from hotsettings.testing import Workspace

pytestmark = pytest.mark.anyio

# Of each module one, and where the layers are looked at.
CHOSEN: Final = [
    *("_layers.file._contents", "_layers.file.fetch_once", "_layers.layer._parsed", "_layers.layer.parse"),
    *("_layers.toml.limits.hazard", "_layers.toml.limits.unfit", "_layers.toml.parser.loads"),
    *("_loading.merge.merge", "_loading.load._validated", "_loading.load.assemble", "_live.reload.restart.keep_first"),
    *("_live.snapshot.same", "_live.snapshot.changed_keys"),
]


@pytest.fixture
def workspace(settings_workspace: Workspace) -> Workspace:
    settings_workspace.write({"A": 1}, secrets={"SECRET_KEY": CANARY})
    return settings_workspace


def watch(workspace: Workspace) -> Any:
    return Settings.watch(**workspace.paths, watcher="poll", settle=0.01, rescan_interval=0.02)


@pytest.fixture(params=CHOSEN)
def seam(request: pytest.FixtureRequest) -> Any:
    return SEAMS[f"hotsettings.{request.param}"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_in_the_middle_of_a_watch(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, seam: Any
) -> None:
    caplog.set_level(logging.INFO)
    async with watch(workspace) as live:
        events = live.events()
        with monkeypatch.context() as patch:
            calls = spoil(patch, seam, lambda: ValueError(CANARY))
            workspace.write({"A": 2})
            await until(lambda: not live.status.healthy)
            with pytest.raises(Rejected) as caught:
                await live.reload()
            looks = len(calls)
            await anyio.sleep(0.2)  # ten looks at three files
            status = live.status
            assert not status.healthy, "it lasts for as long as the files are as they are"
            assert live.current.A == 1
            assert "unforeseen ValueError" in str(status.last_error)
            assert str(workspace.config) in str(status.last_error)
            assert len(calls) <= looks + 45, "it does not look without pause"
        rejection = await anext(events)
        assert isinstance(rejection, Rejection)
        assert status.last_error == rejection.reason
        assert rejection.total == len(rejection.problems) > 0
        assert isinstance(caught.value.reason, SettingsError)
        warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(warnings) == 1
        workspace.write({"A": 3})
        await until(lambda: live.current.A == 3)
        assert live.status.healthy
        applied = await anext(events)
        assert isinstance(applied, Applied), "told once"
        shown = f"{caught.value} {caught.value!r} {status} {rejection} {caplog.text}"
        assert CANARY not in shown


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_at_the_start(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, seam: Any) -> None:
    if seam.name in ("hotsettings._live.snapshot.same", "hotsettings._live.snapshot.changed_keys"):
        pytest.skip("nothing is compared then")
    spoil(monkeypatch, seam, lambda: ValueError(CANARY))
    with pytest.raises(SettingsError) as caught:
        async with watch(workspace):
            pass
    assert "unforeseen ValueError" in str(caught.value)
    assert CANARY not in f"{caught.value} {caught.value!r}"
    assert caught.value.__context__ is None


async def test_when_looking_itself_fails(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_: object, **__: object) -> None:
        raise RuntimeError(CANARY)

    async with watch(workspace) as live:
        with monkeypatch.context() as patch:
            patch.setattr(ConsistentReader, "check", check)
            workspace.write({"A": 2})
            await until(lambda: not live.status.healthy)
        await until(lambda: live.current.A == 2)
        assert live.status.healthy
    monkeypatch.setattr(ConsistentReader, "check", check)
    with pytest.raises(UnforeseenError, match="unforeseen RuntimeError"):
        async with watch(workspace):
            pass


@pytest.mark.toml_rs
async def test_the_file_that_the_walk_could_not_read(workspace: Workspace) -> None:
    """A bad value before a bad key: the file stays unhealthy until it is good."""
    async with watch(workspace) as live:
        workspace.config.write_text("T = {a=23:59:60, ?=2}\n")
        await until(lambda: not live.status.healthy)
        await anyio.sleep(0.1)
        assert live.status.consecutive_failures == 1
        assert "a date or time that Python does not have" in str(live.status.last_error)
        workspace.write({"A": 2})
        await until(lambda: live.current.A == 2)
        assert live.status.healthy


class Shelf:
    """A store that holds one document."""

    state: LayerState = "read"

    def forked(self) -> None: ...

    def __init__(self) -> None:
        self.document = StoreValue(1, b"A = 1")
        self.wake: Callable[[], None] = lambda: None

    def put(self, text: str) -> None:
        self.document = StoreValue((self.document.revision or 0) + 1, text.encode())
        self.wake()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        yield

    def value(self, key: str) -> StoreValue:
        return self.document

    @contextmanager
    def subscribed(self, wake: Callable[[], None]) -> Iterator[None]:
        self.wake = wake
        yield

    async def accompany(self, live: Any, accepted: Any) -> None:
        await anyio.sleep_forever()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_layer_of_a_store(monkeypatch: pytest.MonkeyPatch, seam: Any) -> None:
    if seam.name in ("hotsettings._layers.file._contents", "hotsettings._layers.file.fetch_once"):
        pytest.skip("no file is read")
    shelf = Shelf()
    layer = StoreLayer(shelf, "config.toml", name="base", label="shelf/config.toml")
    async with Settings.watch(layers=[layer], rescan_interval=0.02) as live:
        with monkeypatch.context() as patch:
            spoil(patch, seam, lambda: ValueError(CANARY))
            shelf.put("A = 2")
            await until(lambda: not live.status.healthy)
            await anyio.sleep(0.1)
            assert not live.status.healthy
            assert "shelf/config.toml" in str(live.status.last_error)
            assert "unforeseen ValueError" in str(live.status.last_error)
        shelf.put("A = 3")
        await until(lambda: live.current.A == 3)
        assert live.status.healthy
