"""The tasks of a live object have a home of their own: whoever enters its block, and whoever leaves it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvloop
from anyio.abc import TaskStatus
from support.live import Ledger, Settings, given, idle, parts

from hotsettings import BaseSettings, Rejected, ResourceDown
from hotsettings._concurrency.tasks import hosted
from hotsettings.testing import Workspace, live

pytestmark = pytest.mark.async_only

SETTINGS = """
import asyncio, os, sys, time
from pathlib import Path
from hotsettings import BaseSettings

class Settings(BaseSettings):
    A: int = 0

Path("config.toml").write_text("A = 1")
"""


@pytest.fixture
def workspace(settings_workspace: Workspace) -> Workspace:
    return settings_workspace


def run(folder: Path, code: str, *command: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
    (folder / "test_them.py").write_text(SETTINGS + textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, *command, "test_them.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done


FACTORIES: dict[str, Callable[[], asyncio.AbstractEventLoop] | None] = {
    "asyncio": None,
    "uvloop": uvloop.new_event_loop,
}


@pytest.mark.parametrize("loop", FACTORIES)
def test_entered_in_one_task_and_left_in_another(workspace: Workspace, loop: str) -> None:
    """As fixtures do, and notebooks: each step is a task of its own."""
    seen: list[int] = []

    async def follow(held: Any) -> None:
        held.on_change(lambda change: seen.append(change.new.A))
        workspace.write(config={"A": 5})
        await held.reload()
        await held.wait_applied()

    with asyncio.Runner(loop_factory=FACTORIES[loop]) as runner:
        entering = Settings.watch(**workspace.paths, settle=0.0)
        held = runner.run(entering.__aenter__())
        runner.run(follow(held))
        runner.run(entering.__aexit__(None, None, None))
        assert asyncio.all_tasks(runner.get_loop()) == set()
    assert seen == [held.current.A] == [5]


@pytest.mark.anyio
async def test_entered_by_one_task_of_a_group_and_left_by_another(workspace: Workspace) -> None:
    entering = Settings.watch(**workspace.paths, settle=0.0)

    async def enter(*, task_status: TaskStatus[Any]) -> None:
        task_status.started(await entering.__aenter__())

    async def leave() -> None:
        await entering.__aexit__(None, None, None)

    async with anyio.create_task_group() as tasks:
        held = await tasks.start(enter)
        await idle()
        workspace.write(config={"A": 6})
        assert (await held.reload()).new.A == 6
        tasks.start_soon(leave)
    changes = held.changes()
    with pytest.raises(StopAsyncIteration):
        await anext(changes)


def test_unittest(tmp_path: Path) -> None:
    code = """
    import unittest

    class Case(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            self.live = await self.enterAsyncContext(Settings.watch(settle=0.0))
            self.watching = Settings.watch(settle=0.0)
            self.other = await self.watching.__aenter__()

        async def test_it(self):
            Path("config.toml").write_text("A = 2")
            await self.live.reload()
            await self.other.reload()
            assert (self.live.current.A, self.other.current.A) == (2, 2)

        async def asyncTearDown(self):
            await self.watching.__aexit__(None, None, None)

    unittest.main()
    """
    assert "\nOK\n" in run(tmp_path, code, "-W", "error").stderr


def test_fixtures_of_pytest_asyncio(tmp_path: Path) -> None:
    code = """
    import pytest, pytest_asyncio

    @pytest_asyncio.fixture
    async def live():
        async with Settings.watch(settle=0.0) as live:
            yield live

    @pytest_asyncio.fixture(loop_scope="module", scope="module")
    async def shared():
        async with Settings.watch(settle=0.0) as live:
            yield live

    @pytest.mark.asyncio
    @pytest.mark.parametrize("number", [2, 3])
    async def test_it(live, number):
        Path("config.toml").write_text(f"A = {number}")
        assert (await live.reload()).new.A == number

    @pytest.mark.asyncio(loop_scope="module")
    @pytest.mark.parametrize("number", [4, 5])
    async def test_shared(shared, number):
        Path("config.toml").write_text(f"A = {number}")
        assert (await shared.reload()).new.A == number
    """
    assert (
        "4 passed"
        in run(
            tmp_path, code, "-W", "error", "-m", "pytest", "-q", "-o", "asyncio_default_fixture_loop_scope=function"
        ).stdout
    )


def test_a_notebook(tmp_path: Path) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    cells = [
        SETTINGS,
        "watching = Settings.watch(settle=0.0)\nlive = await watching.__aenter__()",
        "Path('config.toml').write_text('A = 2')\nchange = await live.reload()\nprint(change.new.A)",
        "await watching.__aexit__(None, None, None)\nprint([task for task in asyncio.all_tasks() if 'hotsettings' in task.get_name()])",
        "async with Settings.watch() as live:\n    print(live.current.A)",
        "print([task for task in asyncio.all_tasks() if 'hotsettings' in task.get_name()])",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = ["".join(output.get("text", "") for output in cell.outputs) for cell in notebook.cells]
    assert printed == ["", "", "2\n", "[]\n", "2\n", "[]\n"]


@pytest.mark.anyio
async def test_a_scope_around_the_block_closes_nothing_before_the_code_in_it_has_ended(workspace: Workspace) -> None:
    said: list[str] = []
    ledger = Ledger()
    with anyio.CancelScope() as scope:
        async with Settings.watch(**workspace.paths, settle=0.0) as held, held.resource(ledger.build) as resource:
            changes = held.changes()
            scope.cancel()
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.fail_after(20, shield=True):
                    workspace.write(config={"A": 7})
                    await held.reload()
                    assert (await anext(changes)).new.A == 7
                    async with resource.lease() as thing:
                        await idle()
                        assert (thing in ledger.open, thing.settings.A) == (True, 7)
                        said.append("good-bye")
    assert (said, ledger.open) == (["good-bye"], [])


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})])
async def test_cancelled_natively_while_it_is_left() -> None:
    """asyncio's own cancellation knows no shield: the end is waited for all the same, and the cancellation is not lost."""
    slow, ended = anyio.Event(), anyio.Event()

    async def stubborn(_: object) -> None:
        slow.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
                ended.set()

    async def block() -> None:
        async with live(given()) as held:
            held.on_change(stubborn)
            await held.publish(given(A=1))
            await slow.wait()

    task = asyncio.get_running_loop().create_task(block())
    await slow.wait()
    for _ in range(3):
        await asyncio.sleep(0.005)
        assert not task.done()
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    assert {each.get_name() for each in asyncio.all_tasks() if "hotsettings" in each.get_name()} == set()


class Interrupt(KeyboardInterrupt):
    """What a callback raises, and no Ctrl-C of whoever runs the tests."""


@pytest.mark.anyio
@pytest.mark.parametrize("where", ["callback", "hook", "build", "instance"])
@pytest.mark.parametrize("grouped", [False, True])
async def test_an_interrupt_of_other_code_is_raised_where_the_block_ends(where: str, grouped: bool) -> None:
    """In a group too: a Ctrl-C may meet any task of other code, also one in a task group."""
    error = BaseExceptionGroup("of some tasks", [ValueError(), Interrupt()]) if grouped else Interrupt()
    after: list[str] = []

    def interrupt(_: object) -> None:
        raise error

    @asynccontextmanager
    async def build(settings: Settings) -> AsyncIterator[None]:
        if where == "build" and settings.A == 1:
            raise error
        yield
        if where == "instance":
            raise error

    async def block() -> None:
        async with live(given()) as held, held.resource(build, "A"):
            if where == "callback":
                held.on_change(interrupt)
            elif where == "hook":
                held.prepare(interrupt)
            with pytest.raises(Rejected) if where in ("hook", "build") else nullcontext():
                await held.publish(given(A=1))
            await held.wait_applied()
            await idle()
            after.append("the block went on")

    with pytest.raises(type(error)) as caught:
        await block()
    assert caught.value is error
    assert after == ["the block went on"]


@pytest.mark.anyio
@pytest.mark.parametrize("where", ["callback", "hook", "build"])
async def test_what_it_calls_may_leave_its_block(workspace: Workspace, where: str) -> None:
    """It is cancelled then, as everything else that belongs to the block, and nobody waits for himself."""
    entering, left = Settings.watch(**workspace.paths, settle=0.0), anyio.Event()

    async def leave(*_: object) -> None:
        try:
            await entering.__aexit__(None, None, None)
        finally:
            left.set()

    @asynccontextmanager
    async def build(settings: Settings) -> AsyncIterator[None]:
        if where == "build" and settings.A:
            await leave()
        yield

    held = await entering.__aenter__()
    block = held.resource(build, "A")
    await block.__aenter__()
    if where == "callback":
        held.on_change(leave)
    elif where == "hook":
        held.prepare(leave)
    with anyio.fail_after(20):
        workspace.write(config={"A": 1})
        await held.reload()
        await left.wait()
        await entering.__aexit__(None, None, None)
        await block.__aexit__(None, None, None)
    assert not held.statistics().watching


@pytest.mark.anyio
async def test_a_task_that_a_callback_has_started_may_leave_its_block() -> None:
    entering, left = live(given()), anyio.Event()

    async def leave() -> None:
        await entering.__aexit__(None, None, None)
        left.set()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            held = await entering.__aenter__()
            held.on_change(lambda _: tasks.start_soon(leave))
            await held.publish(given(A=1))
            await left.wait()
    assert not held.statistics().watching


@pytest.mark.anyio
async def test_an_instance_may_leave_the_block_of_its_resource() -> None:
    stands, ended = anyio.Event(), anyio.Event()

    async def leave() -> None:
        await stands.wait()
        await block.__aexit__(None, None, None)

    @asynccontextmanager
    async def build(_: object) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leave)
            yield
            tasks.cancel_scope.cancel()
        ended.set()

    with anyio.fail_after(20):
        async with live(given()) as held:
            block = held.resource(build)
            await block.__aenter__()
            stands.set()
            await ended.wait()


@pytest.mark.anyio
async def test_a_block_is_entered_once() -> None:
    ledger = Ledger()
    with anyio.fail_after(20):
        async with live(given()) as other:
            for block in (live(given()), other.resource(ledger.build)):
                with pytest.raises(RuntimeError, match="has not been entered"):
                    await block.__aexit__(None, None, None)
                async with block:
                    with pytest.raises(RuntimeError, match="has been entered already"):
                        await block.__aenter__()
                with pytest.raises(RuntimeError, match="has been entered already"):
                    await block.__aenter__()
                await block.__aexit__(None, None, None)
    assert (ledger.opened, ledger.open) == (1, [])


@pytest.mark.anyio
async def test_left_before_it_has_begun() -> None:
    ledger, building = Ledger(), anyio.Event()

    async def slow(_: object) -> None:
        building.set()
        await idle()

    async def enter() -> None:
        with pytest.raises(ResourceDown):
            await block.__aenter__()

    ledger.before = slow
    with anyio.fail_after(20):
        async with live(given()) as held:
            block = held.resource(ledger.build)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(enter)
                await building.wait()
                await block.__aexit__(None, None, None)
            assert (ledger.opened, ledger.open, parts(held).resources.all) == (1, [], [])


@pytest.mark.parametrize("loop", FACTORIES)
def test_all_other_tasks_are_cancelled_while_a_block_begins(loop: str) -> None:
    """As handlers of signals do. Whoever enters the block hears of it, and does not wait for ever."""

    async def enter_and_cancel() -> None:
        begun, left = anyio.Event(), anyio.Event()

        @asynccontextmanager
        async def slow() -> AsyncIterator[None]:
            try:
                begun.set()
                await idle()
                yield
            finally:
                left.set()

        async def cancel_others() -> None:
            await begun.wait()
            for task in asyncio.all_tasks() - {entering, asyncio.current_task()}:
                task.cancel()

        entering, canceller = asyncio.current_task(), asyncio.create_task(cancel_others())
        async with asyncio.timeout(20):
            with pytest.raises(RuntimeError, match="before it had begun"):
                await hosted(slow()).__aenter__()
        await canceller
        assert left.is_set()

    with asyncio.Runner(loop_factory=FACTORIES[loop]) as runner:
        runner.run(enter_and_cancel())


@pytest.mark.anyio
async def test_what_fails_inside_is_logged_at_once_and_raised_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """The block may last for weeks. The log does not quote the message."""
    fails = anyio.Event()

    async def fail() -> None:
        await fails.wait()
        raise ValueError("canary")

    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)
            yield

    block = hosted(broken())
    await block.__aenter__()
    fails.set()
    await idle()
    assert caplog.messages == ["watching has ended by a fault of hotsettings: ValueError"]
    with anyio.fail_after(20), pytest.raises(ExceptionGroup) as caught:
        await block.__aexit__(None, None, None)
    assert [str(error) for error in caught.value.exceptions] == ["canary"]


@pytest.mark.parametrize("loop", FACTORIES)
def test_left_in_another_event_loop(loop: str) -> None:
    """It could only wait for ever, since events reach nobody there."""
    entering = live(given())

    async def leave() -> None:
        await entering.__aexit__(None, None, None)

    with asyncio.Runner(loop_factory=FACTORIES[loop]) as runner:
        runner.run(entering.__aenter__())
        with (
            asyncio.Runner(loop_factory=FACTORIES[loop]) as other,
            pytest.raises(RuntimeError, match="another event loop"),
        ):
            other.run(asyncio.wait_for(leave(), 20))
        asyncio.set_event_loop(runner.get_loop())
        runner.run(leave())
        assert asyncio.all_tasks(runner.get_loop()) == set()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})])
@pytest.mark.parametrize("step", ["entered", "drained", "left", "late"])
async def test_a_resource_that_is_cancelled_natively(step: str) -> None:
    """asyncio's own cancellation knows no shield: nothing stands after the block all the same."""
    stands: list[Settings] = []

    @asynccontextmanager
    async def build(settings: Settings) -> AsyncIterator[None]:
        stands.append(settings)
        try:
            if step == "entered":
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.05)
            yield
            if step == "late":
                await anyio.sleep_forever()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
        finally:
            stands.clear()

    async with live(given()) as held:
        block = held.resource(build, drain_timeout=0.05 if step == "late" else 30)
        task: asyncio.Task[Any]
        if step == "entered":
            task = asyncio.get_running_loop().create_task(block.__aenter__())
        else:
            resource = await block.__aenter__()
            lease: Any = resource.lease() if step == "drained" else nullcontext()
            await lease.__aenter__()
            task = asyncio.get_running_loop().create_task(block.__aexit__(None, None, None))
        for _ in range(3):
            await asyncio.sleep(0.005)
            task.cancel()
        if step == "drained":
            await idle()
            assert not task.done()
            await lease.__aexit__(None, None, None)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (stands, parts(held).resources.all) == ([], [])


@pytest.mark.anyio
async def test_nobody_waits_for_a_resource_after_the_end() -> None:
    hanging = anyio.Event()

    @asynccontextmanager
    async def build(settings: Settings) -> AsyncIterator[int]:
        if settings.A:
            hanging.set()
            await anyio.sleep_forever()
        yield settings.A

    async def use() -> None:
        with pytest.raises(ResourceDown):
            async with exclusive.lease():
                pass

    async def publish() -> None:
        with suppress(Rejected):
            await held.publish(given(A=1))

    entering = live(given())
    held = await entering.__aenter__()
    with anyio.fail_after(20):
        overlap = await held.resource(build, "B").__aenter__()
        exclusive = await held.resource(build, "A", replace="exclusive").__aenter__()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish)
            await hanging.wait()
            tasks.start_soon(use)
            await idle()
            await entering.__aexit__(None, None, None)
        with pytest.raises(ResourceDown):
            async with overlap.lease():
                pass
    with pytest.raises(ResourceDown):
        _ = overlap.current


ENDS = """
import anyio

async def main():
    global watching, live, other  # whoever drops them has them closed
    watching = Settings.watch(settle=0.0)
    live = await watching.__aenter__()
    live.on_change(lambda change: print("changed"))
    other = live.resource(connection)
    await other.__aenter__()
    Path("config.toml").write_text("A = 2")
    await live.reload()
    await live.wait_applied()
    {last}

from contextlib import asynccontextmanager

@asynccontextmanager
async def connection(settings):
    try:
        yield
    finally:
        print("closed")

anyio.run(main, backend={backend!r})
print("ended", flush=True)
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("last", ["pass", "await anyio.sleep(0.1)"])
def test_a_loop_that_ends_without_the_block_being_left(tmp_path: Path, backend: str, last: str) -> None:
    began = time.monotonic()
    done = run(tmp_path, ENDS.format(backend=backend, last=last), "-W", "always")
    assert time.monotonic() - began < 20
    assert done.stdout.splitlines()[0] == "changed"
    assert done.stdout.splitlines()[-1] == "ended"
    assert "closed" in done.stdout
    assert done.stderr == ""


CTRL_C = """
import anyio, signal

import hotsettings

async def main():
    if {where!r} == "signal":
        hotsettings.Live.reload = interrupt
    async with Settings.watch(settle=0.0, reload_signal=signal.SIGHUP) as live:
        if {where!r} == "signal":
            signal.raise_signal(signal.SIGHUP)
        else:
            live.on_change(lambda change: signal.raise_signal(signal.SIGINT))
            Path("config.toml").write_text("A = 2")
            await live.reload()
        await anyio.sleep(30)

async def interrupt(live):
    signal.raise_signal(signal.SIGINT)

try:
    anyio.run(main, backend={backend!r})
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("where", ["callback", "signal"])
def test_ctrl_c_reaches_the_block_whichever_task_it_meets(tmp_path: Path, where: str, backend: str) -> None:
    began = time.monotonic()
    assert run(tmp_path, CTRL_C.format(where=where, backend=backend)).stdout == "interrupted\n"
    assert time.monotonic() - began < 20


context: ContextVar[str] = ContextVar("context", default="none")


@pytest.mark.anyio
async def test_it_runs_in_the_context_in_which_the_block_was_entered(workspace: Workspace) -> None:
    seen: list[str] = []
    watching: Any = Settings.watch(**workspace.paths, settle=0.0)
    context.set("entered")
    async with watching as held:
        context.set("in the block")
        held.on_change(lambda _: seen.append(context.get()))
        held.prepare(lambda _: seen.append(context.get()))
        workspace.write(config={"A": 1})
        await held.reload()
        await held.wait_applied()
        assert context.get() == "in the block"
    assert seen == ["entered", "entered"]


@pytest.mark.anyio
async def test_a_start_that_fails_raises_itself(workspace: Workspace) -> None:
    class Other(BaseSettings):
        needed: int

    with pytest.raises(TypeError, match="is a str"):
        async with Other.watch(layers=["config.toml"]):  # type: ignore[list-item]
            pass
    with anyio.move_on_after(0.0):
        async with Settings.watch(**workspace.paths):
            pytest.fail("it was cancelled before it began")
