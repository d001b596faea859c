"""Settings.watch(): the whole of it, on real files."""

from __future__ import annotations

import gc
import os
import signal
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from support.live import Settings, until

from hotsettings import InvalidSettings, LayerError, Live
from hotsettings._loading import load
from hotsettings._redaction import Redactor
from hotsettings._watching.sources import file as files
from hotsettings._watching.sources import source as followed
from hotsettings.testing import Workspace

pytestmark = pytest.mark.anyio
SECRET = "hidden-away-value"


@pytest.fixture
def workspace(settings_workspace: Workspace) -> Workspace:
    settings_workspace.write({"A": 1}, secrets={"SECRET_KEY": SECRET})
    return settings_workspace


@pytest.mark.parametrize("watcher", ["auto", "inotify", "watchfiles", "poll"])
async def test_follows_the_files(workspace: Workspace, watcher: Any) -> None:
    async with Settings.watch(**workspace.paths, watcher=watcher, settle=0.01, rescan_interval=0.05) as live:
        assert (live.current.A, live.current.SECRET_KEY) == (1, SECRET)
        changes = live.changes("A")
        workspace.write({"A": 2}, override={"B": 3})
        with anyio.fail_after(10):
            change = await anext(changes)
            assert change.new.A == 2
            await until(lambda: live.current.B == 3)
        assert live.explain("B").winner.origin.file == str(workspace.override)
        assert [layer.state for layer in live.status.layers] == ["read"] * 3
    with pytest.raises(StopAsyncIteration):
        await anext(changes)


async def test_the_collector_is_paused_from_the_last_read_of_large_layers_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: a read may hang, and nothing would be collected in all of the process until it comes back."""
    collecting: dict[str, list[bool]] = {"read": [], "parse": [], "decode": [], "learn": []}

    def note(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **named: Any) -> Any:
            collecting[step].append(gc.isenabled())
            return function(*arguments, **named)

        return noted

    for owner, name, step in (
        (files, "fetch_once", "read"),
        (followed, "parse", "parse"),
        (load, "decode", "decode"),
        (Redactor, "learn", "learn"),
    ):
        monkeypatch.setattr(owner, name, note(step, getattr(owner, name)))
    large = "# " + "x" * 200_000
    workspace.write(f"A = 1\n{large}", secrets=f"SECRET_KEY = 's'\n{large}", override="B = 1")
    async with Settings.watch(**workspace.paths, settle=0.01, rescan_interval=0.05) as live:
        del collecting["learn"][0]  # what the defaults of the class hold is learnt before anything is read
        assert collecting == {"read": [True] * 3, "parse": [False] * 3, "decode": [False], "learn": [False]}
        for noticed in collecting.values():
            noticed.clear()
        workspace.write(override="B = 2")
        await live.reload()
        assert live.current.B == 2
        assert set(collecting["read"]) == {True}
        assert (collecting["parse"], collecting["decode"]) == ([False], [False])
        assert gc.isenabled()


async def test_an_unknown_watcher(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="auto, inotify, watchfiles, poll"):
        async with Settings.watch(**workspace.paths, watcher="magic"):  # type: ignore[arg-type]
            pass


@pytest.mark.parametrize("watcher", ["inotify", "watchfiles", "poll"])
@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a\0b/config.toml", "\ud800/config.toml"])
async def test_a_name_that_no_file_can_have(workspace: Workspace, name: str, watcher: Any) -> None:
    with pytest.raises(LayerError):
        async with Settings.watch(workspace.folder / name, secrets_path=workspace.secrets, watcher=watcher):
            pass


@pytest.mark.parametrize(
    ("text", "error"),
    [(f"SECRET_KEY = '{SECRET}'\nSECRET_KEY = 1", LayerError), (f"SECRET_KEY = ['{SECRET}']", InvalidSettings)],
)
async def test_bad_files_at_the_start(workspace: Workspace, text: str, error: type[Exception]) -> None:
    workspace.write(secrets=text)
    with pytest.raises(error) as caught:
        async with Settings.watch(**workspace.paths):
            pass
    raised = caught.value
    assert SECRET not in "".join(traceback.format_exception(raised))
    assert raised.__context__ is None
    assert raised.__cause__ is None
    for frame, _ in traceback.walk_tb(raised.__traceback__):
        if "hotsettings" in frame.f_code.co_filename and "tests" not in frame.f_code.co_filename:
            assert SECRET not in repr(frame.f_locals)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("mine"),
        ExceptionGroup("mine", [ValueError(), OSError()]),
        BaseExceptionGroup("mine", [KeyboardInterrupt()]),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        StopAsyncIteration(),
    ],
    ids=repr,
)
async def test_an_exception_of_the_block_leaves_it_as_itself(workspace: Workspace, error: BaseException) -> None:
    async def block() -> None:
        async with Settings.watch(**workspace.paths):
            await anyio.lowlevel.checkpoint()
            raise error

    left: BaseException | None = None
    try:
        await block()
    except BaseException as raised:
        left = raised
    if isinstance(error, StopAsyncIteration):  # what contextlib makes of it
        assert left is not None
    else:
        assert left is error


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"settle": -0.1}, "settle must be 0 seconds or more, not -0.1"),
        ({"rescan_interval": 0}, "rescan_interval must be more than 0 seconds, not 0"),
        ({"rescan_interval": float("nan")}, "rescan_interval must be more than 0 seconds, not nan"),
        ({"prepare_timeout": -1}, "prepare_timeout must be more than 0 seconds, not -1"),
    ],
)
async def test_times_that_make_no_sense(workspace: Workspace, limits: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}$"):
        async with Settings.watch(**workspace.paths, **limits):
            pytest.fail("it watches")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
@pytest.mark.async_only
async def test_cancelled_at_every_await(workspace: Workspace) -> None:
    through: list[bool] = []

    async def block() -> None:
        async with Settings.watch(**workspace.paths, settle=0.0) as live:
            async with live.resource(lambda _: anyio.CancelScope()):  # type: ignore[arg-type, return-value]
                pass
        through.append(True)

    def resources() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    async with Settings.watch(**workspace.paths, settle=0.0):  # so that what is made once is there
        pass
    before = resources()[0]
    for at in range(40):
        async with anyio.create_task_group() as tasks:

            async def quietly() -> None:
                try:
                    await block()
                except TypeError:
                    through.append(True)  # a CancelScope is no asynchronous context manager

            tasks.start_soon(quietly)
            for _ in range(at):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    await until(lambda: resources()[0] <= before)


async def test_the_working_directory_may_change(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(workspace.folder)
    async with Settings.watch("config.toml", settle=0.01) as live:
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        workspace.write({"A": 5})
        assert (await live.reload()) is not None or live.current.A == 5
        assert live.current.A == 5
        assert live.explain("A").winner.origin.file == "config.toml"


async def test_two_at_once(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Workspace(tmp_path_factory.mktemp("other"))
    other.write({"A": 10})
    async with (
        Settings.watch(**workspace.paths) as one,
        Settings.watch(**workspace.paths) as twin,
        Settings.watch(**other.paths) as two,
    ):
        workspace.write({"A": 2})
        other.write({"A": 20})
        await until(lambda: (one.current.A, twin.current.A, two.current.A) == (2, 2, 20))


@pytest.fixture
def hangup() -> Iterator[list[int]]:
    """A handler of the user's own for SIGHUP."""
    got: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: got.append(number))
    yield got
    signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal here")
async def test_reload_by_signal(workspace: Workspace, hangup: list[int]) -> None:
    before = signal.getsignal(signal.SIGHUP)
    async with Settings.watch(
        **workspace.paths, watcher="poll", rescan_interval=3600, settle=0.0, reload_signal=signal.SIGHUP
    ) as live:
        workspace.write({"A": 2})
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: live.current.A == 2)
        workspace.write({"A": "x"})
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: not live.status.healthy)
        workspace.write({"A": 3})
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: live.current.A == 3)
        assert hangup == []
    assert signal.getsignal(signal.SIGHUP) is before
    before_this = len(hangup)  # trio hands on what came while the block was left
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: len(hangup) == before_this + 1)


async def test_in_a_thread_of_its_own(workspace: Workspace, anyio_backend: Any) -> None:
    """Not only in the main thread; read from everywhere."""
    seen: list[int] = []
    ready, done = threading.Event(), threading.Event()
    held: list[Live[Settings]] = []

    async def watch() -> None:
        async with Settings.watch(**workspace.paths) as live:
            held.append(live)
            ready.set()
            await until(lambda: live.current.A == 2)
            seen.append(live.current.A)
            done.set()

    backend, options = anyio_backend if isinstance(anyio_backend, tuple) else (anyio_backend, {})
    thread = threading.Thread(target=lambda: anyio.run(watch, backend=backend, backend_options=options))
    thread.start()
    await until(ready.is_set)
    assert held[0].current.A == 1
    workspace.write({"A": 2})
    await until(done.is_set)
    thread.join(10)
    assert seen == [2]


async def test_reload_and_hooks_together(workspace: Workspace) -> None:
    steps: list[Callable[[], Awaitable[object]]] = []
    async with Settings.watch(**workspace.paths) as live:
        asked: list[int] = []
        live.prepare(lambda change: asked.append(change.new.A), "A")
        workspace.write({"A": 9})
        steps += [live.reload, live.wait_applied]
        for step in steps:
            await step()
        assert live.current.A == 9
        assert asked == [9]


async def test_the_first_look_settles(tmp_path: Path) -> None:
    """A file that is still being written at the start is waited for."""
    path = tmp_path / "config.toml"
    with path.open("w") as file:
        file.write("A = 1\n")
        file.flush()
        async with anyio.create_task_group() as tasks:
            held: list[Live[Settings]] = []

            async def watch() -> None:
                async with Settings.watch(path, secrets_path=None, settle=1.0) as live:
                    held.append(live)

            tasks.start_soon(watch)
            for number in range(2, 12):
                await anyio.sleep(0.01)
                assert held == []
                file.write(f"# {number}\n")
                file.flush()
            file.write("B = 1\n")
            file.close()
    assert (held[0].current.A, held[0].current.B) == (1, 1)


@pytest.mark.async_only
async def test_a_value_that_moved_to_the_secrets_file_is_a_secret(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    """No key differs when it moves; when it is rotated later, a callback may quote the old one."""
    moved = "moved-away-value"

    def raising(change: Any) -> None:
        raise ConnectionError(f"no longer welcome with {change.old.KAFKA_HOST}")

    workspace.write({"KAFKA_HOST": moved})
    async with Settings.watch(**workspace.paths) as live:
        live.on_change(raising, "KAFKA_HOST")
        workspace.write({"A": 0}, secrets={"SECRET_KEY": SECRET, "KAFKA_HOST": moved})
        await live.reload()
        assert live.snapshot.generation == 1
        workspace.write(secrets={"SECRET_KEY": SECRET, "KAFKA_HOST": "another-such-value"})
        await live.reload()
        with anyio.fail_after(10):
            await until(lambda: live.status.callback_failures == 1)
    assert "no longer welcome with ********" in caplog.text
    assert moved not in caplog.text
