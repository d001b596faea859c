"""What type checkers know of a live object. Never run, like the rest of this folder."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import assert_type

from hotsettings import BaseSettings, Change, Live, Statistics
from hotsettings._live.callbacks import Handle


class Settings(BaseSettings):
    A: int = 0


def sync(change: Change[Settings]) -> None: ...


async def coroutine(change: Change[Settings]) -> None: ...


async def forms(live: Live[Settings]) -> None:
    assert_type(live.on_change(sync), Handle)
    assert_type(live.on_change(coroutine, "A"), Handle)
    assert_type(live.on_change(lambda change: change.new.A), Handle)
    assert_type(live.prepare(coroutine, "A"), Handle)

    @live.on_change("A")
    def decorated(change: Change[Settings]) -> int:
        return change.new.A

    @live.on_change()
    async def every(change: Change[Settings]) -> None: ...

    @live.prepare("A")
    async def hook(change: Change[Settings]) -> None: ...

    assert_type(decorated(Change(live.current, live.current, frozenset(), 1)), int)
    await every(Change(live.current, live.current, frozenset(), 1))
    await hook(Change(live.current, live.current, frozenset(), 1))
    assert_type(live.statistics(), Statistics)


@asynccontextmanager
async def build(settings: Settings) -> AsyncGenerator[str]:
    yield "one"


async def resources(live: Live[Settings]) -> None:
    async with live.resource(build, "A") as resource, resource.lease() as leased:
        assert_type(leased, str)
        assert_type(resource.current, str)
