"""One snapshot for the whole of a request in Django: its test client, synchronous and asynchronous views."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import django
import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient, Client
from django.test.utils import override_settings
from django.urls import path

from hotsettings import BaseSettings, BlockingLive, Secret
from hotsettings.integrations.django import PinnedSettings, settings_of, snapshot_of
from hotsettings.testing import Workspace


class Settings(BaseSettings):
    A: int = 0
    KEY: Secret[str] = "never-to-be-seen"


class Others(BaseSettings):
    B: int = 7


Blocking = BlockingLive[Settings]
MIDDLEWARE = f"{PinnedSettings.__module__}.{PinnedSettings.__qualname__}"


@pytest.fixture(autouse=True)
def watched(settings_workspace: Workspace) -> Iterator[Blocking]:
    if not django_settings.configured:
        django_settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="tests", USE_TZ=True)
        django.setup()
    settings_workspace.write({"A": 1})
    with Settings.watch(**settings_workspace.paths, settle=0.0) as live:

        def edit() -> None:
            settings_workspace.write({"A": live.current.A + 1})
            live.reload(timeout=20)

        def answer(request: HttpRequest) -> JsonResponse:
            before = settings_of(request, Settings).A
            edit()
            generation = snapshot_of(request, Settings).generation
            return JsonResponse([before, settings_of(request).A, generation], safe=False)

        async def answer_later(request: HttpRequest) -> JsonResponse:
            before = settings_of(request, Settings).A
            await asyncio.to_thread(edit)
            return JsonResponse([before, settings_of(request, Settings).A], safe=False)

        def another(request: HttpRequest) -> JsonResponse:
            return JsonResponse(settings_of(request, Others).B, safe=False)

        urls: Any = ModuleType("urls")
        urls.urlpatterns = [path("sync", answer), path("async", answer_later), path("another", another)]
        with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[MIDDLEWARE], HOTSETTINGS=live):
            yield live


def test_synchronous_views() -> None:
    assert Client().get("/sync").json() == [1, 1, 1]
    assert Client().get("/sync").json() == [2, 2, 2]


def test_asynchronous_views() -> None:
    async def ask() -> list[Any]:
        return [(await AsyncClient().get("/async")).json() for _ in range(2)]

    assert asyncio.run(ask()) == [[1, 1], [2, 2]]


def test_a_function_that_finds_the_live_object(watched: Blocking) -> None:
    with override_settings(HOTSETTINGS=lambda: watched):
        assert Client().get("/sync").json() == [1, 1, 1]


def test_mistakes_are_said() -> None:
    with override_settings(MIDDLEWARE=[]), pytest.raises(LookupError) as raised:
        Client().get("/sync")
    assert str(raised.value) == (
        "no settings are pinned to this request: put hotsettings.integrations.django.PinnedSettings into MIDDLEWARE"
    )
    with pytest.raises(LookupError, match="no settings of class Others are pinned to this request, only Settings"):
        Client().get("/another")


def test_the_page_of_an_error_shows_no_secret() -> None:
    """It shows everything that is in META, and all of Django's settings."""
    with override_settings(DEBUG=True, LOGGING_CONFIG=None):
        page = Client(raise_request_exception=False).get("/another").content.decode()
    assert "hotsettings.pinned" in page
    assert "never-to-be-seen" not in page
