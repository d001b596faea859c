"""Looking alone: nothing is told, and the regular look has to find it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio

from ..debounce import Told
from ..symlinks import Route


class Looking:
    """Wakeups that never come."""

    confirm = 0.0
    blind = True

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Looking, None]:
        yield cls()

    def arm(self, routes: Sequence[Route]) -> bool:
        return False

    def drain(self) -> None:
        pass

    def told(self, target: str) -> Told:
        return Told()

    async def run(self, wake: Callable[[], None]) -> None:
        await anyio.sleep_forever()
