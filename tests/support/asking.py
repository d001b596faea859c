"""Asking an ASGI application, without a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from msgspec import Struct, field

from hotsettings.integrations.page.asgi import ASGIApp, Message


class Answer(Struct):
    """What has come back so far."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False

    @property
    def text(self) -> str:
        return self.body.decode()


def scope_of(path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", **more}


async def ask(app: ASGIApp, path: str = "/", method: str = "GET", **more: Any) -> Answer:
    """One whole answer."""
    async with asking(app, path, method, **more) as (answer, _):
        with anyio.fail_after(60):
            while not answer.ended:  # noqa: ASYNC110 - a client has nothing but what it gets
                await anyio.sleep(0.001)
    return answer


@asynccontextmanager
async def asking(
    app: ASGIApp, path: str = "/", method: str = "GET", **more: Any
) -> AsyncGenerator[tuple[Answer, anyio.Event], None]:
    """An answer that may go on; the client leaves at the end, or when the event is set. The application has to end then."""
    answer, leaves, began = Answer(), anyio.Event(), False

    async def receive() -> Message:
        nonlocal began
        if not began:
            began = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        await checkpoint()
        if message["type"] == "http.response.start":
            assert not answer.status
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            assert answer.status
            assert not answer.ended
            answer.body += message["body"]
            answer.ended = not message.get("more_body", False)

    async def run() -> None:
        await app(scope_of(path, method, **more), receive, send)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            yield answer, leaves
            leaves.set()


async def until_told(answer: Answer, times: int = 1) -> None:
    """Wait for so many messages of a stream."""
    with anyio.fail_after(60):
        while answer.body.count(b"data: ") < times:  # noqa: ASYNC110 - a client has nothing but what it gets
            await anyio.sleep(0.001)
