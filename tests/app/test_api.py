"""The HTTP API, asked in the process that it runs in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from hotsettings import Rejected
from hotsettings.integrations.asgi import settings_of
from hotsettings.testing import live as held
from hotsettings.testing.in_memory import InMemoryLive
from integr8scode.api import MOST_BYTES, Api, application
from integr8scode.fanout import Fanout
from integr8scode.publisher import publisher
from integr8scode.rate_limits import Counters
from integr8scode.settings import Settings
from integr8scode.streams import event_streams

pytestmark = pytest.mark.anyio
SECRETS = {
    "SECRET_KEY": "a-secret-key-that-no-output-may-show",
    "MONGODB_URL": "mongodb://user:hidden-password@mongo/db",
}
EVENT = {"execution_id": "e-1", "kind": "execution.started"}


class Running:
    def __init__(self, live: InMemoryLive[Settings], fanout: Fanout, client: httpx.AsyncClient) -> None:
        self.live = live
        self.fanout = fanout
        self.client = client

    async def set(self, **values: object) -> None:
        await self.live.publish(self.live.current.replace(**values))

    async def get(self, path: str) -> Any:
        response = await self.client.get(path)
        assert response.status_code == 200, response.text
        return response.json()


@asynccontextmanager
async def running(kind: type[Api] = Api, **values: object) -> AsyncIterator[Running]:
    fanout = Fanout()
    async with held(Settings.from_values(**SECRETS, **values)) as live:
        async with event_streams(live, fanout) as pool, publisher(live) as producer:
            transport = httpx.ASGITransport(application(kind(live, fanout, pool, producer), Counters()))
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                yield Running(live, fanout, client)


async def test_what_scripts_may_use() -> None:
    async with running(K8S_POD_CPU_LIMIT="750m") as api:
        limits = await api.get("/api/v1/k8s-limits")
        assert limits["cpu_limit"] == "750m"
        assert limits["supported_runtimes"]["go"] == {"versions": ["1.20", "1.21", "1.22"], "file_ext": "go"}
        await api.set(K8S_POD_CPU_LIMIT="500m", K8S_POD_EXECUTION_TIMEOUT=9)
        limits = await api.get("/api/v1/k8s-limits")
        assert (limits["cpu_limit"], limits["execution_timeout"]) == ("500m", 9)
        assert "python" in (await api.get("/api/v1/example-scripts"))["scripts"]


class Slow(Api):
    """Has a handler in whose middle the settings are changed."""

    def routes(self, prefix: str) -> list[BaseRoute]:
        return [*super().routes(prefix), Route("/slow", self.slow)]

    async def slow(self, request: Request) -> Response:
        before = settings_of(request.scope, Settings).BCRYPT_ROUNDS
        assert isinstance(self.live, InMemoryLive)
        await self.live.publish(self.live.current.replace(BCRYPT_ROUNDS=before + 1))
        after = settings_of(request.scope, Settings).BCRYPT_ROUNDS
        return JSONResponse([before, after, self.live.current.BCRYPT_ROUNDS])


async def test_a_reload_in_the_middle_of_a_request_does_not_show() -> None:
    async with running(Slow) as api:
        assert await api.get("/slow") == [12, 12, 13]
        assert await api.get("/slow") == [13, 13, 14]


def refuse(_: object) -> None:
    raise ValueError("not now")


async def test_health_is_200_and_degraded_while_the_last_reload_was_rejected() -> None:
    async with running() as api:
        assert (await api.get("/health"))["status"] == "ok"
        veto = api.live.prepare(refuse, "LOG_LEVEL")
        with pytest.raises(Rejected):
            await api.set(LOG_LEVEL="INFO")
        health = await api.get("/health")
        assert health == {"status": "degraded", "generation": 1, "layers": []}, "and no word of why"
        veto.cancel()
        await api.set(LOG_LEVEL="INFO", SERVER_PORT=8443)
        health = await api.get("/health")
        assert health == {"status": "ok", "generation": 2, "layers": []}


async def test_no_secret_in_any_answer() -> None:
    async with running() as api:

        def quotes(change: Any) -> None:
            raise ConnectionError(f"cannot reach {change.new.MONGODB_URL} with {change.old.SECRET_KEY}")

        api.live.prepare(quotes, "MONGODB_URL")
        with pytest.raises(Rejected):
            await api.set(MONGODB_URL="mongodb://user:another-hidden-password@mongo/db")
        for path in ("/health", "/metrics", "/api/v1/k8s-limits", "/events", "/nothing"):
            text = (await api.client.get(path)).text
            assert "hidden-password" not in text
            assert "a-secret-key" not in text
        assert "cannot reach" in str(api.live.status.last_error)


async def test_metrics() -> None:
    async with running() as api:
        text = (await api.client.get("/metrics")).text
        assert "\nsse_clients 0.0\n" in text
        assert "\nhotsettings_generation 1.0\n" in text
        with api.fanout.subscribe("?") as subscription:
            subscription.take()
            await api.set(LOG_LEVEL="INFO")
            text = (await api.client.get("/metrics")).text
        assert "\nsse_clients 1.0\n" in text
        assert "\nsse_gaps_total 1.0\n" in text
        assert "\nhotsettings_generation 2.0\n" in text


async def test_requests_are_limited_but_probes_are_not() -> None:
    async with running(RATE_LIMITS="1/minute") as api:
        await api.get("/api/v1/k8s-limits")
        refused = await api.client.get("/api/v1/k8s-limits")
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 120
        for _ in range(200):
            await api.get("/health")
        await api.set(RATE_LIMITS="2/minute")
        await api.get("/api/v1/k8s-limits")


async def test_while_streaming_is_off_it_says_so() -> None:
    async with running() as api:
        for refused in (await api.client.get("/events"), await api.client.post("/api/v1/events", json=EVENT)):
            assert refused.status_code == 503
            assert "ENABLE_EVENT_STREAMING" in refused.json()["detail"]
            assert refused.headers["Retry-After"] == "30"


async def test_an_event_that_is_posted_reaches_the_streams(brokers: str, unique: str) -> None:
    values: dict[str, Any] = {
        "KAFKA_BOOTSTRAP_SERVERS": brokers,
        "KAFKA_TOPIC_PREFIX": unique,
        "ENABLE_EVENT_STREAMING": True,
    }
    async with running(**values) as api:
        with api.fanout.subscribe() as subscription:
            posted = await api.client.post("/api/v1/events", json=EVENT)
            assert posted.status_code == 202, posted.text
            frames: list[bytes] = []
            with anyio.fail_after(30):
                while not frames:
                    await subscription.news()
                    frames = subscription.take()
        place = posted.json()
        assert b'"execution_id":"e-1","kind":"execution.started"' in frames[0]
        assert f"{place['partition']}:{place['offset'] + 1}".encode() in frames[0].splitlines()[0]


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"{", 422, "truncated"),
        (b"\xff", 422, "invalid"),
        (b'{"execution_id": "", "kind": "a"}', 422, "$.execution_id"),
        (b'{"execution_id": "a", "kind": "a", "more": 1}', 422, "more"),
        (b"[" * 60_000, 422, "array"),
        (b'{"more": ' + b"[" * 60_000, 422, "more"),
        (b" " * (MOST_BYTES + 1), 413, "bytes"),
    ],
)
async def test_what_is_no_event_is_refused(body: bytes, status: int, detail: str) -> None:
    async with running() as api:
        refused = await api.client.post("/api/v1/events", content=body)
        assert (refused.status_code, detail in refused.text) == (status, True), refused.text
