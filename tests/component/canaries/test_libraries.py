"""Real libraries that were given a secret fail in every place where user code runs: nothing shows what they quote."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from support.canaries.leaks import Planted, assert_none
from support.canaries.libraries import FAILURES, Failure, quotes
from support.canaries.outputs import Log, Output, of_error, of_live, rejection, so_far

from hotsettings import BaseSettings, Secret
from hotsettings.integrations.page import settings_page
from hotsettings.testing import Workspace

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Most of the libraries know no other loop."""
    return request.param


class Settings(BaseSettings):
    SECRET: Secret[str] = "none-so-far"
    A: int = 0


async def use(failure: Failure, secret: str) -> None:
    """Let the library fail."""
    outcome = failure.call(secret)
    if inspect.isawaitable(outcome):
        await outcome


PLACES = ["hook", "build", "exclusive build", "callback", "exit"]


async def told(failure: Failure, secret: Planted, place: str, workspace: Workspace) -> list[Output]:
    """All outputs, the library having failed in this place."""
    failed = False
    outputs: list[Output] = []

    async def hook(change: Any) -> None:
        nonlocal failed
        failed = True
        await use(failure, change.new.SECRET)

    @asynccontextmanager
    async def build(settings: Settings) -> AsyncGenerator[str, None]:
        nonlocal failed
        if "build" in place and secret.text == settings.SECRET:
            failed = True
            await use(failure, settings.SECRET)
        yield "client"
        if place == "exit" and secret.text == settings.SECRET:
            failed = True
            await use(failure, settings.SECRET)

    with Log() as log:
        async with Settings.watch(**workspace.paths, settle=0.01, watcher="poll") as live:
            page, events = settings_page(live, authorize=lambda _: True), live.events()
            mode: Any = "exclusive" if place == "exclusive build" else "overlap"
            if place == "hook":
                live.prepare(hook)
            if place == "callback":
                live.on_change(hook)
            async with live.resource(build, "SECRET", replace=mode, drain_timeout=0):
                for step in (secret.text, "rotated-since"):
                    workspace.write(secrets={"SECRET": step})
                    if (error := await rejection(live.reload())) is not None:
                        outputs += of_error(error)
                    await live.wait_applied()
                    outputs += await of_live(live, page=page)
                    if failed:
                        break
            await live.wait_applied()
            outputs += await of_live(live, page=page)
            outputs += await so_far(events)
    assert failed
    outputs += log.outputs()
    return outputs


@pytest.mark.parametrize("number", range(len(FAILURES)), ids=lambda number: f"{number}-{FAILURES[number].library}")
async def test_nothing_that_a_library_quotes(number: int, settings_workspace: Workspace) -> None:
    failure = FAILURES[number]
    secret = failure.plant(Random(f"{failure.library} {number}"))
    # The places by turns: each library meets several of them.
    for place in (PLACES[number % len(PLACES)], PLACES[(number + 2) % len(PLACES)]):
        assert_none(await told(failure, secret, place, settings_workspace), [secret])
        settings_workspace.write(secrets={})


async def test_they_do_quote() -> None:
    """Else the tests above would say nothing."""
    quoting = set()
    for number, failure in enumerate(FAILURES):
        secret = failure.plant(Random(number))
        with pytest.raises(Exception) as caught:  # noqa: PT011 - each library has its own
            await use(failure, secret.text)
        assert quotes(caught.value.with_traceback(None), secret), f"{failure.library} quotes nothing: {caught.value!r}"
        quoting.add(failure.library.partition(":")[0])
    assert len(quoting) >= 20, quoting
