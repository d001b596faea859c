"""live.prepare(): whoever is asked before a change goes live."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from support.live import Ledger, Settings, given, idle, parts

from hotsettings import Applied, Change, Rejected, Rejection
from hotsettings.testing import Workspace, live

pytestmark = pytest.mark.anyio


async def test_sees_the_candidate_while_the_old_is_live() -> None:
    seen: list[tuple[int, int, int, int]] = []
    async with live(given()) as held:

        async def hook(change: Change[Settings]) -> None:
            await checkpoint()
            seen.append((change.old.A, change.new.A, held.current.A, change.generation))

        held.prepare(hook, "A")
        held.prepare(lambda change: seen.append((change.old.A, change.new.A, held.current.A, change.generation)))
        change = await held.publish(given(A=1))
        assert seen == [(0, 1, 0, 2)] * 2
        assert change is not None
        assert change.generation == 2
        await held.publish(given(A=1, B=1))
        assert seen[2:] == [(1, 1, 1, 3)]


async def test_a_veto_and_its_reason_wherever_it_must_be_seen() -> None:
    calls: list[int] = []

    async def veto(change: Change[Settings]) -> None:
        calls.append(change.new.A)
        if change.new.A == 1:
            raise LookupError("topic orders is missing")

    async with live(given()) as held:
        held.prepare(veto, "A")
        told: list[Change[Settings]] = []
        held.on_change(told.append)
        events = held.events()
        for failures in (1, 2):
            with pytest.raises(Rejected) as caught:
                await held.publish(given(A=1))
            assert getattr(caught.value.reason, "kind", "") == "LookupError"
            assert str(caught.value) == "Reload rejected: topic orders is missing"
            status = held.status
            assert (status.healthy, status.consecutive_failures, status.generation) == (False, failures, 1)
            assert status.last_error is not None
            assert status.last_error.endswith("veto: LookupError: topic orders is missing")
            event = await anext(events)
            assert isinstance(event, Rejection)
            assert (event.reason, event.consecutive_failures) == (status.last_error, failures)
            assert held.current.A == 0
        await held.publish(given(A=2))
        status = held.status
        assert (status.healthy, status.consecutive_failures, status.last_error) == (True, 0, None)
        applied = await anext(events)
        assert isinstance(applied, Applied)
        assert (applied.generation, applied.keys) == (2, frozenset({"A"}))
        await held.wait_applied()
        assert [change.new.A for change in told] == [2]
        assert calls == [1, 1, 2]


async def test_back_to_what_is_live_after_a_veto_is_told() -> None:
    def veto(_: Change[Settings]) -> None:
        raise ValueError("no")

    async with live(given()) as held:
        held.prepare(veto)
        events = held.events()
        with pytest.raises(Rejected):
            await held.publish(given(A=1))
        assert await held.publish(given()) is None
        assert held.status.healthy
        assert [type(await anext(events)) for _ in range(2)] == [Rejection, Applied]


@pytest.mark.async_only
async def test_a_timeout_is_a_veto() -> None:
    left: list[str] = []

    async def hangs(_: Change[Settings]) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            left.append("hook")

    async with live(given(), prepare_timeout=0.01) as held:
        held.prepare(hangs)
        with pytest.raises(Rejected, match=r"hangs did not finish within 0.01 s") as caught:
            await held.publish(given(A=1))
        assert getattr(caught.value.reason, "kind", "") == "TimeoutError"
        assert left == ["hook"]
        assert held.current.A == 0


async def test_hooks_and_builds_run_side_by_side() -> None:
    """Each waits for all the others to have begun."""
    begun: list[str] = []
    everybody = anyio.Event()

    async def meet(name: str) -> None:
        begun.append(name)
        if len(begun) == 4:
            everybody.set()
        await everybody.wait()

    async with live(given()) as held:
        one, other = Ledger(), Ledger()
        async with held.resource(one.build, "A"), held.resource(other.build, "A"):
            one.before, other.before = (lambda _: meet("one")), (lambda _: meet("other"))
            held.prepare(lambda _: meet("first"))
            held.prepare(lambda _: meet("second"), "A")
            with anyio.fail_after(5):
                await held.publish(given(A=1))
    assert len(begun) == 4


@pytest.mark.async_only
async def test_the_first_veto_ends_the_others() -> None:
    left: list[str] = []

    async def slow(_: Change[Settings]) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            left.append("slow")

    async def veto(_: Change[Settings]) -> None:
        await idle()
        raise ValueError("no")

    async with live(given()) as held:
        held.prepare(slow)
        held.prepare(veto)
        with anyio.fail_after(5), pytest.raises(Rejected, match="no"):
            await held.publish(given(A=1))
        assert left == ["slow"]


async def test_cancel() -> None:
    calls: list[int] = []

    async def hangs(change: Change[Settings]) -> None:
        calls.append(change.new.A)
        await anyio.sleep_forever()

    async with live(given()) as held:
        handle = held.prepare(hangs)
        other = held.prepare(hangs)
        other.cancel()
        other.cancel()  # again does no harm
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(held.publish, given(A=1))
            await idle()
            assert held.current.A == 0
            handle.cancel()  # a call under way has no say any more
        assert held.current.A == 1
        await held.publish(given(A=2))
        assert calls == [1]
        assert not parts(held).hooks


class Poisoned(Exception):
    """Fails wherever it is looked at."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("frozen")


@pytest.mark.parametrize("error", [Poisoned(), ExceptionGroup("two", [ValueError("a"), OSError("b")])])
async def test_whatever_a_hook_raises_is_a_veto(error: Exception) -> None:
    def hook(_: Change[Settings]) -> None:
        raise error

    async with live(given()) as held:
        handle = held.prepare(hook)
        with pytest.raises(Rejected) as caught:
            await held.publish(given(A=1))
        assert getattr(caught.value.reason, "kind", "") == type(error).__name__
        text = held.status.last_error or ""
        if isinstance(error, ExceptionGroup):
            assert text.endswith("hook: ExceptionGroup: two: ValueError: a; OSError: b")
        handle.cancel()
        await held.publish(given(A=1))


async def test_a_stray_cancellation_is_a_veto() -> None:
    async def stray(_: Any) -> None:
        if anyio.get_cancelled_exc_class().__module__.startswith("trio"):
            raise RuntimeError  # there is none
        raise anyio.get_cancelled_exc_class()

    async with live(given()) as held:
        handle = held.prepare(stray)
        with pytest.raises(Rejected) as caught:
            await held.publish(given(A=1))
        assert getattr(caught.value.reason, "kind", "") == "RuntimeError"
        handle.cancel()
        ledger = Ledger()
        async with held.resource(ledger.build, "A"):
            ledger.before = stray
            with pytest.raises(Rejected):
                await held.publish(given(A=1))
            assert held.current.A == 0
            assert ledger.log == ["+0"]


async def test_publishing_is_cancelled_as_anything_is() -> None:
    async with live(given()) as held:
        held.prepare(lambda _: anyio.sleep_forever())
        with anyio.move_on_after(0.01) as scope:
            await held.publish(given(A=1))
        assert scope.cancelled_caught
        assert held.current.A == 0


async def test_reloads_do_not_lengthen_the_pause_before_the_next_try(
    settings_workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    settings_workspace.write({"A": 1})

    def vetoes(_: object) -> None:
        raise ValueError("no")

    async with Settings.watch(**settings_workspace.paths, settle=0.0) as held:
        held.prepare(vetoes, "A")
        settings_workspace.write({"A": 2})
        for _ in range(4):
            with pytest.raises(Rejected):
                await held.reload()
    tries = [record.getMessage() for record in caplog.records if "trying again" in record.getMessage()]
    assert len(tries) > 3
    assert all(text.endswith("trying again in 1 s") for text in tries)
