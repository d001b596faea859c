"""Nothing that an object of somebody else does ends a watch: exceptions above all, which may lie and raise wherever they are asked."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from support.examples import covering, some_of
from support.hostile_exceptions import Refusal, hostile
from support.live import Ledger, Settings, given, idle, parts, until

from hotsettings import Rejected
from hotsettings._concurrency import backoff
from hotsettings._log import logger
from hotsettings.testing import InMemoryLive, Workspace, live

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def no_deadlock() -> AsyncIterator[None]:
    with anyio.fail_after(120):
        yield


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.001)
    monkeypatch.setattr(backoff, "LONGEST", 0.002)


class Attack:
    """Raises what the test says, wherever it is built in."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.raised = 0

    def __call__(self, _: object = None) -> None:
        if self.error is not None:
            self.raised += 1
            raise self.error

    async def later(self, _: object = None) -> None:
        await checkpoint()
        self()

    async def at_the_end(self, _: object = None) -> None:
        try:
            await checkpoint()
        finally:
            self()

    def returned(self, _: object = None) -> Any:
        """Not the error: something that raises it when it is awaited, or when it is asked whether it can be."""
        error = self.error
        if error is None:
            return None
        self.raised += 1

        def fail(_: object) -> Any:
            raise error

        return type("Returned", (), {"__await__": fail, "__class__": property(fail), "__bool__": fail})()


Way = Callable[[Attack], Callable[[Any], Any]]
WAYS: dict[str, Way] = {
    "sync": lambda attack: attack.__call__,
    "async": lambda attack: attack.later,
    "finally": lambda attack: attack.at_the_end,
    "returned": lambda attack: attack.returned,
}


async def works(held: InMemoryLive[Settings], number: int) -> None:
    """Whoever follows still does."""
    seen: list[int] = []
    handle = held.on_change(lambda change: seen.append(change.new.A))
    changes = held.changes("A")
    await held.publish(held.current.replace(A=number))
    assert number == (await anext(changes)).new.A
    await held.wait_applied()
    handle.cancel()
    await changes.aclose()
    assert seen == [number]
    assert held.status.healthy


@pytest.mark.parametrize("way", WAYS)
async def test_callbacks(way: str) -> None:
    attack = Attack()
    async with live(given()) as held:
        handle = held.on_change(WAYS[way](attack), "B")
        for number, (name, error) in enumerate(some_of(hostile()), 1):
            attack.error = error
            await held.publish(held.current.replace(B=number))
            await held.wait_applied()
            assert handle.failures == number == attack.raised, name
            if number % 30 == 0:
                attack.error = None
                await works(held, number)
        parts(held).tasks.escaped = None  # what it does has a test of its own


@pytest.mark.parametrize("way", WAYS)
async def test_hooks(way: str) -> None:
    attack = Attack()
    async with live(given()) as held:
        held.prepare(WAYS[way](attack), "B")
        for number, (name, error) in enumerate(some_of(hostile())):
            attack.error = error
            with pytest.raises(Rejected):
                await held.publish(given(B=number + 1))
            assert attack.raised == number + 1, name
            assert held.current.B == 0, name
            if number % 30 == 0:
                attack.error = None
                await works(held, number + 1)


@pytest.mark.parametrize(("where", "kind"), covering(["enter", "closing", "call"], ["exclusive", "overlap"]))
@pytest.mark.async_only
async def test_builds(kind: Any, where: str) -> None:
    attack, opened = Attack(), 0

    class Instance:
        """Without a task group: anyio's own cannot bear an exception that refuses ``bool()``."""

        def __init__(self, _: object) -> None:
            if where == "call":
                attack()

        async def __aenter__(self) -> None:
            nonlocal opened
            if where == "enter":
                await attack.later()
            opened += 1

        async def __aexit__(self, *_: object) -> None:
            nonlocal opened
            opened -= 1
            if where == "closing":
                await attack.later()

    async with live(given()) as held, held.resource(Instance, "B", replace=kind) as resource:
        for number, (name, error) in enumerate(some_of(hostile())):
            attack.error = error if where == "closing" or kind == "overlap" else None
            if where == "closing":
                await held.publish(given(B=number + 1))
                await until(lambda number=number: opened == 1 and attack.raised == number + 1)  # type: ignore[misc]
            elif kind == "overlap":
                with pytest.raises(Rejected):
                    await held.publish(given(B=-1 - number))
                assert attack.raised == number + 1, name
            else:  # the new one fails, and so does putting the old one back, until a later attempt
                attack.error = error
                with pytest.raises(Rejected):
                    await held.publish(given(B=-1 - number))
                attack.error = None
                await until(lambda: resource.instance is not None)
            attack.error = None
            assert opened == 1, name
        await works(held, 7)


@pytest.mark.async_only
async def test_the_first_build_raises_as_itself() -> None:
    attack = Attack()
    ledger = Ledger()
    ledger.before = attack.later
    async with live(given()) as held:
        for name, error in some_of(hostile()):
            attack.error = error
            if issubclass(type(error), GeneratorExit | StopIteration | StopAsyncIteration):
                continue  # which a generator must not raise
            raised: BaseException | None = None
            try:
                async with held.resource(ledger.build, "B"):
                    pytest.fail("it stands")
            except BaseException as caught:
                raised = caught
            stray = issubclass(type(error), asyncio.CancelledError | anyio.get_cancelled_exc_class())
            assert raised is error or stray or issubclass(type(raised), RuntimeError), name
        assert not ledger.open
        assert not parts(held).resources.all
        await works(held, 1)


@pytest.mark.parametrize("kind", ["overlap", "exclusive"])
@pytest.mark.async_only
async def test_instances_that_die(kind: Any) -> None:
    dies, deaths = anyio.Event(), 0
    error: BaseException = ValueError()

    class Instance:
        async def __aenter__(self) -> Instance:
            self.tasks, self.dies = anyio.create_task_group(), dies
            await self.tasks.__aenter__()
            self.tasks.start_soon(self.die)
            return self

        async def __aexit__(self, *exception: Any) -> Any:
            nonlocal deaths
            died = self.dies.is_set() and exception[0] is not None
            self.tasks.cancel_scope.cancel()
            await self.tasks.__aexit__(*exception)
            if died:
                deaths += 1
                raise error

        async def die(self) -> None:
            await self.dies.wait()
            self.tasks.cancel_scope.cancel()

    async with live(given()) as held, held.resource(lambda _: Instance(), "B", replace=kind) as resource:
        for number, (name, each) in enumerate(hostile()):
            if number % 9:
                continue
            error, before = each, resource.current
            this, dies = dies, anyio.Event()  # the next instance has its own
            this.set()
            await until(lambda before=before: resource.instance is None or resource.current is not before)  # type: ignore[misc]
            await until(lambda: resource.instance is not None and not resource.instance.ended)
            assert held.status.healthy, name
        await works(held, 1)


async def test_handlers_of_the_log(settings_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    attack = Attack()

    class Handler(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            attack()
            return True

    handler, its_logger = Handler(), logging.getLogger("hotsettings")
    its_logger.addHandler(handler)
    its_logger.setLevel(logging.INFO)
    try:
        settings_workspace.write({"A": 0})
        async with Settings.watch(**settings_workspace.paths, settle=0.0) as held:
            for number, (name, error) in enumerate(hostile(), 1):
                if number % 40:
                    continue
                attack.error = error
                settings_workspace.write({"A": "x"})
                with pytest.raises(Rejected):
                    await held.reload()
                settings_workspace.write({"A": number})
                await held.reload()
                assert number == held.current.A, name
                assert held.status.healthy, name
                assert attack.raised
        attack.error = None
    finally:
        its_logger.removeHandler(handler)
        its_logger.setLevel(logging.NOTSET)
    assert "hotsettings: a handler or filter of the log raised Hostile" in capsys.readouterr().err


async def test_what_a_class_does_while_it_is_decoded(tmp_path: Any) -> None:
    attack = Attack()

    class Checked(Settings):
        def __post_init__(self) -> None:
            if self.A:
                attack()

    path = tmp_path / "config.toml"
    path.write_text("A = 0")
    errors = list(hostile())[::20]
    async with Checked.watch(path, secrets_path=None, settle=0.0, rescan_interval=0.05) as held:
        for number, (name, error) in enumerate(errors, 1):
            attack.error, before = error, attack.raised
            path.with_name("new").write_text(f"A = {number}")
            path.with_name("new").replace(path)
            await until(lambda before=before: attack.raised > before and not held.status.healthy)  # type: ignore[misc]
            attack.error = None
            path.with_name("new").write_text(f"A = {number} # good")
            path.with_name("new").replace(path)
            await until(lambda number=number: number == held.current.A and held.status.healthy)  # type: ignore[misc]
            assert held.snapshot.generation == number + 1, name


def cancel_task() -> None:
    """As somebody does who has a hold of the task."""
    if anyio.get_cancelled_exc_class() is asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
    else:
        raise RuntimeError("trio has no such thing")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.async_only
async def test_whoever_cancels_the_task_that_calls_it(late: bool) -> None:
    native = anyio.get_cancelled_exc_class() is asyncio.CancelledError

    async def cancels(_: object) -> None:
        if not late:
            await checkpoint()
        cancel_task()
        if not late:
            await checkpoint()

    ledger = Ledger()
    async with live(given()) as held:
        handle = held.on_change(cancels, "B")
        for number in (1, 2, 3):
            await held.publish(given(B=number))
            await held.wait_applied()
            await idle()
        assert handle.failures == 3
        handle.cancel()
        hook = held.prepare(cancels, "B")
        vetoed = 0
        for number in (4, 5, 6):
            try:
                await held.publish(given(B=number))
            except Rejected:
                vetoed += 1
        assert vetoed == (0 if native and late else 3)
        hook.cancel()
        ledger.before = cancels
        for _ in range(3):
            try:
                async with held.resource(ledger.build, "C"):
                    pass
            except RuntimeError:
                pass
        ledger.before = lambda _: checkpoint()
        async with held.resource(ledger.build, "C") as resource:
            ledger.before = cancels
            for number in (1, 2, 3):
                try:
                    await held.publish(given(C=number, A=number))
                except Rejected:
                    pass
            ledger.before = lambda _: checkpoint()
            await until(lambda: resource.instance is not None and not resource.instance.ended)
            await works(held, 7)
        assert ledger.open == []


@pytest.mark.async_only
async def test_whoever_cancels_the_task_at_its_very_end() -> None:
    """Where nothing is awaited any more, the task itself ends cancelled: neither others nor the watch may end with it."""
    if anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
        pytest.skip("trio has no such thing")

    class Instance:
        async def __aenter__(self) -> None:
            pass

        async def __aexit__(self, *_: object) -> None:
            cancel_task()

    async with live(given()) as held:
        held.prepare(lambda _: cancel_task())
        held.prepare(lambda _: idle())
        async with held.resource(lambda _: Instance(), "A"):
            await held.publish(given(A=1))
            assert held.current.A == 1
            await idle()
            await works(held, 2)


@pytest.mark.filterwarnings("ignore:coroutine", "ignore::pytest.PytestUnraisableExceptionWarning")  # one never began
@pytest.mark.async_only
async def test_all_tasks_cancelled_by_somebody_else() -> None:
    """Not one of ours may vanish with its veto."""
    if anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
        pytest.skip("trio has no such thing")
    async with live(given()) as held:

        async def veto(_: object) -> None:
            await idle()
            raise ValueError("no")

        def cancel_others(_: object) -> None:
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task() and task.get_name().startswith("hotsettings"):
                    task.cancel()

        seen: list[int] = []
        handle = held.on_change(lambda change: seen.append(change.new.B))
        await idle()
        cancel_others(None)
        await held.publish(given(B=1))
        await held.wait_applied()
        assert (seen, handle.failures) == ([1], 1)
        held.prepare(cancel_others)
        held.prepare(veto)
        with pytest.raises(Rejected):
            await held.publish(given(A=1))
        assert held.current.A == 0
        gc.collect()


@pytest.mark.async_only
async def test_what_is_raised_while_the_block_is_left() -> None:
    """On trio a group may hold the cancellation and more, and neither may leave the block."""
    for error in (ValueError("x"), SystemExit(3), GeneratorExit(), Refusal()):

        async def stubborn(_: object, error: BaseException = error) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep_forever)
                try:
                    await anyio.sleep_forever()
                finally:
                    raise error

        try:
            async with live(given()) as held, anyio.create_task_group() as tasks:

                async def quietly(held: Any = held) -> None:
                    try:
                        await held.publish(given(A=1))
                    except Rejected:
                        pass

                held.prepare(stubborn, "A")
                held.on_change(stubborn, "B")
                await held.publish(given(B=1))
                tasks.start_soon(quietly)
                await idle()
                tasks.cancel_scope.cancel()
        except BaseException as left:
            assert not isinstance(error, Exception)
            assert left is parts(held).tasks.escaped  # noqa: PT017 - whether anything leaves is up to the event loop
            cancelled = anyio.get_cancelled_exc_class()
            assert not isinstance(left, BaseExceptionGroup) or left.subgroup(cancelled) is None  # noqa: PT017


@pytest.mark.async_only
async def test_ctrl_c_is_not_theirs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    error: BaseException = KeyboardInterrupt()

    class Interrupted(logging.Filter):
        def filter(self, _: logging.LogRecord) -> bool:
            raise error

    interrupted = Interrupted()
    logging.getLogger("hotsettings").addFilter(interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            logger.warning("in the middle of it")
        error = OSError("a secret of the handler's")
        logger.warning("lost")
        assert capsys.readouterr().err == "hotsettings: a handler or filter of the log raised OSError\n"
        monkeypatch.setattr(logging, "raiseExceptions", False)
        logger.warning("lost, as in production")
        assert capsys.readouterr().err == ""
    finally:
        logging.getLogger("hotsettings").removeFilter(interrupted)


async def test_who_logs_is_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    logger.warning("here")
    assert [record.filename for record in caplog.records] == ["test_hostile_objects.py"]
