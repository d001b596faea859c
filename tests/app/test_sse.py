"""One open stream: signs of life, its ends, and a client that takes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from integr8scode import sse
from integr8scode.fanout import PIECE, Fanout
from integr8scode.sse import CUT_OFF, EventStream

pytestmark = pytest.mark.anyio
CLUSTER = "cluster"


class Browser:
    """What stands at the other end."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.gone = anyio.Event()
        self.stuck = False
        self._came = anyio.Event()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.stuck:
            await anyio.sleep_forever()
        self.messages.append(message)
        self._came.set()

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.messages).decode()

    async def until(self, text: str, times: int = 1) -> None:
        with anyio.fail_after(10):
            while self.text.count(text) < times:
                self._came = anyio.Event()
                await self._came.wait()


class Stream:
    heartbeat = 3600.0

    def __init__(self) -> None:
        self.fanout = Fanout()
        self.fanout.begin(CLUSTER, {0: 0})
        self.browser = Browser()
        self.done = anyio.Event()
        self.cut_off = anyio.Event()

    async def run(self) -> None:
        response = EventStream(self.fanout, lambda: self.heartbeat)
        scope = {"type": "http", "extensions": {CUT_OFF: self.cut_off.set}}
        await response(scope, self.browser.receive, self.browser.send)
        self.done.set()

    def publish(self, value: bytes) -> None:
        self.fanout.publish(CLUSTER, 0, self.fanout.positions[0], value)
        self.fanout.wake()


@asynccontextmanager
async def opened() -> AsyncIterator[Stream]:
    stream = Stream()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        await stream.browser.until("retry: ")
        yield stream
        with anyio.fail_after(10):
            await stream.done.wait()
    assert stream.fanout.clients == 0


async def test_events_arrive_as_they_come() -> None:
    async with opened() as stream:
        stream.publish(b"one")
        await stream.browser.until("id: 0:1\ndata: one\n\n")
        stream.publish(b"two")
        await stream.browser.until("id: 0:2\ndata: two\n\n")
        stream.browser.gone.set()
    start = stream.browser.messages[0]
    headers = dict(start["headers"])
    assert start["status"] == 200
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-store"
    assert b"content-length" not in headers


async def test_the_end_of_the_server_is_the_end_of_the_stream() -> None:
    async with opened() as stream:
        stream.fanout.close()
    assert stream.browser.text.endswith(": the server is stopping; connect again\n\n")
    assert stream.browser.messages[-1]["more_body"] is False


async def test_a_new_heartbeat_counts_for_a_stream_that_is_open() -> None:
    async with opened() as stream:
        await stream.browser.until("event: heartbeat\ndata: 3600.0\n\n")
        stream.heartbeat = 0.01
        stream.fanout.wake()
        await stream.browser.until("event: heartbeat\ndata: 0.01\n\n", times=3)
        stream.heartbeat = 3600
        stream.fanout.wake()
        await stream.browser.until("event: heartbeat\ndata: 3600\n\n")
        await anyio.wait_all_tasks_blocked()
        stream.publish(b"after it")
        await stream.browser.until("after it")
        assert stream.browser.text.count("data: 3600\n") == 1
        assert stream.browser.text.endswith("data: 3600\n\nid: 0:1\ndata: after it\n\n")
        stream.browser.gone.set()


async def test_a_stream_that_is_busy_needs_no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    now = anyio.current_time()
    monkeypatch.setattr(anyio, "current_time", lambda: now)
    async with opened() as stream:
        for number in range(10):
            now += 3000
            stream.publish(str(number).encode())
            await stream.browser.until(f"data: {number}\n")
        stream.browser.gone.set()
    assert stream.browser.text.count("event: heartbeat") == 1, "the one that tells the interval"


async def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "STUCK", 0.05)
    async with opened() as stream:
        stream.browser.stuck = True
        stream.publish(b"never taken")
    assert stream.browser.messages[-1]["more_body"] is True, "the response has not ended"
    assert stream.cut_off.is_set()


async def test_what_is_large_is_written_in_pieces() -> None:
    large = b"x" * (3 * PIECE)
    async with opened() as stream:
        stream.publish(large)
        stream.publish(b"small")
        await stream.browser.until("small")
        stream.fanout.close()
    bodies = [message["body"] for message in stream.browser.messages[1:]]
    assert max(map(len, bodies)) <= PIECE
    assert b"data: %b\n\n" % large in b"".join(bodies)
    assert [message["more_body"] for message in stream.browser.messages[1:]].count(False) == 1
    assert not stream.cut_off.is_set()
