"""live.resource(): one T after the other, each open for as long as somebody uses it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskStatus
from support.live import Ledger, Settings, Thing, given, idle, parts, until

from hotsettings import Rejected, Resource, ResourceDown
from hotsettings._concurrency import backoff
from hotsettings.testing import InMemoryLive, Workspace, live

pytestmark = pytest.mark.anyio

Kind = Literal["overlap", "exclusive"]
both_kinds = pytest.mark.parametrize("kind", ["overlap", "exclusive"])


@pytest.fixture(autouse=True)
async def no_deadlock() -> AsyncIterator[None]:
    with anyio.fail_after(20):
        yield


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.001)


def healthy(held: InMemoryLive[Any]) -> bool:
    return held.status.healthy


async def lease(
    resource: Resource[Thing], until: anyio.Event, *, task_status: TaskStatus[Thing] = anyio.TASK_STATUS_IGNORED
) -> None:
    async with resource.lease() as thing:
        task_status.started(thing)
        await until.wait()


@both_kinds
async def test_is_replaced_when_its_keys_change(kind: Kind) -> None:
    ledger = Ledger()
    async with live(given()) as held:
        async with held.resource(ledger.build, "A", replace=kind) as resource:
            first = resource.current
            await held.publish(given(B=1))
            assert resource.current is first
            await held.publish(given(A=1, B=1))
            second = resource.current
            assert second is not first
            assert second.settings is held.current
            await idle()
            assert ledger.open == [second]
            assert first.closing, "it was left in order, not cancelled"
            assert ledger.log == (["+0", "-0", "+1"] if kind == "exclusive" else ["+0", "+1", "-0"])
            async with resource.lease() as leased:
                assert leased is second
        assert ledger.open == []
        assert second.closing
        with pytest.raises(ResourceDown):
            _ = resource.current
        with pytest.raises(ResourceDown):
            async with resource.lease():
                pass
        await held.publish(given(A=2))
        assert ledger.opened == 2
        assert not parts(held).resources.all
    assert ledger.most == (1 if kind == "exclusive" else 2)


async def test_without_keys_every_change_replaces_it() -> None:
    ledger = Ledger()
    async with live(given()) as held, held.resource(ledger.build) as resource:
        await held.publish(given(B=1))
        assert resource.current.settings is held.current
        assert "Ledger.build" in repr(resource)


async def test_an_unknown_way_to_replace() -> None:
    async with live(given()) as held:
        with pytest.raises(ValueError, match="overlap"):
            async with held.resource(Ledger().build, replace="sometimes"):  # type: ignore[arg-type]
                pass
        with pytest.raises(ValueError, match="no key"):
            async with held.resource(Ledger().build, "X"):
                pass


async def no_context_manager(settings: Any) -> str:
    return "a coroutine"


@pytest.mark.parametrize(("build", "made"), [(no_context_manager, "coroutine"), (lambda _: None, "NoneType")])
@pytest.mark.async_only
async def test_a_build_that_gives_no_context_manager(build: Any, made: str) -> None:
    said = rf"must return an async context manager, not {made}; decorate it with contextlib.asynccontextmanager$"
    async with live(given()) as held:
        with pytest.raises(TypeError, match=said):
            async with held.resource(build, "A"):
                pytest.fail("it does not stand")


async def test_the_first_build_that_fails_raises_as_itself() -> None:
    ledger = Ledger()
    ledger.fail = lambda _: ConnectionError("no broker")
    async with live(given()) as held:
        with pytest.raises(ConnectionError, match="no broker"):
            async with held.resource(ledger.build):
                pass
        assert not parts(held).resources.all


async def test_the_first_build_follows_changes_meanwhile() -> None:
    ledger = Ledger()
    async with live(given()) as held:

        async def publish(_: Any) -> None:
            if held.current.A < 2:
                await held.publish(given(A=held.current.A + 1))
            elif not held.current.B:
                await held.publish(held.current.replace(B=1))  # of no concern

        ledger.before = publish
        async with held.resource(ledger.build, "A") as resource:
            assert resource.current.settings.A == 2
            assert ledger.log == ["+0", "-0", "+1", "-1", "+2"]


async def test_leases_outlive_the_replacement() -> None:
    ledger, until = Ledger(), anyio.Event()
    async with live(given()) as held, anyio.create_task_group() as tasks:
        async with held.resource(ledger.build, "A") as resource:
            first = await tasks.start(lease, resource, until)
            async with resource.lease() as nested:
                await held.publish(given(A=1))
                async with resource.lease() as newer:
                    assert (nested is first, newer is first) == (True, False)
                await idle()
                assert ledger.open == [first, newer]
            await idle()
            assert ledger.open == [first, newer], "one lease is left"
            until.set()
            await idle()
            assert ledger.open == [newer]
            assert first.closing


async def test_exclusive_waits_for_leases_and_new_leases_wait_for_it() -> None:
    ledger, until, never = Ledger(), anyio.Event(), anyio.Event()
    async with live(given()) as held, anyio.create_task_group() as tasks:
        async with held.resource(ledger.build, "A", replace="exclusive") as resource:
            await tasks.start(lease, resource, until)
            tasks.start_soon(held.publish, given(A=1))
            await idle()
            assert held.current.A == 0
            assert resource.current.settings.A == 0, "it still stands"
            got: list[Thing] = []

            async def late() -> None:
                async with resource.lease() as thing:
                    got.append(thing)
                    await never.wait()

            tasks.start_soon(late)
            await idle()
            assert got == []
            building = anyio.Event()
            ledger.before = lambda _: building.wait()
            until.set()
            await idle()
            with pytest.raises(ResourceDown):
                _ = resource.current  # none stands
            assert got == []
            building.set()
            await idle()
            assert [thing.settings.A for thing in got] == [1]
            assert ledger.most == 1
            never.set()


@both_kinds
async def test_a_drain_that_takes_too_long(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    ledger, never = Ledger(), anyio.Event()
    async with live(given()) as held, anyio.create_task_group() as tasks:
        async with held.resource(ledger.build, "A", replace=kind, drain_timeout=0.01) as resource:
            first = await tasks.start(lease, resource, never)
            await held.publish(given(A=1))
            await until(lambda: first not in ledger.open)
            assert caplog.text.count("closed with 1 leases still held after 0.01 s") == 1
            never.set()
            await idle()


@both_kinds
@pytest.mark.async_only
async def test_closing_that_hangs_is_cancelled(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    ledger.after = lambda _: anyio.sleep_forever()
    async with live(given()) as held:
        async with held.resource(ledger.build, "A", replace=kind, drain_timeout=0.01) as resource:
            first = resource.current
            await held.publish(given(A=1))
            await until(lambda: first not in ledger.open and "was cancelled" in caplog.text)
            assert caplog.text.count("closing took over 0.01 s and was cancelled") == 1
        assert ledger.open == []
    assert caplog.text.count("was cancelled") == 2


async def test_leaving_waits_for_what_still_drains() -> None:
    ledger, until, started = Ledger(), anyio.Event(), anyio.Event()
    async with live(given()) as held, anyio.create_task_group() as tasks:

        async def hold() -> None:
            async with held.resource(ledger.build, "A") as resource:
                await tasks.start(lease, resource, until)
                await held.publish(given(A=1))
                await tasks.start(lease, resource, until)
                started.set()

        tasks.start_soon(hold)
        await started.wait()
        await idle()
        assert len(ledger.open) == 2, "the one before, too, is open as long as it is leased"
        until.set()
        await idle()
        assert ledger.open == []
    assert ledger.log == ["+0", "+1", "-1", "-0"] or ledger.log == ["+0", "+1", "-0", "-1"]


@both_kinds
async def test_a_failed_build_rejects_and_undoes(kind: Kind) -> None:
    good, bad = Ledger(), Ledger()
    async with live(given()) as held:
        async with (
            held.resource(good.build, "A", replace=kind) as kept,
            held.resource(bad.build, "A", replace=kind) as failing,
        ):
            stood = [kept.current, failing.current]
            bad.fail = lambda settings: ConnectionError("no broker") if settings.A == 1 else None
            with pytest.raises(Rejected, match="no broker") as caught:
                await held.publish(given(A=1))
            assert getattr(caught.value.reason, "kind", "") == "ConnectionError"
            assert held.current.A == 0
            assert held.snapshot.generation == 1
            assert [kept.current.settings.A, failing.current.settings.A] == [0, 0]
            if kind == "overlap":
                assert [kept.current, failing.current] == stood, "nothing at all has changed"
            await idle()
            assert (good.open, bad.open) == ([kept.current], [failing.current])
            await held.publish(given(A=2))
            assert [kept.current.settings.A, failing.current.settings.A] == [2, 2]
        assert good.open == bad.open == []
        if kind == "exclusive":
            assert good.most == bad.most == 1


@both_kinds
async def test_a_build_that_hangs(kind: Kind) -> None:
    ledger = Ledger()
    async with live(given(), prepare_timeout=0.01) as held:
        async with held.resource(ledger.build, "A", replace=kind) as resource:
            ledger.before = lambda settings: anyio.sleep_forever() if settings.A == 1 else anyio.lowlevel.checkpoint()
            with pytest.raises(Rejected, match=r"build did not finish within 0.01 s"):
                await held.publish(given(A=1))
            assert resource.current.settings.A == 0
            assert ledger.open == [resource.current]


async def test_an_exclusive_one_whose_old_cannot_be_rebuilt(caplog: pytest.LogCaptureFixture) -> None:
    ledger, attempts = Ledger(), 0
    async with live(given()) as held, held.resource(ledger.build, "A", replace="exclusive") as resource:

        def fail(_: Any) -> Exception | None:
            nonlocal attempts
            attempts += 1
            return ConnectionError("first-secret refused") if attempts < 6 else None

        ledger.fail = fail
        with pytest.raises(Rejected, match="refused"):
            await held.publish(given(A=1))
        with pytest.raises(ResourceDown):
            _ = resource.current
        with pytest.raises(ResourceDown):
            async with resource.lease():
                pass
        assert not healthy(held)
        await until(lambda: resource.instance is not None)
        assert attempts == 6
        assert resource.current.settings is held.current
        assert not healthy(held), "the reload stays rejected"
        await held.publish(given(A=1))
        assert healthy(held)
    assert "is down" in caplog.text
    assert "first-secret" not in caplog.text
    assert ledger.open == []


async def test_a_rebuild_that_hangs_holds_up_no_reload() -> None:
    ledger = Ledger()
    async with live(given(), prepare_timeout=0.01) as held:
        async with held.resource(ledger.build, "A", replace="exclusive") as resource:
            ledger.before = lambda _: anyio.sleep_forever()
            with pytest.raises(Rejected):
                await held.publish(given(A=1))
            await held.publish(given(B=1))
            assert held.current.B == 1
            assert resource.failed


@pytest.mark.async_only
async def test_one_task_mends_however_often_a_reload_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is away for an hour must not leave a task for each attempt at the reload."""
    monkeypatch.setattr(backoff, "FIRST", 60)
    ledger = Ledger()
    async with live(given()) as held, held.resource(ledger.build, "A", replace="exclusive"):
        ledger.fail = lambda _: ConnectionError("away")
        for number in (1, 2, 3):
            with pytest.raises(Rejected):
                await held.publish(given(A=number))
            await idle()
        assert len([task for task in anyio.get_running_tasks() if "_repair" in str(task.name)]) == 1


async def test_down_when_a_change_comes_that_it_can_be_built_for() -> None:
    ledger = Ledger()
    async with live(given()) as held, held.resource(ledger.build, "A", replace="exclusive") as resource:
        ledger.fail = lambda settings: None if settings.A == 2 else OSError("no")
        with pytest.raises(Rejected):
            await held.publish(given(A=1))
        await held.publish(given(A=2))
        assert resource.current.settings.A == 2
        await anyio.sleep(0.01)  # the mending task finds nothing to do
        assert ledger.log == ["+0", "-0", "+2"]


@pytest.mark.parametrize("attempts", [0, 2])
async def test_down_until_its_block_is_left(attempts: int, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    async with live(given()) as held:
        async with held.resource(ledger.build, "A", replace="exclusive"):
            ledger.fail = lambda _: OSError("no")
            with pytest.raises(Rejected):
                await held.publish(given(A=1))
            await until(lambda: caplog.text.count("could not be built") >= attempts)
        told = [record.getMessage() for record in caplog.records if "could not be built" in record.getMessage()]
        assert not [each for each in told if "Traceback" in each], (
            "it stood in the first record, of the one that is down"
        )
        assert all("OSError: no" in each for each in told)
        ledger.fail = lambda _: None
        await anyio.sleep(0.01)  # longer than the pause between two attempts
        assert ledger.log == ["+0", "-0"]


@pytest.mark.parametrize("how", ["raises", "ends"])
@pytest.mark.async_only
async def test_one_that_dies_while_it_stands(how: str, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()

    @asynccontextmanager
    async def ends(settings: Any) -> AsyncIterator[Thing]:
        with anyio.CancelScope() as scope:
            async with ledger.build(settings) as thing:
                thing.scope = scope  # type: ignore[attr-defined]
                yield thing

    async with live(given()) as held:
        async with held.resource(ends, "A") as resource, held.resource(Ledger().build) as other:
            first, unconcerned = resource.current, other.current
            ledger.fail = lambda _: ConnectionError("still away") if ledger.log.count("-0") and not again else None
            again: list[bool] = []
            if how == "raises":
                first.broken.set()
            else:
                first.scope.cancel()  # type: ignore[attr-defined]
            await idle()
            assert not healthy(held)
            with pytest.raises(ResourceDown):
                _ = resource.current
            await until(lambda: "still away" in caplog.text)
            again.append(True)
            await until(lambda: resource.instance is not None)
            assert resource.current is not first
            assert healthy(held)
            assert held.current.A == 0
            assert other.current is unconcerned
        assert ledger.open == []
    assert ("the connection broke" if how == "raises" else "ended by itself") in caplog.text
    assert "still away" in caplog.text


@pytest.mark.async_only
async def test_one_that_dies_again_after_a_reload_has_rebuilt_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever still waits for the next attempt at the first death holds up nobody."""
    ledger = Ledger()
    monkeypatch.setattr(backoff, "FIRST", 3600.0)
    async with live(given()) as held, held.resource(ledger.build, "A") as resource:
        ledger.fail = lambda _: OSError("no")
        resource.current.broken.set()
        await until(lambda: resource.failed)
        await idle()
        ledger.fail = lambda _: None
        await held.publish(given(A=1))
        resource.backoff.first = 0.001
        resource.backoff.reset()
        second = resource.current
        second.broken.set()
        await until(lambda: resource.instance is not None and resource.current is not second)
        assert healthy(held)


@pytest.mark.async_only
async def test_one_that_dies_before_the_reload_goes_live() -> None:
    ledger, go = Ledger(), anyio.Event()

    async def slow(change: Any) -> None:
        await until(lambda: "+1" in ledger.log)
        ledger.open[-1].broken.set()
        await idle()
        go.set()

    async with live(given()) as held, held.resource(ledger.build, "A") as resource:
        first = resource.current
        held.prepare(slow, "A")
        with pytest.raises(Rejected, match="ended before the reload"):
            await held.publish(given(A=1))
        assert go.is_set()
        assert resource.current is first
        assert held.current.A == 0
        assert not resource.failed


@both_kinds
@pytest.mark.async_only
async def test_a_stray_cancellation_while_it_is_closed(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    """Clients await tasks that they have just cancelled, and on asyncio that raises what being cancelled raises."""

    @asynccontextmanager
    async def build(settings: Any) -> AsyncIterator[int]:
        yield settings.A
        if anyio.get_cancelled_exc_class().__module__.startswith("trio"):
            raise RuntimeError  # there is none
        raise anyio.get_cancelled_exc_class()

    reached = False
    async with live(given()) as held, held.resource(build, "A", replace=kind) as resource:
        for number in (1, 2):
            await held.publish(given(A=number))
            await idle()
            assert resource.current == number
        reached = True
    assert reached, "the block went on"
    assert caplog.text.count("build failed:") == 3


async def test_one_that_dies_while_it_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()

    async def fail(_: Thing) -> None:
        raise ConnectionResetError("reset")

    async with live(given()) as held:
        async with held.resource(ledger.build, "A") as resource:
            ledger.after = fail
            await held.publish(given(A=1))
            await idle()
            assert ledger.open == [resource.current]
            ledger.after = lambda _: anyio.lowlevel.checkpoint()
        assert healthy(held)
    assert "reset" in caplog.text


@asynccontextmanager
async def built_from(ledger: Ledger, other: Resource[Thing], settings: Any, *, by_lease: bool) -> AsyncIterator[Thing]:
    if by_lease:
        async with other.lease() as thing, ledger.build(settings) as it:
            it.uses = thing  # type: ignore[attr-defined]
            yield it
    else:
        thing = other.current
        async with ledger.build(settings) as it:
            it.uses = thing  # type: ignore[attr-defined]
            yield it


@both_kinds
@pytest.mark.parametrize("by_lease", [True, False])
async def test_one_inside_anothers_build(kind: Kind, by_lease: bool) -> None:
    base, top = Ledger(), Ledger()
    async with live(given()) as held:
        async with held.resource(base.build, "A", replace=kind) as lower:
            build = lambda settings: built_from(top, lower, settings, by_lease=by_lease)  # noqa: E731
            async with held.resource(build, "B") as upper:
                assert upper.current.uses is lower.current  # type: ignore[attr-defined]
                before = lower.current
                await held.publish(given(B=1))  # the upper one only
                assert lower.current is before
                assert upper.current.uses is lower.current  # type: ignore[attr-defined]
                await held.publish(given(A=1, B=1))  # the lower one, and what was built from it
                assert lower.current is not before
                assert upper.current.uses is lower.current  # type: ignore[attr-defined]
                await held.publish(given(A=2, B=2))
                assert upper.current.uses is lower.current  # type: ignore[attr-defined]
                await idle()
                assert (base.open, top.open) == ([lower.current], [upper.current])
                top.fail = lambda settings: ValueError("no") if settings.A == 3 else None
                with pytest.raises(Rejected):
                    await held.publish(given(A=3))
                assert upper.current.uses is lower.current  # type: ignore[attr-defined]
                await held.publish(given(A=4))  # it still knows what it was built from
                assert upper.current.uses is lower.current  # type: ignore[attr-defined]
                assert upper.current.settings.A == 4
                await idle()
                assert (base.open, top.open) == ([lower.current], [upper.current])
        assert base.open == top.open == []
    if kind == "exclusive":
        assert base.most == 1


@pytest.mark.async_only
async def test_what_was_built_from_one_that_died_is_built_again() -> None:
    base, top = Ledger(), Ledger()
    async with live(given()) as held, held.resource(base.build, "A") as lower:
        build = lambda settings: built_from(top, lower, settings, by_lease=True)  # noqa: E731
        async with held.resource(build, "B") as upper:
            lower.current.broken.set()
            await until(lambda: upper.instance is not None and top.opened == 2)
            await idle()
            assert upper.current.uses is lower.current  # type: ignore[attr-defined]
            await idle()
            assert (base.open, top.open) == ([lower.current], [upper.current])


async def test_a_need_that_came_with_the_new_settings() -> None:
    """The build uses another resource for the first time, in the very transaction that replaces that one too."""
    base, top = Ledger(), Ledger()
    async with live(given()) as held, held.resource(base.build, "A") as lower:

        @asynccontextmanager
        async def build(settings: Any) -> AsyncIterator[Thing]:
            if settings.A:
                async with built_from(top, lower, settings, by_lease=True) as it:
                    yield it
            else:
                async with top.build(settings) as it:
                    yield it

        async with held.resource(build, "A") as upper:
            await held.publish(given(A=1))
            await held.wait_applied()
            await idle()
            assert upper.current.uses is lower.current  # type: ignore[attr-defined]
            await idle()
            assert (base.open, top.open) == ([lower.current], [upper.current])


async def test_a_block_left_in_the_middle_of_a_transaction() -> None:
    ledger, go, leave = Ledger(), anyio.Event(), anyio.Event()
    async with live(given()) as held, anyio.create_task_group() as tasks:

        async def hold() -> None:
            async with held.resource(ledger.build, "A"):
                await leave.wait()

        tasks.start_soon(hold)
        await idle()
        held.prepare(lambda _: go.wait())
        tasks.start_soon(held.publish, given(A=1))
        await idle()
        assert len(ledger.open) == 2
        leave.set()
        await idle()
        go.set()
        await idle()
        assert held.current.A == 1
        assert ledger.open == [], "the candidate has nobody to stand for"


@both_kinds
@pytest.mark.async_only
async def test_the_whole_block_left_by_an_exception_in_the_middle_of_a_transaction(kind: Kind) -> None:
    ledger = Ledger()
    async with anyio.create_task_group() as tasks:

        async def quietly(held: Any) -> None:
            with contextlib.suppress(Rejected):
                await held.publish(given(A=1))

        async def block() -> None:
            async with live(given(), prepare_timeout=0.02) as held, held.resource(ledger.build, "A", replace=kind):
                ledger.before = lambda _: anyio.sleep_forever()
                tasks.start_soon(quietly, held)
                await idle()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await block()
        await idle()
        assert ledger.open == []
        tasks.cancel_scope.cancel()


@pytest.mark.async_only
async def test_left_it_does_not_wait_for_the_old_one_to_be_rebuilt(settings_workspace: Workspace) -> None:
    ledger = Ledger()
    with anyio.fail_after(5), anyio.CancelScope() as scope:
        async with Settings.watch(**settings_workspace.paths, settle=0.0) as held:
            async with held.resource(ledger.build, "A", replace="exclusive"):
                ledger.before = lambda _: anyio.sleep_forever()
                settings_workspace.write(config="A = 1")
                await until(lambda: not ledger.open)
                scope.cancel()
                with anyio.CancelScope(shield=True):
                    await idle()
    assert ledger.open == []


async def test_an_exclusive_one_that_came_in_the_middle_catches_up() -> None:
    ledger, go = Ledger(), anyio.Event()
    async with live(given()) as held, anyio.create_task_group() as tasks:
        hook = held.prepare(lambda _: go.wait())
        tasks.start_soon(held.publish, given(A=1))
        await idle()
        async with held.resource(ledger.build, "A", replace="exclusive") as resource:
            ledger.fail = lambda _: None if ledger.log.count("-0") and failed else OSError("not yet")
            failed: list[bool] = []
            go.set()
            await idle()
            failed.append(True)
            await held.wait_applied()
            assert resource.current.settings.A == 1
            assert ledger.most == 1
            hook.cancel()
            await held.publish(given(A=2))
            assert resource.current.settings.A == 2


@pytest.mark.async_only
async def test_logs_name_the_build(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hotsettings")
    ledger = Ledger()
    async with live(given()) as held, held.resource(ledger.build, "A") as resource:
        resource.current.broken.set()
        await until(lambda: ledger.opened == 2)
        await idle()
    assert "resource support.live.Ledger.build stands again" in caplog.text


@pytest.mark.async_only
async def test_a_replacement_given_up_while_it_drains_has_not_happened() -> None:
    ledger, never = Ledger(), anyio.Event()
    async with live(given()) as held, anyio.create_task_group() as tasks:
        async with held.resource(ledger.build, "A", replace="exclusive") as resource:
            first = await tasks.start(lease, resource, never)
            async with anyio.create_task_group() as publishing:
                publishing.start_soon(held.publish, given(A=1))
                await idle()
                assert resource.new_leases_wait
                publishing.cancel_scope.cancel()
            async with resource.lease() as again:
                assert again is first is resource.current
            assert ledger.log == ["+0"]
            never.set()
            await held.publish(given(A=2))
            assert resource.current.settings.A == 2


async def test_leases_before_the_last_one_do_not_matter() -> None:
    ledger, until_then = Ledger(), anyio.Event()
    async with live(given()) as held, anyio.create_task_group() as tasks:
        async with held.resource(ledger.build, "A") as resource:
            for _ in range(3):
                async with resource.lease():
                    pass
            first = await tasks.start(lease, resource, until_then)
            await held.publish(given(A=1))
            await idle()
            assert first in ledger.open
            until_then.set()
            await idle()
            assert ledger.open == [resource.current]


@pytest.mark.async_only
async def test_outdated_ones_serve_until_they_can_be_built_anew() -> None:
    """What the one below was replaced by came at once; the build from it takes several attempts."""
    base, top, attempts, allowed = Ledger(), Ledger(), 0, False
    async with live(given()) as held:
        async with held.resource(base.build, "A") as lower:

            def build(settings: Any) -> Any:
                return built_from(top, lower, settings, by_lease=False)

            async with held.resource(build, "B") as upper:

                def fail(_: Any) -> Exception | None:
                    nonlocal attempts
                    attempts += 1
                    return None if allowed else OSError("not yet")

                top.fail = fail
                old = upper.current
                lower.current.broken.set()
                await until(lambda: attempts > 2)
                assert base.opened == 2
                assert upper.current is old
                allowed = True
                await held.wait_applied()
                assert upper.current.uses is lower.current


async def test_a_build_that_needs_what_is_down() -> None:
    base, top = Ledger(), Ledger()
    async with live(given()) as held:
        async with held.resource(base.build, "A", replace="exclusive") as lower:
            base.fail = lambda _: OSError("away")
            with pytest.raises(Rejected):
                await held.publish(given(A=1))
            for by_lease in (True, False):
                with pytest.raises(ResourceDown):
                    async with held.resource(lambda settings: built_from(top, lower, settings, by_lease=by_lease)):  # noqa: B023
                        pass


async def test_a_block_left_while_its_instance_drains_for_a_replacement() -> None:
    """Two wait for the same leases to end: the transaction, and whoever leaves."""
    ledger, go, leave = Ledger(), anyio.Event(), anyio.Event()
    async with live(given()) as held, anyio.create_task_group() as tasks:

        async def hold(*, task_status: TaskStatus[Resource[Thing]]) -> None:
            async with held.resource(ledger.build, "A", replace="exclusive") as resource:
                async with resource.lease():
                    pass
                task_status.started(resource)
                await leave.wait()

        resource = await tasks.start(hold)
        await tasks.start(lease, resource, go)
        tasks.start_soon(held.publish, given(A=1))
        await idle()
        leave.set()
        await idle()
        assert len(ledger.open) == 1
        go.set()
        await idle()
        assert ledger.open == []
        assert held.current.A == 1


async def test_leaving_waits_for_the_one_before_the_last() -> None:
    """Only an instance that was replaced is still leased: the resource's block ends with it, and not before."""
    ledger, go, left = Ledger(), anyio.Event(), anyio.Event()
    async with live(given()) as held, anyio.create_task_group() as tasks:

        async def hold() -> None:
            async with held.resource(ledger.build, "A") as resource:
                await tasks.start(lease, resource, go)
                await held.publish(given(A=1))
            left.set()

        tasks.start_soon(hold)
        await idle()
        assert [thing.settings.A for thing in ledger.open] == [0]
        assert not left.is_set()
        go.set()
        await idle()
        assert left.is_set()
        assert ledger.open == []
