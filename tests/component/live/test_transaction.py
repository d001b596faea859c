"""All or nothing: whatever fails, and wherever it is cancelled, nothing leaks and the next change works."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import pytest
from anyio.lowlevel import checkpoint
from support.live import Ledger, Thing, given, idle, parts

from hotsettings import Rejected
from hotsettings._concurrency import backoff
from hotsettings.testing import InMemoryLive, live

pytestmark = pytest.mark.anyio

Kind = Literal["overlap", "exclusive"]


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.001)


class World:
    """Two independent resources, one built from the first of them, and a hook; all of it counted."""

    def __init__(self, held: InMemoryLive[Any]) -> None:
        self.held = held
        self.ledgers = [Ledger(), Ledger(), Ledger()]
        self.asked = 0

    @asynccontextmanager
    async def set_up(self, kinds: tuple[Kind, Kind, Kind], jitter: float = 0.0) -> AsyncIterator[None]:
        base, other, top = self.ledgers
        held = self.held
        async with (
            held.resource(base.build, "A", replace=kinds[0], jitter=jitter) as self.base,
            held.resource(other.build, "A", replace=kinds[1], jitter=jitter) as self.other,
        ):

            @asynccontextmanager
            async def built_from_base(settings: Any) -> AsyncIterator[Thing]:
                async with self.base.lease() as below, top.build(settings) as thing:
                    thing.below = below  # type: ignore[attr-defined]
                    yield thing

            async with held.resource(built_from_base, "B", replace=kinds[2], jitter=jitter) as self.top:

                async def hook(_: object) -> None:
                    self.asked += 1
                    await checkpoint()

                held.prepare(hook)
                yield
        assert [ledger.open for ledger in self.ledgers] == [[], [], []], "everything that was opened is closed"

    def check(self, *values: int) -> None:
        """Everything stands, once, for one of these values, and it is the one that is live."""
        assert self.held.current.A in values
        standing = [self.base.current, self.other.current, self.top.current]
        assert [thing.settings.A for thing in standing] == [self.held.current.A] * 3
        assert [ledger.open for ledger in self.ledgers] == [[thing] for thing in standing]
        assert not any(thing.closing for thing in standing)
        assert self.top.current.below is self.base.current  # type: ignore[attr-defined]
        assert not parts(self.held).resources.lock.locked()


KINDS: list[tuple[Kind, Kind, Kind]] = [
    ("overlap", "overlap", "overlap"),
    ("exclusive", "exclusive", "exclusive"),
    ("exclusive", "overlap", "overlap"),
    ("overlap", "exclusive", "exclusive"),
]


@pytest.mark.parametrize("jitter", [0.0, pytest.param(1e-9, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: "-".join(kind[:4] for kind in kinds))
@pytest.mark.async_only
async def test_cancelled_at_every_await(kinds: tuple[Kind, Kind, Kind], jitter: float) -> None:
    """Cancel after n steps, for each n, until a reload is through before it is cancelled."""
    async with live(given()) as held:
        world = World(held)
        async with world.set_up(kinds, jitter):
            world.check(0)
            at, through, value = 0, 0, 0
            while through < 2:
                value += 1
                before = held.snapshot.generation
                with anyio.CancelScope() as scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(held.publish, given(A=value))
                        for _ in range(at):
                            await checkpoint()
                        scope.cancel()
                through += held.snapshot.generation == before + 1
                at += 1
                await idle()
                world.check(value, value - 1)
                value += 1
                await held.publish(given(A=value))
                await idle()
                world.check(value)
            assert at > 5
    for ledger, kind in zip(world.ledgers[:2], kinds, strict=False):
        if kind == "exclusive":
            assert ledger.most == 1, "two of what cannot stand twice"


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: "-".join(kind[:4] for kind in kinds))
@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_one_of_several_fails(kinds: tuple[Kind, Kind, Kind], failing: int) -> None:
    async with live(given()) as held:
        world = World(held)
        async with world.set_up(kinds):
            things = [world.base.current, world.other.current, world.top.current]
            world.ledgers[failing].fail = lambda settings: OSError("no") if settings.A == 1 else None
            with pytest.raises(Rejected, match="no"):
                await held.publish(given(A=1))
            await idle()
            world.check(0)
            assert held.snapshot.generation == 1
            if kinds == KINDS[0]:
                assert things == [world.base.current, world.other.current, world.top.current]
            await held.publish(given(A=2))
            await idle()
            world.check(2)


@pytest.mark.parametrize("kind", ["overlap", "exclusive"])
async def test_entering_is_cancelled_at_every_await(kind: Kind) -> None:
    async with live(given()) as held:
        ledger = Ledger()

        async def enter() -> None:
            async with held.resource(ledger.build, replace=kind):
                entered.append(True)

        at = 0
        entered: list[bool] = []
        while not entered or at < 12:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(enter)
                for _ in range(at):
                    await checkpoint()
                tasks.cancel_scope.cancel()
            at += 1
            await idle()
            assert ledger.open == []
            assert not parts(held).resources.all
        await held.publish(given(A=at))


@pytest.mark.parametrize("kind", ["overlap", "exclusive"])
async def test_the_block_is_cancelled_at_every_await(kind: Kind) -> None:
    """The block with everything in it, cancelled from outside."""
    ledgers: list[Ledger] = []

    async def block() -> None:
        ledger = Ledger()
        ledgers.append(ledger)
        async with live(given()) as held:
            async with held.resource(ledger.build, "A", replace=kind) as resource:
                held.on_change(lambda _: checkpoint())
                async with resource.lease():
                    await checkpoint()
                await held.publish(given(A=1))
                await held.wait_applied()
        done.append(True)

    at = 0
    done: list[bool] = []
    while not done:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(block)
            for _ in range(at):
                await checkpoint()
            tasks.cancel_scope.cancel()
        at += 1
        assert all(ledger.open == [] for ledger in ledgers)


async def test_one_after_the_other() -> None:
    """Reloads that overlap in time go live one by one; the resources follow each."""
    async with live(given()) as held:
        world = World(held)
        async with world.set_up(KINDS[2]):
            async with anyio.create_task_group() as tasks:
                for number in range(1, 6):
                    tasks.start_soon(functools.partial(held.publish, given(A=number, B=number)))
            await idle()
            assert held.snapshot.generation == 6
            world.check(*range(1, 6))
            assert world.asked == 5
