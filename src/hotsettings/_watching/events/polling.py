"""Polling: no events at all. The watcher finds a change when it checks the files, every ``rescan_interval``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio

from ..debounce import LastEvent
from ..symlinks import ResolvedPath


class Polling:
    """A notifier that never reports anything."""

    event_delay = 0.0
    reports_events = False

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Polling, None]:
        yield cls()

    def watch(self, resolved: Sequence[ResolvedPath]) -> bool:
        return False

    def read_pending(self) -> None:
        pass

    def forked(self) -> None:
        pass

    def last_event(self, target: str) -> LastEvent:
        return LastEvent()

    async def run(self, wake: Callable[[], None]) -> None:
        await anyio.sleep_forever()
