"""Rate limits: how many requests one client may make, counted in memory, by rules that may change at any time.

For each client the counters keep what it has used, never what is left. So a new limit applies at once, and counts earlier
requests too. Routes of the API are limited by RATE_LIMITS, all others by RATE_LIMIT_DEFAULT_*.
"""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hotsettings import Change
from hotsettings.integrations.asgi import settings_of

from .proxies import TrustedProxies
from .settings import Settings

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "month": 2_592_000, "year": 31_104_000}
MOST_CLIENTS = 100_000
"""Clients that are remembered; whoever has not been seen for the longest time is forgotten first."""


class Limit(NamedTuple):
    requests: int
    window: int
    """Seconds."""


@lru_cache(maxsize=128)
def limits_in(text: str) -> tuple[Limit, ...]:
    """Read ``5/second; 1000 per 1 hour``; of two limits for one window the lower. Raises ValueError."""
    limits = [_limit(part.strip()) for part in re.split("[,;|]", text) if part.strip()]
    lowest = {limit.window: limit for limit in sorted(limits, reverse=True)}
    return tuple(lowest.values())


def _limit(text: str) -> Limit:
    match = re.fullmatch(r"([1-9][0-9]*) *(?:/|per) *([1-9][0-9]*)? *([a-z]+?)s?", text, re.IGNORECASE)
    if match is None or match[3].lower() not in UNITS:
        raise ValueError(f"not a rate limit: {text!r}; it should be like 100/minute")
    return Limit(int(match[1]), int(match[2] or 1) * UNITS[match[3].lower()])


def readable(change: Change[Settings]) -> None:
    """Veto limits that match the pattern of the field but cannot be read: ``100/fortnight``."""
    limits_in(change.new.RATE_LIMITS)


class Counter(Protocol):
    """What one client has used of one limit."""

    def wait(self, limit: Limit, burst: float, now: float) -> float:
        """Seconds until the limit allows one more request; 0 if it does now."""
        ...

    def count(self, limit: Limit, now: float) -> None:
        """Count a request."""
        ...


class SlidingWindow:
    """Counts the requests of this window, and a share of those of the last one: the part that a window ending now covers."""

    def __init__(self) -> None:
        self._window = 0
        self._before = 0
        self._here = 0

    def wait(self, limit: Limit, burst: float, now: float) -> float:
        passed = self._move(limit, now)
        room = limit.requests - 1
        if self._here <= room:
            return max(0.0, self._share_gone(self._before, room - self._here) - passed) * limit.window
        return (1 - passed + self._share_gone(self._here, room)) * limit.window

    def count(self, limit: Limit, now: float) -> None:
        self._move(limit, now)
        self._here += 1

    def _move(self, limit: Limit, now: float) -> float:
        """Move to the current window, and return which share of it has passed."""
        passed, window = math.modf(now / limit.window)
        if window != self._window:
            self._before = self._here if window == self._window + 1 else 0
            self._window, self._here = int(window), 0
        return passed

    @staticmethod
    def _share_gone(requests: int, room: int) -> float:
        """Which share of a window has to pass until at most ``room`` of these requests still count."""
        return max(0.0, 1 - room / requests) if requests else 0.0


class TokenBucket:
    """Counts the tokens that were taken and have not been refilled yet."""

    def __init__(self) -> None:
        self._taken = 0.0
        self._at = 0.0

    def wait(self, limit: Limit, burst: float, now: float) -> float:
        self._flow_back(limit, now)
        too_many = self._taken + 1 - limit.requests * burst
        return max(0.0, too_many * limit.window / limit.requests)

    def count(self, limit: Limit, now: float) -> None:
        self._flow_back(limit, now)
        self._taken += 1

    def _flow_back(self, limit: Limit, now: float) -> None:
        self._taken = max(0.0, self._taken - (now - self._at) * limit.requests / limit.window)
        self._at = now


ALGORITHMS: dict[str, Callable[[], Counter]] = {"sliding_window": SlidingWindow, "token_bucket": TokenBucket}


class Counters:
    """The counters of all clients. ``clock`` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most_clients: int = MOST_CLIENTS) -> None:
        self._clock = clock
        self._most = most_clients
        self._clients: OrderedDict[str, dict[tuple[object, ...], Counter]] = OrderedDict()

    def admit(self, client: str, limits: Sequence[Limit], algorithm: str, burst: float) -> float:
        """Count a request if all limits have room for it. Returns 0, or the seconds to wait."""
        now = self._clock()
        used = self._clients.setdefault(client, {})
        self._clients.move_to_end(client)
        if len(self._clients) > self._most:
            self._clients.popitem(last=False)
        counters = [used.setdefault((algorithm, limit.window), ALGORITHMS[algorithm]()) for limit in limits]
        pairs = list(zip(counters, limits, strict=True))
        wait = max((counter.wait(limit, burst, now) for counter, limit in pairs), default=0.0)
        if not wait:
            for counter, limit in pairs:
                counter.count(limit, now)
        return wait


class RateLimited:
    """ASGI middleware: answers 429 to clients with too many requests. It reads the settings that are pinned to the request.

    ``free`` are paths that are never limited: a probe that gets 429 would take the process out of service. ``proxies``
    are trusted to name the client of a request.
    """

    def __init__(
        self,
        app: ASGIApp,
        counters: Counters,
        free: frozenset[str] = frozenset(),
        proxies: TrustedProxies | None = None,
    ) -> None:
        self._app = app
        self._counters = counters
        self._free = free
        self._proxies = proxies or TrustedProxies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (wait := self._wait(scope)):
            seconds = math.ceil(wait)
            body = {"detail": f"too many requests; try again in {seconds} s"}
            await JSONResponse(body, 429, {"Retry-After": str(seconds)})(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _wait(self, scope: Scope) -> float:
        settings = settings_of(scope, Settings)
        if not settings.RATE_LIMIT_ENABLED or scope["path"] in self._free:
            return 0.0
        client = self._proxies.client_of(scope)
        if scope["path"].startswith(f"{settings.API_V1_STR}/"):
            kind, limits = "api", limits_in(settings.RATE_LIMITS)
        else:
            kind, limits = "other", (Limit(settings.RATE_LIMIT_DEFAULT_REQUESTS, settings.RATE_LIMIT_DEFAULT_WINDOW),)
        algorithm, burst = settings.RATE_LIMIT_ALGORITHM, settings.RATE_LIMIT_BURST_MULTIPLIER
        return self._counters.admit(f"{kind} {client}", limits, algorithm, burst)
