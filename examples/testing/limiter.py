"""The application under test: it limits the calls of each client, by settings that change while it runs."""

from collections import Counter
from typing import Annotated

from msgspec import Meta

from hotsettings import BaseSettings, Change, Live, Secret


class Settings(BaseSettings):
    CALLS: Annotated[int, Meta(ge=1, description="Calls that each client may make.")] = 3
    BLOCKED: frozenset[str] = frozenset()
    API_KEY: Secret[Annotated[str, Meta(min_length=8)]]


class Limiter:
    def __init__(self, live: Live[Settings]) -> None:
        self._live = live
        self._made: Counter[str] = Counter()
        live.prepare(self._keep_somebody, "BLOCKED")
        live.on_change(self._forget, "CALLS")

    def allows(self, client: str) -> bool:
        settings = self._live.current  # read once: both settings are of one state
        if client in settings.BLOCKED or self._made[client] >= settings.CALLS:
            return False
        self._made[client] += 1
        return True

    def _keep_somebody(self, change: Change[Settings]) -> None:
        if "*" in change.new.BLOCKED:
            raise ValueError("BLOCKED: nobody would be left")

    def _forget(self, change: Change[Settings]) -> None:
        self._made.clear()
