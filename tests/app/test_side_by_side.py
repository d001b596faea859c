"""Context managers that are entered one by one are left all at once, also if the block is cancelled or fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from integr8scode.side_by_side import side_by_side

pytestmark = pytest.mark.anyio


class Things:
    """They can be closed only together: each waits for all others."""

    def __init__(self, count: int) -> None:
        self.events: list[str] = []
        self._count = count
        self._closing = 0
        self._all = anyio.Event()

    @asynccontextmanager
    async def thing(self, name: str) -> AsyncGenerator[str, None]:
        self.events.append(f"open {name}")
        try:
            yield name
        finally:
            with anyio.CancelScope(shield=True), anyio.fail_after(30):
                self._closing += 1
                if self._closing == self._count:
                    self._all.set()
                await self._all.wait()
            self.events.append("closed")


async def test_they_are_closed_at_the_same_time() -> None:
    things = Things(3)
    async with side_by_side() as held:
        assert [await held.enter(things.thing(name)) for name in "abc"] == ["a", "b", "c"]
        await anyio.lowlevel.checkpoint()
        assert things.events == ["open a", "open b", "open c"]
    assert things.events[3:] == ["closed"] * 3


async def test_they_stand_until_a_cancelled_block_has_been_left() -> None:
    things = Things(2)
    with anyio.CancelScope() as scope:
        async with side_by_side() as held:
            await held.enter(things.thing("a"))
            await held.enter(things.thing("b"))
            scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
            assert things.events == ["open a", "open b"]
    assert things.events[2:] == ["closed"] * 2


async def entering(things: Things, *, fails: bool) -> None:
    @asynccontextmanager
    async def broken() -> AsyncGenerator[None, None]:
        if fails:
            raise ConnectionError("nobody is there")
        yield

    async with side_by_side() as held:
        await held.enter(things.thing("a"))
        await held.enter(broken())
        raise LookupError("of the block")


async def test_what_the_block_raises_leaves_it_as_itself() -> None:
    things = Things(1)
    with pytest.raises(LookupError, match="of the block"):
        await entering(things, fails=False)
    assert things.events == ["open a", "closed"]


async def test_one_that_cannot_be_opened_raises_and_the_others_are_closed() -> None:
    things = Things(1)
    with pytest.raises(ConnectionError, match="nobody is there"):
        await entering(things, fails=True)
    assert things.events == ["open a", "closed"]
