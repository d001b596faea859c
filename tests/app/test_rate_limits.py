"""Rate limits: the rules, the counting, and what a new rule does to what was counted before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotsettings import Change, Rejected
from hotsettings.integrations.asgi import PinnedSettings
from hotsettings.testing import live as held
from integr8scode.rate_limits import ALGORITHMS, Counters, Limit, RateLimited, limits_in, readable
from integr8scode.settings import Settings

BURST = 1.5


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def admitted(counters: Counters, limits: Sequence[Limit], algorithm: str, tries: int, client: str = "a") -> int:
    return sum(not counters.admit(client, limits, algorithm, BURST) for _ in range(tries))


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("100/minute", [Limit(100, 60)]),
        ("5 per 1 second", [Limit(5, 1)]),
        ("5/second; 1000/hour", [Limit(5, 1), Limit(1000, 3600)]),
        ("10 per 2 Hours, 1/day", [Limit(10, 7200), Limit(1, 86400)]),
        ("9/minute|3/60 seconds", [Limit(3, 60)]),
    ],
)
def test_what_a_rule_says(text: str, limits: list[Limit]) -> None:
    assert sorted(limits_in(text)) == sorted(limits)


@pytest.mark.parametrize("text", ["100/fortnight", "0/minute", "5/minute; often", "5/0 seconds", "5/minutess"])
def test_what_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a rate limit"):
        limits_in(text)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(requests=st.integers(1, 50), window=st.integers(1, 100), steps=st.lists(st.floats(0, 60), max_size=150))
def test_never_more_than_the_limit_and_the_wait_is_right(
    algorithm: str, requests: int, window: int, steps: list[float]
) -> None:
    clock = Clock()
    counters, limit = Counters(clock), Limit(requests, window)
    admissions: list[float] = []
    for step in steps:
        clock.now += step
        wait = counters.admit("a", [limit], algorithm, BURST)
        if wait:
            clock.now += wait / 2
            assert counters.admit("a", [limit], algorithm, BURST) > 0, "half of the time is too short"
            clock.now += wait / 2 + 1e-6
            assert counters.admit("a", [limit], algorithm, BURST) == 0, "and all of it is enough"
        admissions.append(clock.now)
    most = requests * (BURST + 1) if algorithm == "token_bucket" else 2 * requests
    for end in admissions:
        assert sum(end - window < at <= end for at in admissions) <= most


def test_a_burst_is_for_the_token_bucket_only() -> None:
    limits = [Limit(10, 60)]
    assert admitted(Counters(Clock()), limits, "token_bucket", 50) == 15
    assert admitted(Counters(Clock()), limits, "sliding_window", 50) == 10


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_new_limit_counts_what_was_used_before(algorithm: str) -> None:
    counters = Counters(Clock())
    first = admitted(counters, [Limit(10, 60)], algorithm, 50)
    assert admitted(counters, [Limit(8, 60)], algorithm, 50) == 0, "lowered: nothing is left"
    more = admitted(counters, [Limit(20, 60)], algorithm, 50)
    assert more == first, "doubled: as much again"


def test_all_limits_count_and_a_refused_request_uses_none() -> None:
    clock = Clock()
    counters = Counters(clock)
    limits = [Limit(2, 1), Limit(5, 3600)]
    assert admitted(counters, limits, "sliding_window", 100) == 2
    clock.now += 2
    assert admitted(counters, limits, "sliding_window", 100) == 2
    clock.now += 2
    assert admitted(counters, limits, "sliding_window", 100) == 1, "of the 5 in an hour"


def test_clients_do_not_share_and_the_oldest_is_forgotten() -> None:
    counters = Counters(Clock(), most_clients=2)
    limits = [Limit(1, 60)]
    assert [admitted(counters, limits, "sliding_window", 2, client) for client in "ab"] == [1, 1]
    assert admitted(counters, limits, "sliding_window", 1, "a") == 0
    assert admitted(counters, limits, "sliding_window", 1, "c") == 1
    assert admitted(counters, limits, "sliding_window", 1, "a") == 0, "b has been away for longer"
    assert admitted(counters, limits, "sliding_window", 1, "b") == 1


def settings(**values: object) -> Settings:
    return Settings.from_values(SECRET_KEY="x" * 32, **values)


async def ask(app: Any, path: str, client: str = "10.0.0.1") -> tuple[int, dict[bytes, bytes]]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": "GET", "headers": [], "client": (client, 1)}
    await app(scope, None, send)
    return sent[0]["status"], dict(sent[0]["headers"])


async def fine(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})


@pytest.mark.anyio
async def test_the_limits_follow_the_settings() -> None:
    clock = Clock()
    async with held(settings(RATE_LIMITS="2/minute", RATE_LIMIT_DEFAULT_REQUESTS=1)) as live:
        app = PinnedSettings(RateLimited(fine, Counters(clock), frozenset({"/health"})), live)

        async def statuses(path: str, times: int) -> list[int]:
            return [(await ask(app, path))[0] for _ in range(times)]

        assert await statuses("/api/v1/x", 3) == [204, 204, 429]
        assert await statuses("/events", 2) == [204, 429], "what has no rule of its own"
        assert await statuses("/health", 9) == [204] * 9
        assert (await ask(app, "/api/v1/x", "10.0.0.2"))[0] == 204
        clock.now += 15
        status, headers = await ask(app, "/api/v1/x")
        assert status == 429
        wait = int(headers[b"retry-after"])
        await live.publish(live.current.replace(RATE_LIMITS="3/minute"))
        assert await statuses("/api/v1/x", 2) == [204, 429]
        await live.publish(live.current.replace(RATE_LIMIT_ENABLED=False))
        assert await statuses("/api/v1/x", 9) == [204] * 9
        await live.publish(live.current.replace(RATE_LIMIT_ENABLED=True, RATE_LIMITS="2/minute"))
        clock.now += wait + 60
        assert (await ask(app, "/api/v1/x"))[0] == 204
        await live.publish(live.current.replace(RATE_LIMIT_ALGORITHM="token_bucket"))
        assert await statuses("/api/v1/x", 4) == [204, 204, 204, 429]


@pytest.mark.anyio
async def test_a_rule_that_nobody_can_read_is_vetoed() -> None:
    async with held(settings()) as live:
        live.prepare(readable, "RATE_LIMITS")
        with pytest.raises(Rejected, match="100/fortnight"):
            await live.publish(live.current.replace(RATE_LIMITS="100/fortnight"))
        assert live.current.RATE_LIMITS == "100/minute"


def test_the_hook_looks_at_the_candidate() -> None:
    readable(Change(settings(), settings(RATE_LIMITS="5/second"), frozenset({"RATE_LIMITS"}), 2))
