"""jitter: a reload waits before it replaces what others would notice, and changes nothing until then."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import pytest
from support.live import Ledger, Settings, Thing, given, idle, parts, until

from hotsettings import Rejected
from hotsettings._concurrency import backoff
from hotsettings._live.reload import resource_manager as replacing
from hotsettings.testing import InMemoryLive, Workspace, live

pytestmark = pytest.mark.anyio

Kind = Literal["overlap", "exclusive"]
both_kinds = pytest.mark.parametrize("kind", ["overlap", "exclusive"])
AGES = 3600.0


class Draws:
    """Stands in for chance: the next of the given parts of the jitter, or else all of it."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.parts: list[float] = []

    def __call__(self, low: float, high: float) -> float:
        assert low == 0
        self.seen.append(high)
        return self.parts.pop(0) * high if self.parts else high


@pytest.fixture(autouse=True)
async def no_deadlock() -> AsyncIterator[None]:
    with anyio.fail_after(20):
        yield


@pytest.fixture(autouse=True)
def draws(monkeypatch: pytest.MonkeyPatch) -> Draws:
    draws = Draws()
    monkeypatch.setattr(replacing, "_draw", draws)
    monkeypatch.setattr(backoff, "FIRST", 0.001)
    return draws


@asynccontextmanager
async def reloading(held: InMemoryLive[Any], **values: Any) -> AsyncIterator[None]:
    """A reload under way, given up when the block ends."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.publish, given(**values))
        await idle()
        yield
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("jitter", [-1, -0.001, float("nan"), float("inf"), float("-inf")])
async def test_what_is_no_length_of_time(jitter: float) -> None:
    async with live(given()) as held:
        with pytest.raises(ValueError, match=f"jitter must be 0 seconds or more, and finite, not {jitter}"):
            async with held.resource(Ledger().build, "A", jitter=jitter):
                pytest.fail("it does not stand")


@both_kinds
async def test_the_old_one_serves_meanwhile(kind: Kind, draws: Draws) -> None:
    ledger = Ledger()
    async with live(given()) as held, held.resource(ledger.build, "A", replace=kind, jitter=AGES) as resource:
        assert draws.seen == [], "the first build does not wait"
        first = resource.current
        async with reloading(held, A=1, B=1):
            assert draws.seen == [AGES]
            assert held.current.B == 0
            assert resource.current is first
            async with resource.lease() as leased:
                assert leased is first
            assert ledger.log == ["+0"]
        assert resource.current is first, "given up, and nothing has happened"
        await held.publish(given(B=1))
        assert draws.seen == [AGES], "it is no concern of the resource"
        draws.parts = [0.0]
        await held.publish(given(A=2))
        assert resource.current.settings.A == held.current.A == 2


@both_kinds
async def test_no_part_of_prepare_timeout(kind: Kind, draws: Draws) -> None:
    """Not for what is built from it either, which has to wait as long."""
    base, top = Ledger(), Ledger()
    async with live(given(), prepare_timeout=0.3) as held:
        async with held.resource(base.build, "A", replace=kind, jitter=0.4) as lower:

            @asynccontextmanager
            async def build(settings: Any) -> AsyncIterator[Thing]:
                async with lower.lease(), top.build(settings) as thing:
                    yield thing

            async with held.resource(build, "A") as upper:
                await held.publish(given(A=1))
                assert [lower.current.settings.A, upper.current.settings.A] == [1, 1]
                assert draws.seen == [0.4]
                draws.parts = [0.0]
                base.before = lambda settings: anyio.sleep_forever() if settings.A == 2 else idle()
                with pytest.raises(Rejected, match=r"build did not finish within 0.3 s"):
                    await held.publish(given(A=2))


@pytest.mark.parametrize("by", ["hook", "build"])
async def test_a_veto_ends_the_wait(by: str, draws: Draws) -> None:
    ledger, other, go = Ledger(), Ledger(), anyio.Event()
    async with live(given()) as held:
        async with held.resource(ledger.build, "A", jitter=AGES) as resource, held.resource(other.build, "A"):
            first = resource.current

            async def veto(_: object) -> None:
                await go.wait()
                if by == "hook":
                    raise ValueError("no")

            held.prepare(veto)
            if by == "build":
                other.before = veto
                other.fail = lambda _: ValueError("no")

            async def once_it_waits() -> None:
                await until(lambda: draws.seen == [AGES])
                go.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(once_it_waits)
                with pytest.raises(Rejected, match="no"):
                    await held.publish(given(A=1))
            assert resource.current is first
            assert ledger.log == ["+0"]


@both_kinds
async def test_a_newer_edit_ends_the_wait(kind: Kind, draws: Draws, settings_workspace: Workspace) -> None:
    ledger, workspace = Ledger(), settings_workspace
    workspace.write({"A": 0}, secrets={"SECRET_KEY": "hidden"})
    async with Settings.watch(**workspace.paths, settle=0.01, rescan_interval=0.05) as held:
        async with held.resource(ledger.build, "A", replace=kind, jitter=AGES) as resource:
            draws.parts = [1.0, 0.0]
            workspace.write({"A": 1})
            await until(lambda: len(draws.seen) == 1)
            workspace.write({"A": 2})
            await held.wait_applied(2)
            assert resource.current.settings.A == held.current.A == 2
            assert "+1" not in ledger.log


async def test_hooks_and_other_builds_go_before_an_exclusive_one_waits(draws: Draws) -> None:
    ledger, other, go = Ledger(), Ledger(), anyio.Event()
    async with live(given()) as held:
        async with (
            held.resource(ledger.build, "A", replace="exclusive", jitter=AGES),
            held.resource(other.build, "A"),
        ):
            held.prepare(lambda _: go.wait())
            async with reloading(held, A=1):
                assert other.log == ["+0", "+1"]
                assert draws.seen == []
                go.set()
                await idle()
                assert draws.seen == [AGES]
                assert ledger.log == ["+0"]


@pytest.mark.parametrize("shares", [[0.0, 1.0], [1.0, 0.0]])
async def test_exclusive_ones_wait_together_for_the_longest(shares: list[float], draws: Draws) -> None:
    ledgers = [Ledger(), Ledger()]
    one, two = (ledger.build for ledger in ledgers)
    async with live(given()) as held:
        async with (
            held.resource(one, "A", replace="exclusive", jitter=AGES),
            held.resource(two, "A", replace="exclusive", jitter=AGES),
        ):
            draws.parts = list(shares)
            async with reloading(held, A=1):
                assert draws.seen == [AGES, AGES]
                assert [ledger.log for ledger in ledgers] == [["+0"], ["+0"]]
            draws.parts = [0.0, 0.0]
            await held.publish(given(A=2))
            assert len(draws.seen) == 4
            assert [ledger.log for ledger in ledgers] == [["+0", "-0", "+2"]] * 2


@both_kinds
@pytest.mark.async_only
async def test_mending_does_not_wait(kind: Kind) -> None:
    ledger = Ledger()
    async with live(given()) as held:
        async with held.resource(ledger.build, "A", replace=kind, jitter=AGES) as resource:
            resource.current.broken.set()
            await until(lambda: ledger.opened == 2 and resource.instance is not None)


async def test_putting_the_old_one_back_does_not_wait(draws: Draws) -> None:
    ledger = Ledger()
    async with live(given()) as held:
        async with held.resource(ledger.build, "A", replace="exclusive", jitter=AGES) as resource:
            draws.parts = [0.0]
            ledger.fail = lambda settings: ConnectionError("no broker") if settings.A else None
            with pytest.raises(Rejected, match="no broker"):
                await held.publish(given(A=1))
            assert resource.current.settings.A == 0
            assert ledger.log == ["+0", "-0", "+0"]


@both_kinds
@pytest.mark.parametrize("whose", ["its own", "another's"])
@pytest.mark.async_only
async def test_a_failure_ends_the_wait(kind: Kind, whose: str) -> None:
    """Only when the reload is over can it be mended."""
    ledger, unconcerned = Ledger(), Ledger()
    async with live(given()) as held:
        async with (
            held.resource(ledger.build, "A", replace=kind, jitter=AGES) as resource,
            held.resource(unconcerned.build, "B") as other,
        ):
            async with reloading(held, A=1):
                assert held.current.A == 0
                (resource if whose == "its own" else other).current.broken.set()
                await until(lambda: held.current.A == 1)
            await until(lambda: other.instance is not None)
            assert resource.current.settings.A == 1


@both_kinds
@pytest.mark.async_only
async def test_what_is_down_is_not_waited_for(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", AGES)
    ledger = Ledger()
    async with live(given()) as held:
        async with held.resource(ledger.build, "A", replace=kind, jitter=AGES) as resource:
            ledger.fail = lambda settings: None if settings.A else ConnectionError("moved")
            resource.current.broken.set()
            await until(lambda: resource.failed and not parts(held).resources.lock.locked())
            await held.publish(given(A=1))
            assert resource.current.settings.A == 1


@pytest.mark.async_only
async def test_nothing_is_taken_down_for_a_reload_that_is_lost() -> None:
    """What was built beside it has ended while the exclusive one waited."""
    exclusive, overlap, unconcerned = Ledger(), Ledger(), Ledger()
    async with live(given()) as held, anyio.create_task_group() as tasks:
        async with (
            held.resource(exclusive.build, "A", replace="exclusive", jitter=AGES) as resource,
            held.resource(overlap.build, "A"),
            held.resource(unconcerned.build, "B") as other,
        ):

            async def lost() -> None:
                with pytest.raises(Rejected, match="ended before the reload"):
                    await held.publish(given(A=1))

            first = resource.current
            tasks.start_soon(lost)
            await until(lambda: "+1" in overlap.log)
            overlap.open[-1].broken.set()
            await until(lambda: "-1" in overlap.log)
            other.current.broken.set()  # ends the wait
            await until(lambda: unconcerned.opened == 2)
            assert resource.current is first
            assert exclusive.log == ["+0"]


FORKS = """
import os
import random
from hotsettings._live.reload.resource_manager import _draw

_draw(0, 1)
for _ in range(2):
    child = os.fork()
    if not child:
        random.seed(1)  # as programs do that want to repeat what they did
        os.write(1, f"{_draw(0, 1)}\\n".encode())
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
async def test_forked_processes_draw_for_themselves() -> None:
    done = await anyio.run_process([sys.executable, "-c", FORKS])
    one, two = done.stdout.split()
    assert one != two
