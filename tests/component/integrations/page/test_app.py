"""Who may see the page, what is answered to whom, and how streams begin and end."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import re
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from support.asking import Answer, ask, asking, scope_of, until_told
from support.live import idle

from hotsettings import BaseSettings
from hotsettings.integrations.asgi import ASGIApp
from hotsettings.integrations.page import app as page_app
from hotsettings.integrations.page import settings_page
from hotsettings.integrations.page.render import content
from hotsettings.testing import live

pytestmark = pytest.mark.anyio


class Settings(BaseSettings):
    A: int = 0


def everybody(_: Any) -> bool:
    return True


async def test_it_is_not_made_without_authorize() -> None:
    async with live(Settings.from_values()) as held:
        for wrong in ({}, {"authorize": None}, {"authorize": True}):
            with pytest.raises(TypeError, match=r"needs authorize=.*loopback address"):
                settings_page(held, **wrong)


async def nobody_later(_: Any) -> bool:
    await anyio.lowlevel.checkpoint()
    return False


@pytest.mark.parametrize(
    "authorize",
    [lambda _: False, nobody_later, lambda _: None, lambda _: "admin", lambda _: 1],
    ids=["False", "async", "None", "a name", "1"],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("HEAD", "/"), ("GET", "/events"), ("POST", "/x"), ("GET", "")]
)
async def test_whoever_is_not_allowed_sees_nothing(
    authorize: Callable[[Any], bool | Awaitable[bool]], method: str, path: str
) -> None:
    async with live(Settings.from_values()) as held:
        answer = await ask(settings_page(held, authorize=authorize), path, method)
    assert answer.status == 403
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body == (b"" if method == "HEAD" else b"Forbidden\n")


async def test_authorize_gets_the_scope_and_may_be_async() -> None:
    async def with_a_token(scope: Any) -> bool:
        await anyio.lowlevel.checkpoint()
        return bool(scope["query_string"] == b"token=right")

    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=with_a_token)
        assert (await ask(app, query_string=b"token=right")).status == 200
        assert (await ask(app, query_string=b"token=wrong")).status == 403


async def test_what_authorize_raises_is_the_applications() -> None:
    def log_in(_: Any) -> bool:
        raise HTTPException(401, headers={"www-authenticate": "Basic"})

    async with live(Settings.from_values()) as held:
        app = Starlette(routes=[Mount("/settings", settings_page(held, authorize=log_in))])
        answer = await ask(app, "/settings/")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Basic")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/", "GET", 200), ("/x", "GET", 404), ("", "GET", 307), ("/", "POST", 405), ("/events", "HEAD", 200)],
)
async def test_every_answer_is_locked_down(path: str, method: str, status: int) -> None:
    async with live(Settings.from_values()) as held:
        answer = await ask(settings_page(held, authorize=everybody), path, method)
    assert answer.status == status
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"


async def test_only_its_own_script_and_style_may_run() -> None:
    async with live(Settings.from_values()) as held:
        answer = await ask(settings_page(held, authorize=everybody))
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        (source,) = re.findall(f"<{element}>(.*?)</{element}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in answer.headers["content-security-policy"]
    outside = re.findall(r"""(?:src|href|action)=["']?([^"'\s>]+)""", answer.text.partition("<script>")[0])
    assert set(outside) == {"data:,", "#settings"}


async def test_methods_and_paths() -> None:
    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        whole = await ask(app)
        assert whole.headers["content-length"] == str(len(whole.body))
        head = await ask(app, method="HEAD")
        assert (head.body, {**head.headers}) == (b"", whole.headers)
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = await ask(app, method=method)
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        for path in ("/x", "/events/", "//", "/../", "/index.html"):
            assert (await ask(app, path)).status == 404


@pytest.mark.parametrize(
    ("path", "root_path", "status"),
    [
        ("/admin/settings/", "/admin/settings", 200),  # the whole path, as Starlette has it
        ("/", "/admin/settings", 200),  # the path below the mount, as others have it
        ("/admin/settings/", "/admin/settings/", 200),
        ("/admin/settings/x", "/admin/settings", 404),
        ("/admin/settings", "/admin/settings", 307),
        ("/admin/settingsx/", "/admin/settings", 404),
    ],
)
async def test_wherever_it_is_mounted(path: str, root_path: str, status: int) -> None:
    async with live(Settings.from_values()) as held:
        answer = await ask(settings_page(held, authorize=everybody), path, root_path=root_path)
    assert answer.status == status
    if status == 307:
        assert answer.headers["location"] == "./settings/"  # relative: a proxy may have cut something off before


@pytest.mark.parametrize("path", ["/proxy/admin/settings/", "/admin/settings/"])
async def test_behind_a_proxy_that_cuts_its_prefix_off_or_not(path: str) -> None:
    async with live(Settings.from_values()) as held:
        app = Starlette(routes=[Mount("/admin/settings", settings_page(held, authorize=everybody))])
        assert (await ask(app, path, root_path="/proxy")).status == 200
        assert (await ask(app, path + "x", root_path="/proxy")).status == 404


async def test_a_redirect_leads_nowhere_else() -> None:
    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        for name in ("javascript:alert(1)", "évil\r\nset-cookie: x", "..\\evil"):
            answer = await ask(app, f"/{name}", root_path=f"/{name}")
            assert re.fullmatch(r"\./[\w%.~-]+/", answer.headers["location"], re.ASCII)


async def test_websockets_are_refused_and_lifespans_left_to_the_application() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        await app({**scope_of(), "type": "websocket"}, receive, send)
        assert [message["type"] for message in sent] == ["websocket.close"]
        with pytest.raises(ValueError, match="answers http, not lifespan"):
            await app({"type": "lifespan"}, receive, send)


async def test_a_stream_tells_that_there_is_something_else_to_see() -> None:
    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        version = version_in((await ask(app)).text)
        async with asking(app, "/events", query_string=f"since={version}".encode()) as (answer, _):
            await idle()
            await held.publish(Settings.from_values(A=1))
            await until_told(answer)
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            (told,) = re.findall(r"^id: (\S+)\ndata: \1\n\n", answer.text, re.MULTILINE)
            page = await ask(app)
            assert version_in(page.text) == told != version
            assert "Generation 2" in page.text


async def test_whoever_comes_back_is_told_what_was_missed_and_nothing_else() -> None:
    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        before = version_in((await ask(app)).text)
        await held.publish(Settings.from_values(A=1))
        await idle()
        seen: list[bytes] = []
        for headers in ([(b"last-event-id", before.encode())], [(b"Last-Event-ID", b"other-1")]):
            async with asking(app, "/events", headers=headers) as (answer, _):
                await until_told(answer)
                seen.append(answer.body)
        assert seen[0].startswith(b"retry: ")
        now = version_in((await ask(app)).text)
        async with asking(app, "/events", headers=[(b"last-event-id", now.encode())]) as (answer, _):
            await idle()
            await held.publish(Settings.from_values(A=2))
            await until_told(answer)
        assert answer.body.count(b"data: ") == 1


async def test_streams_end_with_the_watching_and_the_page_too() -> None:
    answers: list[Answer] = []

    async def look(app: ASGIApp) -> None:
        answers.append(await ask(app, "/events"))

    async with anyio.create_task_group() as tasks:
        async with live(Settings.from_values()) as held:
            app = settings_page(held, authorize=everybody)
            for _ in range(3):
                tasks.start_soon(look, app)
            await idle()
            assert not answers
    assert [answer.ended for answer in answers] == [True] * 3
    for path in ("/", "/events"):
        assert (await ask(app, path)).status == 503


async def test_a_stream_ends_when_the_client_leaves() -> None:
    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        async with asking(app, "/events") as (answer, leaves):
            await until_told(answer)
            leaves.set()
        assert not answer.ended  # there is nobody to tell


async def test_a_client_that_leaves_in_the_middle_of_a_message() -> None:
    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("it is gone")

    async def receive() -> Any:
        await anyio.sleep_forever()

    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        with anyio.fail_after(10):
            await app(scope_of("/events"), receive, send)


async def test_a_stream_that_a_scope_cancels_is_cancelled() -> None:
    bodies: list[bytes] = []
    ended = False

    async def send(message: Any) -> None:
        bodies.append(message.get("body", b""))

    async def receive() -> Any:
        await anyio.sleep_forever()

    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        with anyio.fail_after(10), anyio.CancelScope() as scope:
            held.on_change(lambda _: scope.cancel())
            await idle()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(held.publish, Settings.from_values(A=1))
                await app(scope_of("/events"), receive, send)
                ended = True
    assert scope.cancelled_caught
    assert not ended
    assert bodies[-1] != b""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_server_that_waits_no_longer_has_nothing_to_complain_of(caplog: pytest.LogCaptureFixture) -> None:
    """Uvicorn cancels the tasks of what is still open, and logs what they raise or leave undone."""
    async with live(Settings.from_values()) as held:
        app = Starlette(routes=[Mount("/settings", settings_page(held, authorize=everybody))])
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
            config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=1)
            server = uvicorn.Server(config)
            server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]  # they are pytest's
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/settings/events"
            with anyio.fail_after(15):
                async with anyio.create_task_group() as tasks, httpx.AsyncClient() as http:
                    tasks.start_soon(server.serve, [listening])
                    async with http.stream("GET", url) as stream:
                        parts = stream.aiter_bytes()
                        assert (await anext(parts)).startswith(b"retry: ")
                        server.should_exit = True
                        async for _ in parts:  # raises if it is cut, instead of ended
                            pass
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert errors == ["Cancel 1 running task(s), timeout graceful shutdown exceeded"]


async def test_a_silent_stream_shows_that_it_is_there_and_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_app, "HEARTBEAT", 0.01)
    monkeypatch.setattr(page_app, "STREAM_LASTS", 0.1)
    async with live(Settings.from_values()) as held:
        answer = await ask(settings_page(held, authorize=everybody), "/events")
    assert answer.body.count(b"\n:\n") + answer.body.count(b":\n\n") >= 2
    assert answer.body.count(b"data: ") == 1


async def test_it_is_written_once_for_all_who_look(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []

    def counted(*parts: Any) -> Any:
        written.append(parts)
        return content(*parts)

    monkeypatch.setattr(page_app, "content", counted)
    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        await held.publish(Settings.from_values(A=1))
        await idle()
        assert written == []  # nobody has looked
        assert len({(await ask(app)).body for _ in range(5)}) == len(written) == 1


def version_in(page: str) -> str:
    (version,) = re.findall(r'data-version="(\S+)"', page)
    return str(version)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_cannot_be_shown_is_an_error_of_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("quoted-in-it")

    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        with monkeypatch.context() as patch:
            patch.setattr(page_app, "content", broken)
            answer = await ask(app, method=method)
        assert answer.status == 500
        assert answer.body == (b"" if method == "HEAD" else b"The page cannot be shown; the log says why\n")
        [record] = caplog.records
        assert record.getMessage().startswith("the settings page failed: ValueError at integrations/page/app.py:")
        assert "quoted-in-it" not in caplog.text
        assert (await ask(app, method=method)).status == 200


async def test_a_stream_in_which_something_fails_ends(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("quoted-in-it")

    async with live(Settings.from_values()) as held:
        app = settings_page(held, authorize=everybody)
        monkeypatch.setattr(type(held), "statistics", broken)
        answer = await ask(app, "/events")
        assert (answer.status, answer.body) == (200, b"retry: 500\n\n")
        assert "quoted-in-it" not in caplog.text
