"""One snapshot for the whole of a request, on every loop; a real Starlette and a real server too."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp as StarletteApp

from hotsettings import BaseSettings, Live, Secret
from hotsettings.integrations.asgi import (
    ASGIApp,
    Message,
    PinnedSettings,
    Receive,
    Scope,
    Send,
    settings_of,
    snapshot_of,
)
from hotsettings.testing import Workspace, live

pytestmark = pytest.mark.anyio


class Settings(BaseSettings):
    A: int = 0
    KEY: Secret[str] = "never-to-be-seen"


class Others(BaseSettings):
    B: int = 0


def at(a: int) -> Settings:
    return Settings.from_values(A=a)


async def receive() -> Message:
    raise AssertionError("nobody asks")


async def send(message: Message) -> None:
    raise AssertionError("nobody answers")


def scope_of(kind: str = "http") -> Scope:
    return {"type": kind}


class Seeing:
    """An application that notes what it was called with."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)


async def seen(wrap: Any, scope: Scope) -> Scope:
    app = Seeing()
    await wrap(app)(scope, receive, send)
    return app.scopes[-1]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_change_in_the_middle_does_not_show(kind: str) -> None:
    results: list[tuple[int, int, int]] = []
    async with live(at(1)) as held:

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            before = settings_of(scope, Settings).A
            await held.publish(at(2))
            results.append((before, settings_of(scope, Settings).A, held.current.A))

        wrapped = PinnedSettings(app, held)
        await wrapped(scope_of(kind), receive, send)
        await wrapped(scope_of(kind), receive, send)
    assert results == [(1, 1, 2), (2, 2, 2)]


async def test_requests_side_by_side_have_each_their_own() -> None:
    meet, results = anyio.Event(), dict[str, tuple[int, int]]()
    async with live(at(1)) as held:

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await meet.wait()
            results[scope["path"]] = settings_of(scope).A, snapshot_of(scope).generation

        wrapped = PinnedSettings(app, held)
        async with anyio.create_task_group() as tasks:
            for number in range(1, 6):
                tasks.start_soon(wrapped, {"type": "http", "path": str(number)}, receive, send)
                await anyio.wait_all_tasks_blocked()
                await held.publish(at(number + 1))
            meet.set()
    assert results == {str(number): (number, number) for number in range(1, 6)}


async def test_the_scope_of_the_caller_is_left_alone_and_the_rest_handed_on() -> None:
    async with live(at(1)) as held:
        scope = {"type": "http", "path": "/x", "state": {}}
        inside = await seen(lambda app: PinnedSettings(app, held), scope)
    assert set(scope) == {"type", "path", "state"}
    assert inside["path"] == "/x"
    assert inside["state"] is scope["state"]


@pytest.mark.parametrize("kind", ["lifespan", "something.new"])
async def test_nothing_else_is_touched(kind: str) -> None:
    async with live(at(1)) as held:
        scope = scope_of(kind)
        assert await seen(lambda app: PinnedSettings(app, held), scope) is scope
    with pytest.raises(LookupError, match=rf"no settings are pinned to this {kind} scope"):
        settings_of(scope)


async def test_without_the_middleware_the_error_says_so() -> None:
    with pytest.raises(LookupError) as raised:
        settings_of(scope_of())
    assert str(raised.value) == (
        "no settings are pinned to this http scope: wrap the application in PinnedSettings(app, live)"
    )
    with pytest.raises(LookupError, match="wrap the application"):
        snapshot_of(scope_of(), Settings)


async def test_another_class_is_asked_for() -> None:
    async with live(at(1)) as held:
        scope = await seen(lambda app: PinnedSettings(app, held), scope_of())
    with pytest.raises(LookupError) as raised:
        settings_of(scope, Others)
    assert str(raised.value) == "no settings of class Others are pinned to this http scope, only Settings"


async def test_nested_ones_agree() -> None:
    """A mounted application may bring the middleware along; one request has one snapshot all the same."""
    async with live(at(1)) as held:

        def between(app: ASGIApp) -> ASGIApp:
            async def changing(scope: Scope, receive: Receive, send: Send) -> None:
                await held.publish(at(2))
                await app(scope, receive, send)

            return changing

        scope = await seen(lambda app: PinnedSettings(between(PinnedSettings(app, held)), held), scope_of())
        assert settings_of(scope).A == 1


async def test_several_kinds_of_settings() -> None:
    async with live(at(1)) as held, live(Others.from_values(B=7)) as others:
        scope = await seen(lambda app: PinnedSettings(PinnedSettings(app, others), held), scope_of())
        assert settings_of(scope, Settings).A == 1
        assert settings_of(scope, Others).B == 7
        assert settings_of(scope) is others.current, "the innermost, where none is named"
        again = await seen(lambda app: PinnedSettings(app, held), scope)
        assert settings_of(again) is held.current
        assert settings_of(again, Others) is others.current


async def test_nothing_that_is_shown_tells_a_secret() -> None:
    async with live(at(1)) as held:
        scope = await seen(lambda app: PinnedSettings(app, held), scope_of())
        with pytest.raises(LookupError) as raised:
            settings_of(scope, Others)
    assert "never-to-be-seen" not in repr(scope) + str(raised.value)
    assert settings_of(scope).KEY == "never-to-be-seen"


class Served:
    """A Starlette application with routes in which the settings change half-way."""

    def __init__(self) -> None:
        self.live: Any = None
        self.afterwards: list[int] = []

    async def whole(self, request: Request) -> Response:
        before = settings_of(request.scope, Settings).A
        await self.live.publish(at(before + 1))
        after = settings_of(request.scope, Settings).A

        async def background() -> None:
            self.afterwards.append(settings_of(request.scope, Settings).A)

        return PlainTextResponse(f"{before} {after}", background=BackgroundTask(background))

    async def stream(self, request: Request) -> Response:
        async def parts() -> AsyncGenerator[str, None]:
            yield f"{settings_of(request.scope, Settings).A} "
            await self.live.publish(at(self.live.current.A + 1))
            yield f"{settings_of(request.scope, Settings).A} "

        return StreamingResponse(parts())

    def in_a_thread(self, request: Request) -> Response:
        return PlainTextResponse(str(settings_of(request.scope, Settings).A))

    def routes(self) -> list[Any]:
        inner = [Route("/whole", self.whole), Route("/stream", self.stream), Route("/thread", self.in_a_thread)]
        return [*inner, Mount("/below", Starlette(routes=inner))]


def client(app: StarletteApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_starlette() -> None:
    served = Served()
    async with live(at(1)) as served.live:
        app = Starlette(routes=served.routes())
        app.add_middleware(PinnedSettings, live=served.live)
        async with client(app) as http:
            assert (await http.get("/whole")).text == "1 1"
            assert served.afterwards == [1], "background tasks belong to the request"
            assert (await http.get("/thread")).text == "2"
            assert (await http.get("/below/whole")).text == "2 2"
            assert (await http.get("/stream")).text == "3 3 "
        assert served.live.current.A == 4


async def test_live_that_is_opened_in_the_lifespan() -> None:
    served = Served()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
        async with live(at(5)) as app.state.live:
            served.live = app.state.live
            yield

    app = Starlette(routes=served.routes(), lifespan=lifespan)
    app.add_middleware(PinnedSettings, live=lambda: app.state.live)
    async with app.router.lifespan_context(app), client(app) as http:
        assert (await http.get("/whole")).text == "5 5"
        assert (await http.get("/thread")).text == "6"


@asynccontextmanager
async def serving(app: StarletteApp) -> AsyncGenerator[str, None]:
    """A real server on the loopback address."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"))
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]  # they are pytest's
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listening])
            try:
                yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            finally:
                server.should_exit = True


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_real_server_and_real_files(settings_workspace: Workspace) -> None:
    """A request that begins before an edit and ends after it has been told of one state; the next one of the other."""
    settings_workspace.write({"A": 1})
    began = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        values = [settings_of(scope, Settings).A]
        if scope["path"] == "/waits":
            changes = watched.changes("A")
            began.set()
            values.append((await anext(changes)).new.A)
            values.append(settings_of(scope, Settings).A)
        await PlainTextResponse(repr(values))(scope, receive, send)

    answers: list[str] = []
    async with Settings.watch(**settings_workspace.paths) as watched:
        _: Live[Settings] = watched
        async with serving(PinnedSettings(app, watched)) as url, httpx.AsyncClient(base_url=url) as http:

            async def ask() -> None:
                answers.append((await http.get("/waits")).text)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await began.wait()
                settings_workspace.write({"A": 2})
            answers.append((await http.get("/")).text)
    assert answers == ["[1, 2, 1]", "[2]"]
