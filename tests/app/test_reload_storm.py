"""The API under load while its settings change all the time, beside the same load while they do not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import NamedTuple

import pytest
from support.api_server import ApiServer, api_server

CONNECTIONS = 8
REQUESTS = 1000
"""On each connection."""
PAUSE = 0.01
"""Seconds between two edits."""
LIMITS = b"GET /api/v1/k8s-limits HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Load(NamedTuple):
    latencies: list[float]
    seconds: float
    seen: set[int]

    def percentile(self, percent: int) -> float:
        """In milliseconds."""
        return quantiles(self.latencies, n=100)[percent - 1] * 1000

    def __str__(self) -> str:
        p50, p99 = self.percentile(50), self.percentile(99)
        return f"{len(self.latencies) / self.seconds:.0f} requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms"


async def one_connection(port: int, latencies: list[float], seen: set[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(REQUESTS):
        began = perf_counter()
        writer.write(LIMITS)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        latencies.append(perf_counter() - began)
        assert head.startswith(b"HTTP/1.1 200 "), head
        limits = json.loads(body)
        assert limits["cpu_limit"] == f"{limits['execution_timeout']}m", "two keys of one edit are seen together"
        seen.add(limits["execution_timeout"])
    writer.close()
    await writer.wait_closed()


async def load(port: int) -> Load:
    latencies: list[float] = []
    seen: set[int] = set()
    began = perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(one_connection(port, latencies, seen))
    return Load(latencies, perf_counter() - began, seen)


async def storm(server: ApiServer) -> None:
    """Edit after edit, each fourth of them wrong."""
    number = 1000
    while True:
        number += 1
        if number % 4:
            server.edit(
                K8S_POD_EXECUTION_TIMEOUT=number, K8S_POD_CPU_LIMIT=f"{number}m", RATE_LIMITS=f"{number}00/second"
            )
        else:
            server.break_it("K8S_POD_CPU_LIMIT = [")
        await asyncio.sleep(PAUSE)


@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_no_request_fails_in_a_storm_of_reloads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {
        "K8S_POD_EXECUTION_TIMEOUT": 1000,
        "K8S_POD_CPU_LIMIT": "1000m",
        "RATE_LIMITS": "1000000/second",
        "LOG_LEVEL": "CRITICAL",
    }
    with api_server(tmp_path, config) as server:
        await load(server.port)  # both runs find the server warm
        quiet = await load(server.port)
        before = server.health()
        edits = asyncio.ensure_future(storm(server))
        stormy = await load(server.port)
        edits.cancel()
        server.edit(LOG_LEVEL="ERROR")
        after = server.wait_for(lambda now: now["status"] == "ok")
    assert quiet.seen == {1000}
    assert len(quiet.latencies) == len(stormy.latencies) == CONNECTIONS * REQUESTS
    generations = after["generation"] - before["generation"]
    assert generations > 10
    assert len(stormy.seen) > 10, "requests have seen the settings change"
    with capsys.disabled():
        print(
            f"\nquiet: {quiet}\nstorm: {stormy}; {generations} generations in {stormy.seconds:.1f} s\n"
            f"ratio: p50 {stormy.percentile(50) / quiet.percentile(50):.2f}, p99 {stormy.percentile(99) / quiet.percentile(99):.2f}"
        )
