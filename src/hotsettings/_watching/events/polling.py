"""Looking alone: nothing is told, and the regular look has to find it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio

from ..debounce import LastEvent
from ..symlinks import ResolvedPath


class Polling:
    """Wakeups that never come."""

    event_delay = 0.0
    blind = True

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Polling, None]:
        yield cls()

    def watch(self, resolved: Sequence[ResolvedPath]) -> bool:
        return False

    def read_pending(self) -> None:
        pass

    def last_event(self, target: str) -> LastEvent:
        return LastEvent()

    async def run(self, wake: Callable[[], None]) -> None:
        await anyio.sleep_forever()
