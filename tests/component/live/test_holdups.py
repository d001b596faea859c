"""What keeps an edit from going live is told; and who would wait for himself is refused at once."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from support.live import Ledger, Settings, given, idle, parts, until

import hotsettings._watching.sources.file
from hotsettings import Live, Rejected
from hotsettings._live import holdups
from hotsettings._watching import consistent_read, debounce, watcher
from hotsettings.testing import Workspace, live

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def no_deadlock() -> AsyncIterator[None]:
    with anyio.fail_after(20):
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdups, "PATIENCE", 0.1)
    monkeypatch.setattr(watcher, "PATIENCE", 0.1)


@pytest.fixture
def workspace(settings_workspace: Workspace) -> Workspace:
    settings_workspace.write({"A": 1})
    return settings_workspace


def told(caplog: pytest.LogCaptureFixture, what: str) -> list[str]:
    return [record.levelname for record in caplog.records if what in record.getMessage()]


def waiting(held: Live[Any]) -> list[tuple[str, str]]:
    return [(wait.kind, wait.name) for wait in held.status.waiting_for]


@pytest.mark.skipif(sys.platform != "linux", reason="closes are told by inotify")
async def test_a_reload_answers_when_no_layer_is_written_any_more(workspace: Workspace) -> None:
    """Also when the other layers have gone live without it."""
    async with Settings.watch(**workspace.paths, settle=0.05, rescan_interval=0.2) as held:
        with workspace.override.open("a") as file:
            file.write("B = 1\n")
            file.flush()
            workspace.write({"A": 2})
            await until(lambda: held.current.A == 2)
            with pytest.raises(TimeoutError, match="layer override, which somebody"):
                await held.reload(timeout=0.5)
            async with anyio.create_task_group() as tasks:
                answers: list[object] = []

                async def ask() -> None:
                    answers.append(await held.reload())

                tasks.start_soon(ask)
                await anyio.sleep(0.3)
                assert answers == []
                file.close()
        assert held.current.B == 1


@pytest.mark.skipif(sys.platform != "linux", reason="closes are told by inotify")
async def test_a_writer_that_does_not_close(
    workspace: Workspace, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hotsettings")
    async with Settings.watch(**workspace.paths, settle=0.05, rescan_interval=0.2) as held:
        with workspace.override.open("a") as file:
            file.write("B = 1\n")
            file.flush()
            workspace.write({"A": 2})
            await until(lambda: waiting(held) == [("writing", "override")])
            status = held.status
            states = {layer.name: layer.state for layer in status.layers}
            assert states == {"base": "read", "secrets": "read", "override": "writing"}
            since = next(layer.since for layer in status.layers if layer.name == "override")
            assert since is not None
            assert status.waiting_for[0].since == since
            assert status.healthy
            await anyio.sleep(0.5)  # several looks later
            assert told(caplog, "layer override, which somebody is still writing") == ["WARNING"]
            with pytest.raises(
                TimeoutError, match=r"gave up after 0\.05 s, waiting for layer override, which somebody"
            ):
                await held.reload(timeout=0.05)
            assert held.current.A == 1
            for timeout in (-1, float("nan")):
                with pytest.raises(ValueError, match="timeout must be 0 seconds or more"):
                    await held.reload(timeout)
        await until(lambda: (held.current.A, held.current.B) == (2, 1))
        assert held.status.waiting_for == ()
        assert told(caplog, "layer override, which somebody is still writing") == ["WARNING", "INFO"]
        assert [layer.since for layer in held.status.layers] == [None] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel says that a file is open")
async def test_a_layer_that_was_left_out_is_read_when_its_writer_has_rested(
    workspace: Workspace, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event comes then, and the regular look is far away."""
    monkeypatch.setattr(consistent_read, "PATIENCE", 0.2)
    monkeypatch.setattr(debounce, "UNCLOSED", 1.5)
    async with Settings.watch(**workspace.paths, settle=0.05, rescan_interval=60.0) as held:
        with workspace.override.open("a") as file:
            file.write("B = 1\n")
            file.flush()
            workspace.write({"A": 2})
            await until(lambda: held.current.A == 2)
            assert held.current.B == 0
            assert waiting(held) == [("writing", "override")], "the others went on without it, and it is waited for"
            await until(lambda: held.current.B == 1)
        assert waiting(held) == []


@pytest.mark.parametrize(("watcher", "settle"), [("auto", 0.0), ("poll", 0.05)])
@pytest.mark.async_only
async def test_a_read_that_hangs(
    watcher: Any,
    settle: float,
    workspace: Workspace,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    files: Any = hotsettings._watching.sources.file
    caplog.set_level(logging.INFO, "hotsettings")
    go, attempt = threading.Event(), files.fetch_once

    def hang(layer: Any) -> bytes | None:
        if layer.name == "secrets":
            go.wait(20)
        return attempt(layer)  # type: ignore[no-any-return]

    async with Settings.watch(**workspace.paths, settle=settle, rescan_interval=0.05, watcher=watcher) as held:
        monkeypatch.setattr(files, "fetch_once", hang)
        workspace.write({"A": 2}, secrets={"SECRET_KEY": "another-one"})
        try:
            await until(lambda: bool(told(caplog, "a read of which")))
            assert waiting(held) == [("reading", "secrets")]
            states = {layer.name: layer.state for layer in held.status.layers}
            assert states == {"base": "read", "secrets": "reading", "override": "read"}
            assert not held.status.healthy
            with pytest.raises(TimeoutError, match="waiting for layer secrets, a read of which"):
                await held.reload(0.05)
        finally:
            go.set()
        await until(lambda: held.current.A == 2)
        await until(lambda: held.status.healthy)
        assert told(caplog, "layer secrets, a read of which") == ["WARNING", "INFO"]
        assert not told(caplog, "still writing"), "it had to stand still for a moment, and that was over"


@pytest.mark.parametrize("kind", ["hook", "build", "leases"])
async def test_whoever_thinks(
    kind: str, workspace: Workspace, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hotsettings")
    ledger, go = Ledger(), anyio.Event()

    async def thinks(_: object) -> None:
        await go.wait()

    async with Settings.watch(**workspace.paths, settle=0.0) as held, anyio.create_task_group() as tasks:
        async with held.resource(ledger.build, "A", replace="exclusive" if kind == "leases" else "overlap") as resource:
            if kind == "hook":
                held.prepare(thinks, "A")
            elif kind == "build":
                ledger.before = thinks
            else:

                async def lease() -> None:
                    async with resource.lease():
                        await go.wait()

                tasks.start_soon(lease)
                await idle()
            workspace.write({"A": 2})
            await until(lambda: [wait.kind for wait in held.status.waiting_for] == [kind])
            [wait] = held.status.waiting_for
            assert wait.name.endswith("thinks" if kind == "hook" else "Ledger.build")
            assert held.status.healthy
            with pytest.raises(TimeoutError, match=wait.name):
                await held.reload(0.01)
            await anyio.sleep(0.3)
            assert told(caplog, str(wait)) == ["WARNING"]
            go.set()
            await until(lambda: held.current.A == 2)
            assert held.status.waiting_for == ()
            assert told(caplog, str(wait)) == ["WARNING", "INFO"]


@pytest.mark.parametrize("what", ["the old instance", "a candidate that is given up"])
async def test_an_instance_that_does_not_close(
    what: str, workspace: Workspace, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hotsettings")
    ledger, go = Ledger(), anyio.Event()

    async def closes(_: object) -> None:
        await go.wait()

    async def vetoes_what_is_built(change: Any) -> None:
        await until(lambda: ledger.opened > 1)
        if change.new.A == 2:
            raise ValueError("no")

    exclusive = what == "the old instance"
    async with Settings.watch(**workspace.paths, settle=0.0) as held:
        async with held.resource(ledger.build, "A", replace="exclusive" if exclusive else "overlap"):
            if not exclusive:
                held.prepare(vetoes_what_is_built, "A")
            ledger.after = closes
            workspace.write({"A": 2})
            await until(lambda: [wait.kind for wait in held.status.waiting_for] == ["closing"])
            [wait] = held.status.waiting_for
            assert wait.name.endswith("Ledger.build")
            await until(lambda: told(caplog, str(wait)) == ["WARNING"])
            go.set()
            workspace.write({"A": 3})
            await until(lambda: held.current.A == 3)
            assert held.status.waiting_for == ()
            assert told(caplog, str(wait)) == ["WARNING", "INFO"]


async def test_each_of_several_is_told_in_its_time(impatient: None, caplog: pytest.LogCaptureFixture) -> None:
    async with live(given()) as held:
        known = parts(held).holdups
        first = known.begin("hook", "first")
        await anyio.sleep(0.05)
        second = known.begin("hook", "second")
        await until(lambda: bool(told(caplog, "the hook first")))
        assert not told(caplog, "the hook second")
        await until(lambda: bool(told(caplog, "the hook second")))
        for holdup in (first, second):
            known.end(holdup)


async def test_nobody_is_named_who_is_quick(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hotsettings")
    async with Settings.watch(**workspace.paths, settle=0.0) as held:
        held.prepare(lambda _: checkpoint())
        workspace.write({"A": 2})
        await held.reload(timeout=10)
        assert held.current.A == 2
        assert held.status.waiting_for == ()
    assert not told(caplog, "waiting for")


async def test_a_first_look_that_hangs_is_told(
    workspace: Workspace, impatient: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files: Any = hotsettings._watching.sources.file
    go, attempt = threading.Event(), files.fetch_once
    monkeypatch.setattr(files, "fetch_once", lambda layer: (go.wait(20), attempt(layer))[1])
    async with anyio.create_task_group() as tasks:

        async def enter() -> None:
            async with Settings.watch(**workspace.paths, settle=0.0):
                pass

        tasks.start_soon(enter)
        await until(lambda: told(caplog, "the first check has not returned") == ["WARNING"])
        go.set()


# Calls that would wait for themselves


@pytest.mark.parametrize("where", ["hook", "child", "build", "exclusive"])
async def test_reload_inside_of_what_it_waits_for(where: str, workspace: Workspace) -> None:
    ledger = Ledger()

    async with Settings.watch(**workspace.paths, settle=0.0, prepare_timeout=10.0) as held:

        async def reloads(_: object) -> None:
            if where == "child":
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(held.reload)
            else:
                await held.reload()

        kind: Any = "exclusive" if where == "exclusive" else "overlap"
        async with held.resource(ledger.build, "A", replace=kind):
            if where in ("hook", "child"):
                held.prepare(reloads, "A")
            else:
                ledger.before = lambda settings: reloads(settings) if settings.A == 2 else checkpoint()
            workspace.write({"A": 2})
            began = anyio.current_time()
            with pytest.raises(Rejected) as caught:
                await held.reload()
            assert anyio.current_time() - began < 5
            named = "the hook" if where in ("hook", "child") else "the build"
            said = str(caught.value.reason) + str(held.status.last_error)
            assert f"reload() was called inside of {named}" in said


@pytest.mark.async_only
async def test_reload_while_a_resource_that_died_is_built(workspace: Workspace) -> None:
    ledger, refused = Ledger(), list[str]()
    async with Settings.watch(**workspace.paths, settle=0.0) as held:

        async def reloads(_: object) -> None:
            try:
                await held.reload()
            except RuntimeError as error:
                refused.append(str(error))

        async with held.resource(ledger.build, "A") as resource:
            ledger.before = reloads
            resource.current.broken.set()
            await until(lambda: bool(refused))
            await until(lambda: ledger.opened == 2)
            await held.reload()


async def test_reload_where_nobody_waits_for_it(workspace: Workspace) -> None:
    """In callbacks, in first builds, in tasks that a build has left behind, and for another live object."""
    done: list[str] = []
    async with Settings.watch(**workspace.paths, settle=0.0) as held, live(given()) as other:

        async def reload(name: str) -> None:
            await held.reload()
            done.append(name)

        @asynccontextmanager
        async def build(_: object) -> AsyncIterator[None]:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(later)
                yield
                tasks.cancel_scope.cancel()

        async def later() -> None:
            await go.wait()
            await reload("left behind")

        go = anyio.Event()
        ledger = Ledger()
        ledger.before = lambda _: reload("first build")
        other.prepare(lambda _: reload("other"))
        held.on_change(lambda _: reload("callback"), "A")
        async with held.resource(ledger.build, "B"), held.resource(build, "A"):
            ledger.before = lambda _: checkpoint()
            workspace.write({"A": 2})
            await held.reload()
            await held.wait_applied()
            go.set()
            await other.publish(given(A=5))
            await until(lambda: done.count("left behind") >= 1)
    assert {"first build", "callback", "other", "left behind"} <= set(done)


async def test_others_that_wait_for_themselves() -> None:
    async with live(given()) as held:
        refused: list[str] = []

        async def hook(change: Any) -> None:
            await held.wait_applied()  # of what is live, which depends on nobody here
            calls: list[Awaitable[object]] = [held.wait_applied(change.generation), held.publish(given(A=5))]
            for call in calls:
                try:
                    await call
                except RuntimeError as error:
                    refused.append(str(error))

        held.prepare(hook)
        await held.publish(given(A=1))
        assert [text.split(" was called inside of the hook")[0] for text in refused] == ["wait_applied()", "publish()"]


@pytest.mark.async_only
async def test_wait_applied_in_a_hook_while_a_resource_is_outdated() -> None:
    ledger, refused = Ledger(), list[str]()
    async with live(given()) as held, held.resource(ledger.build, "A") as resource:

        async def hook(_: object) -> None:
            resource.outdated = True
            try:
                await held.wait_applied()
            except RuntimeError as error:
                refused.append(str(error))
            finally:
                resource.outdated = False

        held.prepare(hook, "B")
        await held.publish(given(B=1))
    assert len(refused) == 1


# The context


WHERE: ContextVar[str] = ContextVar("WHERE", default="nowhere")


@pytest.mark.async_only
async def test_hooks_builds_and_callbacks_run_in_the_context_of_the_watch(workspace: Workspace) -> None:
    seen: dict[str, list[str]] = {"hook": [], "build": [], "callback": []}

    def note(name: str) -> None:
        seen[name].append(WHERE.get())
        WHERE.set(f"inside of the {name}")

    @asynccontextmanager
    async def build(_: object) -> AsyncIterator[None]:
        note("build")
        yield

    WHERE.set("watch")
    async with Settings.watch(**workspace.paths, settle=0.0) as held:
        WHERE.set("block")
        held.prepare(lambda _: note("hook"))
        held.on_change(lambda _: note("callback"))
        async with held.resource(build, "A") as resource:
            for number in (2, 3):
                WHERE.set(f"edit {number}")
                workspace.write({"A": number})
                await held.reload()
                await held.wait_applied()
            instance = resource.instance
            assert instance is not None
            instance._scope.cancel()  # dies, and is built anew
            await until(lambda: len(seen["build"]) == 4)
        assert WHERE.get() == "edit 3"
    assert seen == {"hook": ["watch"] * 2, "build": ["watch"] * 4, "callback": ["watch", "inside of the callback"]}


async def test_the_context_is_that_of_the_live_object_in_tests_too() -> None:
    seen: list[str] = []
    WHERE.set("watch")
    async with live(given()) as held:
        WHERE.set("block")
        held.prepare(lambda _: seen.append(WHERE.get()))
        await held.publish(given(A=1))
    assert seen == ["watch"]


# What is no Exception


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(7),
        pytest.param(GeneratorExit(), marks=pytest.mark.async_only),  # which closes a coroutine that awaits a thread
        BaseExceptionGroup("x", [SystemExit(1)]),
    ],
    ids=repr,
)
async def test_what_a_callback_raises_beyond_exception(error: BaseException, workspace: Workspace) -> None:
    seen: list[int] = []

    def exits(change: Any) -> None:
        seen.append(change.new.A)
        if change.new.A == 2:
            raise error

    async def block() -> None:
        async with Settings.watch(**workspace.paths, settle=0.0) as held:
            handle = held.on_change(exits)
            for number in (2, 3):
                workspace.write({"A": number})
                await held.reload()
                await held.wait_applied()
            assert held.current.A == 3, "the watch has gone on"
            assert held.status.callback_failures == handle.failures == 1

    left: BaseException | None = None
    try:
        await block()
    except BaseException as raised:
        left = raised
    assert left is error
    assert seen == [2, 3]


async def test_what_the_block_raises_is_not_replaced_by_it(caplog: pytest.LogCaptureFixture) -> None:
    def exits(_: object) -> None:
        sys.exit(7)

    async def block() -> None:
        async with live(given()) as held:
            held.on_change(exits)
            await held.publish(given(A=1))
            await held.wait_applied()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await block()
    assert "SystemExit: 7" in caplog.text
