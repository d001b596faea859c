"""The dependency, in a real FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, WebSocket

from hotsettings import BaseSettings, Secret
from hotsettings.integrations.asgi import ASGIApp, Message, PinnedSettings
from hotsettings.integrations.fastapi import pinned
from hotsettings.testing import live

pytestmark = pytest.mark.anyio


class Settings(BaseSettings):
    A: int = 0
    KEY: Secret[str] = "never-to-be-seen"


class Others(BaseSettings):
    B: int = 0


Pinned = Annotated[Settings, Depends(pinned(Settings))]


def further(settings: Pinned) -> int:
    return settings.A


api = FastAPI()


@api.get("/whole")
async def whole(settings: Pinned, other: Annotated[int, Depends(further)]) -> list[int]:
    await api.state.live.publish(Settings.from_values(A=settings.A + 1))
    return [settings.A, other]


@api.get("/thread")
def in_a_thread(settings: Pinned) -> int:
    return settings.A


@api.get("/other")
async def other(settings: Annotated[Others, Depends(pinned(Others))]) -> int:
    return settings.B


@api.websocket("/socket")
async def socket(websocket: WebSocket, settings: Pinned) -> None:
    await websocket.accept()
    await api.state.live.publish(Settings.from_values(A=settings.A + 1))
    await websocket.send_text(str(settings.A))
    await websocket.close()


@asynccontextmanager
async def client(app: ASGIApp) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        yield http


@asynccontextmanager
async def served() -> AsyncGenerator[httpx.AsyncClient, None]:
    async with live(Settings.from_values(A=1)) as api.state.live:
        async with client(PinnedSettings(api, api.state.live)) as http:
            yield http


async def test_a_request_sees_one_snapshot_in_all_its_dependencies() -> None:
    async with served() as http:
        assert (await http.get("/whole")).json() == [1, 1]
        assert (await http.get("/whole")).json() == [2, 2]
        assert (await http.get("/thread")).json() == 3


async def test_a_websocket_does_too() -> None:
    sent: list[Message] = []
    incoming: list[Message] = [{"type": "websocket.connect"}]

    async def receive() -> Message:
        return incoming.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/socket", "headers": [], "query_string": b"", "subprotocols": []}
    async with live(Settings.from_values(A=1)) as api.state.live:
        await PinnedSettings(api, api.state.live)(scope, receive, send)
    assert [message.get("text") for message in sent if message["type"] == "websocket.send"] == ["1"]


async def test_it_is_documented_as_no_parameter_of_the_request() -> None:
    async with served() as http:
        document = await http.get("/openapi.json")
    operation = document.json()["paths"]["/thread"]["get"]
    assert not {"parameters", "requestBody"} & set(operation)
    assert "never-to-be-seen" not in document.text


async def test_tests_can_replace_it() -> None:
    assert pinned(Settings) is pinned(Settings)
    api.dependency_overrides[pinned(Settings)] = lambda: Settings.from_values(A=99)
    try:
        async with client(api) as http:
            assert (await http.get("/thread")).json() == 99
    finally:
        api.dependency_overrides.clear()


async def test_without_the_middleware_the_error_says_so() -> None:
    async with client(api) as http:
        with pytest.raises(LookupError, match=r"wrap the application in PinnedSettings\(app, live\)"):
            await http.get("/thread")


async def test_another_class_is_asked_for() -> None:
    async with served() as http:
        with pytest.raises(LookupError, match="no settings of class Others are pinned"):
            await http.get("/other")
