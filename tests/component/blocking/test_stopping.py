"""Starting and stopping the blocking form: by whom, how often, with what under way, and what is left."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.live import Settings
from support.threads import in_thread, soon

from hotsettings import BlockingLive, InvalidSettings, LayerError
from hotsettings._concurrency.loop_thread import Ended, _running
from hotsettings._live.core import CurrentSlot
from hotsettings.testing import Workspace

Live = BlockingLive[Settings]
Edit = Callable[..., Any]


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("hotsettings")]


def test_start_and_stop(workspace: Workspace) -> None:
    live = Settings.watch(**workspace.paths, settle=0.0).start()
    assert "hotsettings" in ours()
    assert repr(live).startswith("BlockingLive(Snapshot(generation=1")
    live.stop()
    soon(lambda: not ours())
    live.stop()


def test_what_is_left_after_the_end(live: Live, edit: Edit, workspace: Workspace) -> None:
    edit(A=2)
    handle = live.on_change(lambda _: None)
    live.stop()
    workspace.write({"A": 3})
    assert live.reload() is None
    live.wait_applied(timeout=5)
    live.wait_applied(99, timeout=5)
    assert (live.current.A, live.snapshot.generation, live.status.generation) == (2, 2, 2)
    assert live.explain("A").winner.value == 2
    assert not live.statistics().watching
    assert live.redact("first-secret") == "********"
    assert {each.key for each in live.describe()} >= {"A", "B"}
    handle.cancel()
    calls: list[Callable[[Any], object]] = [live.on_change, live.prepare, live.resource]
    for call in calls:
        with pytest.raises(Ended, match="the watching has ended"):
            call(lambda _: None)


def test_stop_from_everywhere_at_once(live: Live, edit: Edit) -> None:
    stopping = [in_thread(live.stop) for _ in range(8)]
    for thread in stopping:
        thread.result()
    soon(lambda: not ours())


def test_stop_from_a_callback(live: Live, edit: Edit) -> None:
    done = threading.Event()

    def stop(_: object) -> None:
        live.stop()
        done.set()

    live.on_change(stop)
    edit(A=2)
    assert done.wait(20)
    soon(lambda: not ours())


def test_stop_from_a_hook(live: Live, workspace: Workspace) -> None:
    live.prepare(lambda _: live.stop())
    workspace.write({"A": 2})
    live.reload(timeout=20)
    soon(lambda: not ours())
    assert live.current.A == 1


def test_stop_from_a_build(live: Live, workspace: Workspace) -> None:
    @contextmanager
    def build(settings: Settings) -> Iterator[None]:
        if settings.A == 2:
            live.stop()
        yield

    with live.resource(build):
        workspace.write({"A": 2})
        live.reload(timeout=20)
        soon(lambda: not [name for name in ours() if name == "hotsettings"])
    soon(lambda: not ours())


def test_stop_while_everything_waits(workspace: Workspace) -> None:
    go, closing = threading.Event(), list[str]()

    @contextmanager
    def build(settings: Settings) -> Iterator[None]:
        yield
        closing.append("closed")

    def lease() -> None:
        with resource.lease():
            go.wait(30)

    def hangs(_: object) -> None:
        go.wait(30)

    with Settings.watch(**workspace.paths, settle=0.0) as live:
        live.on_change(lambda _: go.wait(30))
        with live.resource(build, drain_timeout=0.2) as resource:
            workspace.write({"A": 2})
            live.reload()
            live.prepare(hangs)
            workspace.write({"A": 3})
            waiting = [
                *(in_thread(list, iterator) for iterator in (live.changes(), live.events())),
                *(in_thread(call) for call in (live.reload, live.wait_applied, lambda: live.wait_applied(9))),
            ]
            holding = in_thread(lease)
            soon(lambda: len(live.thread._calls) == 5)
            began = time.monotonic()
            live.stop()
            assert time.monotonic() - began < 3
            assert [thread.result() for thread in waiting][2:] == [None] * 3
    assert closing
    go.set()
    holding.result()
    soon(lambda: not ours())


def test_bad_files_at_the_start(workspace: Workspace) -> None:
    for text, error in (("A = ", LayerError), ("A = 'x'", InvalidSettings)):
        workspace.write(text)
        enters: list[Callable[[], object]] = [
            Settings.watch(**workspace.paths).start,
            Settings.watch(**workspace.paths).__enter__,
        ]
        for enter in enters:
            with pytest.raises(error) as raised:
                enter()
            assert raised.value.__context__ is None
            assert raised.value.__cause__ is None
    soon(lambda: not ours())
    assert not _running


def test_wrong_times_at_the_start(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="rescan_interval must be more than 0"):
        Settings.watch(**workspace.paths, rescan_interval=0).start()
    soon(lambda: not ours())


def test_ctrl_c_while_it_starts(workspace: Workspace) -> None:
    def ring(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with workspace.config.open("a") as file:
            file.write("B = 1\n")
            file.flush()  # it waits until this is closed
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                Settings.watch(**workspace.paths, settle=5.0).start()
            soon(lambda: not ours())
    finally:
        signal.signal(signal.SIGALRM, before)


def test_stopped_while_it_starts(workspace: Workspace) -> None:
    """As at the end of the process, while another thread starts it."""
    with workspace.config.open("a") as file:
        file.write("B = 1\n")
        file.flush()
        starting = in_thread(Settings.watch(**workspace.paths, settle=5.0).start)
        soon(lambda: [thread for thread in _running if thread._scope is not None])
        for thread in list(_running):
            thread.begin_to_stop()
        with pytest.raises(Ended, match="stopped before it had begun"):
            starting.result()
    soon(lambda: not ours())


def test_a_loop_that_cannot_begin(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no event loop")

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "Runner", refuse)
        with pytest.raises(OSError, match="no event loop"):
            Settings.watch(**workspace.paths).start()
    soon(lambda: not ours())


def test_no_thread_can_be_had(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = descriptors()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            Settings.watch(**workspace.paths).start()
    assert not _running
    gc.collect()
    assert descriptors() == before


def test_a_fault_of_ours_is_raised_at_the_end(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        with Settings.watch(**workspace.paths, settle=0.0) as live:
            monkeypatch.setattr(live._core, "close", lambda: 1 / 0)


def test_exceptions_of_the_block(workspace: Workspace) -> None:
    for error in (ValueError(), KeyboardInterrupt(), SystemExit(3), StopIteration(), ExceptionGroup("x", [OSError()])):
        left: BaseException | None = None
        try:
            with Settings.watch(**workspace.paths, settle=0.0):
                raise error
        except BaseException as raised:
            left = raised
        assert left is error
    soon(lambda: not ours())


def ours_in_memory() -> int:
    ours = ("hotsettings", "anyio", "asyncio")
    return sum(str(type(each).__module__).startswith(ours) for each in gc.get_objects())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
@pytest.mark.parametrize("form", ["block", "start"])
@pytest.mark.parametrize("turns", [40, pytest.param(250, marks=pytest.mark.thorough)])
def test_500_times_start_change_and_stop(workspace: Workspace, form: str, turns: int) -> None:
    """No thread, descriptor, or memory is left; leaving is quick."""

    @contextmanager
    def build(settings: Settings) -> Iterator[int]:
        yield settings.A

    def use(live: Live, number: int) -> float:
        seen = threading.Event()
        live.on_change(lambda _: seen.set())
        live.prepare(lambda _: None)
        changes, events = live.changes(timeout=20), live.events(timeout=20)
        with live.resource(build) as resource:
            workspace.write({"A": number})
            live.reload()
            assert next(changes).new.A == resource.current == number
            next(events)
            assert seen.wait(20)
        return time.monotonic()

    def cycles(number: int) -> list[float]:
        took = []
        for turn in range(number):
            watch = Settings.watch(**workspace.paths, settle=0.0)
            if form == "block":
                with watch as live:
                    ended = use(live, 2 + turn % 2)
            else:
                live = watch.start()
                ended = use(live, 2 + turn % 2)
                live.stop()
            took.append(time.monotonic() - ended)
        return took

    cycles(20)
    gc.collect()
    before, threads = descriptors(), set(threading.enumerate())
    objects = ours_in_memory()
    took = cycles(turns)
    gc.collect()
    assert descriptors() == before
    assert set(threading.enumerate()) <= threads
    assert ours_in_memory() - objects < turns, "less than one for each cycle"
    assert not _running
    assert sorted(took)[len(took) // 2] < 0.1


def test_current_is_a_plain_slot() -> None:
    assert type(vars(CurrentSlot)["current"]).__name__ == "member_descriptor"
    assert not hasattr(BlockingLive.__new__(BlockingLive), "__dict__")
    assert "current" not in vars(BlockingLive)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal here")
class TestReloadSignal:
    @pytest.fixture(autouse=True)
    def handler(self) -> Iterator[list[int]]:
        got: list[int] = []
        before = signal.signal(signal.SIGHUP, lambda number, _: got.append(number))
        yield got
        signal.signal(signal.SIGHUP, before)

    def test_in_the_main_thread(self, workspace: Workspace, handler: list[int]) -> None:
        before = signal.getsignal(signal.SIGHUP)
        options: Any = {"watcher": "poll", "rescan_interval": 3600, "settle": 0.0, "reload_signal": signal.SIGHUP}
        with Settings.watch(**workspace.paths, **options) as live, Settings.watch(**workspace.paths, **options) as twin:
            for number in (2, 3):
                workspace.write({"A": number})
                os.kill(os.getpid(), signal.SIGHUP)
                soon(lambda number=number: live.current.A == twin.current.A == number)  # type: ignore[misc]
            workspace.write({"A": "x"})
            os.kill(os.getpid(), signal.SIGHUP)
            soon(lambda: not live.status.healthy)
            twin.stop()
            workspace.write({"A": 4})
            os.kill(os.getpid(), signal.SIGHUP)
            soon(lambda: live.current.A == 4)
        assert signal.getsignal(signal.SIGHUP) is before
        os.kill(os.getpid(), signal.SIGHUP)
        soon(lambda: handler)

    def test_elsewhere_it_is_refused_at_the_call(self, workspace: Workspace) -> None:
        with pytest.raises(ValueError, match="reload_signal works in the main thread only"):
            in_thread(Settings.watch, **workspace.paths, reload_signal=signal.SIGHUP).result()
        watch = Settings.watch(**workspace.paths, reload_signal=signal.SIGHUP)
        before = signal.getsignal(signal.SIGHUP)
        with pytest.raises(ValueError, match="reload_signal works in the main thread only"):
            in_thread(watch.start).result()
        soon(lambda: not ours())
        assert signal.getsignal(signal.SIGHUP) is before

    def test_stopped_in_another_thread(self, workspace: Workspace) -> None:
        live = Settings.watch(**workspace.paths, settle=0.0, reload_signal=signal.SIGHUP).start()
        in_thread(live.stop).result()
        os.kill(os.getpid(), signal.SIGHUP)
        live.stop()
        assert sys.getsizeof(live)
