"""What the tests of the live part share: a settings class, and things that are opened and closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from msgspec import Struct, field

from hotsettings import BaseSettings, Live, RestartRequired, Secret
from hotsettings._live.core import Core
from support import blocking_face


class Pool(Struct, frozen=True):
    size: int = 1
    overflow: int = 0


class Db(Struct, frozen=True):
    host: str = "db"
    port: int = 5432
    pool: Pool = Pool()


class Settings(BaseSettings):
    A: int = 0
    B: int = 0
    C: int = 0
    KAFKA_HOST: str = "kafka"
    KAFKA_PORT: int = 9092
    RATE: float = 1.0
    db: Db = field(default_factory=Db)
    SECRET_KEY: Secret[str] = "first-secret"
    WORKERS: RestartRequired[int] = 4


def given(**values: Any) -> Settings:
    return Settings.from_values(**values)


def parts(live: Live[Any]) -> Core[Any]:
    return live._core


class Ledger:
    """Opens things, and knows which are open."""

    def __init__(self) -> None:
        self.opened = 0
        self.open: list[Thing] = []
        self.most = 0
        self.log: list[str] = []
        self.fail: Callable[[Any], BaseException | None] = lambda _: None
        self.before: Callable[[Any], Awaitable[object]] = lambda _: checkpoint()
        self.after: Callable[[Thing], Awaitable[object]] = lambda _: checkpoint()

    @asynccontextmanager
    async def build(self, settings: Any) -> AsyncIterator[Thing]:
        await self.before(settings)
        error = self.fail(settings)
        if error is not None:
            raise error
        self.opened += 1
        thing = Thing(settings)
        self.open.append(thing)
        self.most = max(self.most, len(self.open))
        self.log.append(f"+{settings.A}")
        try:
            await checkpoint()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(thing.work)
                yield thing
                thing.closing = True
                await self.after(thing)
                tasks.cancel_scope.cancel()
        finally:
            self.open.remove(thing)
            self.log.append(f"-{settings.A}")


class Thing:
    """Lives in the task group of its context manager, as clients do."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.closing = False
        self.broken = anyio.Event()

    async def work(self) -> None:
        await self.broken.wait()
        raise ConnectionError("the connection broke")


async def idle() -> None:
    """Let everybody go on until they wait for something. (wait_all_tasks_blocked overlooks callbacks on asyncio.)"""
    for _ in range(60):
        await checkpoint()
    if blocking_face.faces:
        await blocking_face.idle()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens soon, and fail where it does not."""
    with anyio.fail_after(60):  # a busy machine may take long for what takes milliseconds
        while not condition():  # noqa: ASYNC110 - there is no event for everything
            await anyio.sleep(0.001)
