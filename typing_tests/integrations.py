"""What type checkers know of hotsettings.integrations. Never run, like the rest of this folder."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI, WebSocket
from flask import Flask, request
from opentelemetry.metrics import Meter
from opentelemetry.trace import Tracer
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import Metric
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp as StarletteApp

from hotsettings import BaseSettings, BlockingLive, Live, Secret, Snapshot
from hotsettings._live.blocking.live import BlockingHandle
from hotsettings._live.callbacks import Handle
from hotsettings.integrations import wsgi
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
from hotsettings.integrations.fastapi import pinned
from hotsettings.integrations.logging import follow_level
from hotsettings.integrations.opentelemetry import observe_settings
from hotsettings.integrations.page import settings_page
from hotsettings.integrations.prometheus import SettingsCollector


class Settings(BaseSettings):
    KEY: Secret[str] = "a-key"
    TIMEOUT: int = 30
    LOG_LEVEL: str = "INFO"


class Others(BaseSettings):
    PORT: int = 80


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    message: Message = {"type": "http.response.start", "status": 200}
    await send(message)


def of_a_scope(scope: Scope) -> None:
    assert_type(settings_of(scope, Settings), Settings)
    assert_type(settings_of(scope, Settings).TIMEOUT, int)
    assert_type(settings_of(scope, Settings).KEY, str)
    assert_type(settings_of(scope), Any)
    assert_type(snapshot_of(scope, Settings), Snapshot[Settings])
    assert_type(snapshot_of(scope, Settings).settings.LOG_LEVEL, str)
    assert_type(snapshot_of(scope, Settings).generation, int)
    assert_type(snapshot_of(scope), Snapshot[Any])


def of_a_scope_refused(scope: Scope, request: Request, settings: Settings, live: Live[Settings]) -> None:
    settings_of(scope, Settings).MISSPELT  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
    settings_of(scope, Others).TIMEOUT  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
    snapshot_of(scope, Settings).TIMEOUT  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
    # The scope, and not the request around it; the class, and not one of its instances.
    settings_of(request, Settings)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    settings_of(scope, settings)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    snapshot_of(live, Settings)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def any_server_takes_it(live: Live[Settings], other: Live[Others]) -> None:
    wrapped: ASGIApp = PinnedSettings(application, live)
    PinnedSettings(wrapped, other)
    PinnedSettings(application, lambda: live)


def any_server_takes_it_refused(live: Live[Settings], settings: Settings) -> None:
    PinnedSettings(application, settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PinnedSettings(application, lambda: settings)  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]
    PinnedSettings(application, live.current)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PinnedSettings(live, application)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PinnedSettings(application)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def endpoint(request: Request) -> Response:
    assert_type(settings_of(request.scope, Settings), Settings)
    return JSONResponse(settings_of(request.scope, Settings).TIMEOUT)


def in_starlette(live: Live[Settings], app: StarletteApp) -> None:
    starlette = Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(PinnedSettings, live=live)])
    starlette.add_middleware(PinnedSettings, live=lambda: live)
    starlette.add_middleware(PinnedSettings, live=lambda: starlette.state.live)
    starlette.add_middleware(PinnedSettings, lambda: starlette.state.live)
    # What one calls an application, the other takes.
    around: StarletteApp = PinnedSettings(app, live)
    PinnedSettings(starlette, live)
    Mount("/below", around)


def in_starlette_refused(live: Live[Settings], settings: Settings, starlette: Starlette) -> None:
    starlette.add_middleware(PinnedSettings)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    starlette.add_middleware(PinnedSettings, live=settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # Wrapped around it there is no application of Starlette any more.
    PinnedSettings(starlette, live).state  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
    starlette = PinnedSettings(starlette, live)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


api = FastAPI()
Pinned = Annotated[Settings, Depends(pinned(Settings))]


@api.get("/")
async def path_operation(settings: Pinned) -> int:
    assert_type(settings, Settings)
    return settings.TIMEOUT


@api.websocket("/socket")
async def socket(websocket: WebSocket, settings: Pinned) -> None:
    assert_type(settings.KEY, str)


def in_fastapi(live: Live[Settings], settings: Settings) -> None:
    assert_type(pinned(Settings), Callable[[HTTPConnection], Awaitable[Settings]])
    api.add_middleware(PinnedSettings, live=lambda: live)
    api.add_middleware(PinnedSettings, live=lambda: api.state.live)
    api.dependency_overrides[pinned(Settings)] = lambda: settings
    pinned(settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pinned()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def for_prometheus(live: Live[Settings], registry: CollectorRegistry, settings: Settings) -> None:
    REGISTRY.register(SettingsCollector(live))
    registry.register(SettingsCollector(live, namespace="worker"))
    assert_type(SettingsCollector(live).collect(), Iterator[Metric])
    SettingsCollector(settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SettingsCollector(live, registry)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def for_opentelemetry(live: Live[Settings], meter: Meter, tracer: Tracer, settings: Settings) -> None:
    observe_settings(live)
    observe_settings(live, meter)
    observe_settings(settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    observe_settings(live, tracer)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def for_logging(live: Live[Settings], settings: Settings) -> None:
    assert_type(follow_level(live, "LOG_LEVEL"), Handle)
    follow_level(live, "LOG_LEVEL", logging.getLogger("app")).cancel()
    follow_level(live)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    follow_level(live, "LOG_LEVEL", "app")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    follow_level(live, settings.LOG_LEVEL, logging)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    follow_level(settings, "LOG_LEVEL")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def is_admin(scope: Scope) -> bool:
    return bool(scope.get("session", {}).get("admin"))


async def may_see(scope: Scope) -> bool:
    return is_admin(scope)


def role(scope: Scope) -> str:
    return "admin"


def the_page(live: Live[Settings], settings: Settings) -> None:
    page: ASGIApp = settings_page(live, authorize=is_admin)
    Mount("/settings", page)
    Mount("/settings", settings_page(live, authorize=may_see))
    settings_page(live, authorize=lambda scope: scope["scheme"] == "https")
    settings_page(live, is_admin)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    settings_page(settings, authorize=is_admin)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # A name of a role is no answer to the question whether somebody may come in.
    settings_page(live, authorize=role)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    settings_page(live, authorize=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def without_an_event_loop(live: BlockingLive[Settings], settings: Settings) -> None:
    assert_type(follow_level(live, "LOG_LEVEL"), BlockingHandle)
    REGISTRY.register(SettingsCollector(live))
    observe_settings(live)
    PinnedSettings(application, live)
    PinnedSettings(application, lambda: live)
    app = Flask(__name__)
    app.wsgi_app = wsgi.PinnedSettings(app.wsgi_app, live)  # type: ignore[method-assign]
    app.wsgi_app = wsgi.PinnedSettings(app.wsgi_app, lambda: live)  # type: ignore[method-assign]
    assert_type(wsgi.settings_of(request.environ, Settings), Settings)
    assert_type(wsgi.snapshot_of(request.environ, Settings), Snapshot[Settings])
    assert_type(wsgi.settings_of(request.environ), Any)


def without_an_event_loop_refused(live: BlockingLive[Settings], settings: Settings) -> None:
    app = Flask(__name__)
    wsgi.PinnedSettings(app.wsgi_app, settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    wsgi.PinnedSettings(live, app.wsgi_app)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    settings_page(live, authorize=lambda scope: True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
