"""Take the pictures of the pages: python docs/screenshots.py [FOLDER]. Needs Chromium, and the example application."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import uvicorn
from playwright.sync_api import Page, sync_playwright
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from hotsettings.integrations.page import settings_page
from integr8scode.mock_broker import mock_broker
from integr8scode.server import everything
from integr8scode.settings import Settings

Started = Callable[[ASGIApp], Awaitable[None]]
"""Serves an application until the pictures have been taken."""

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
ALONE = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
EVENTS = (
    ("execution.requested", "python 3.12"),
    ("execution.queued", "position 3"),
    ("pod.created", "execution-7f9c on node-2"),
    ("execution.started", ""),
    ("execution.completed", "exit code 0 after 1.3 s"),
)
SIZES = {"": (1360, 900), "-phone": (390, 844)}


@contextmanager
def running(serve: Callable[[Started], Awaitable[None]]) -> Iterator[str]:
    """A server in a thread of its own, which tells that it has begun."""
    listening = socket.create_server(("127.0.0.1", 0))
    server: list[uvicorn.Server] = []
    started = threading.Event()

    async def start(app: ASGIApp) -> None:
        server.append(uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)))
        started.set()
        await server[0].serve([listening])

    thread = threading.Thread(target=anyio.run, args=[serve, start])
    thread.start()
    try:
        started.wait(30)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server[0].should_exit = True
        thread.join(60)


async def serve_settings(start: Started) -> None:
    """The page of the example settings, whose files are in the working directory."""
    async with Settings.watch(override_path="config.k8s-worker.toml") as live:
        await start(Starlette(routes=[Mount("/admin/settings", settings_page(live, authorize=lambda _: True))]))


async def serve_events(start: Started) -> None:
    """The API, with a broker of its own."""
    with mock_broker() as servers:
        edit(Path("config.toml"), '"kafka:29092"', f'"{servers}"')
        async with Settings.watch() as live, everything(live, None) as (app, _):
            await start(app)


def edit(file: Path, old: str, new: str) -> None:
    """Edit a file as an editor does that writes another one and renames it."""
    text = file.read_text(encoding="utf-8")
    assert old in text, old
    other = file.with_name("edited")
    other.write_text(text.replace(old, new), encoding="utf-8")
    other.replace(file)


def picture(page: Page, folder: Path, name: str) -> None:
    """Save what is seen now, light and dark, on a desk and on a phone."""
    for suffix, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.screenshot(path=folder / f"{name}{suffix}-{scheme}.png")


def picture_settings(page: Page, pictures: Path) -> None:
    """Edit the files of a running server, and take pictures of what its page makes of it."""
    config = Path("config.toml")
    with running(serve_settings) as address:
        page.goto(f"{address}/admin/settings/")
        page.get_by_text("Updates by itself").wait_for()
        edit(config, "KAFKA_MAX_POLL_RECORDS = 500", "KAFKA_MAX_POLL_RECORDS = 250")
        page.get_by_text("Generation 2").first.wait_for()
        edit(config, "WEB_CONCURRENCY = 4", "WEB_CONCURRENCY = 8")
        page.get_by_text("1 setting waits for a restart").wait_for()
        edit(config, "K8S_POD_EXECUTION_TIMEOUT = 5 #", 'K8S_POD_EXECUTION_TIMEOUT = "5s" #')
        page.get_by_text("The last edit was not applied").wait_for()
        picture(page, pictures, "settings-page")
        edit(config, 'K8S_POD_EXECUTION_TIMEOUT = "5s" #', "K8S_POD_EXECUTION_TIMEOUT = 5 #")
        page.goto("about:blank")  # which ends the stream


def picture_events(page: Page, pictures: Path) -> None:
    """Publish something, and take pictures of the page that shows it."""
    with running(serve_events) as address:
        page.goto(address)
        page.get_by_text("Connected", exact=True).wait_for()
        for kind, detail in EVENTS:
            event = {"execution_id": "7d0f2a4e-31b2-4c0f-9e5e-2f7c9a6f5a04", "kind": kind, "detail": detail}
            httpx.post(f"{address}/api/v1/events", json=event).raise_for_status()
            page.get_by_text(kind).wait_for()
        picture(page, pictures, "event-page")
        page.goto("about:blank")


def main(pictures: Path, folder: Path) -> None:
    """Take all pictures, in a folder with the files of the example application."""
    for file in ROOT.glob("config*.toml"):
        shutil.copy(file, folder)
    shutil.copy(ROOT / "secrets.example.toml", folder / "secrets.toml")
    (folder / "secrets.toml").chmod(0o600)
    os.chdir(folder)  # so that the page shows the names that everybody knows
    chromium = next(filter(None, map(shutil.which, CHROMIUM)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*QUIET, *ALONE])
        picture_settings(browser.new_page(), pictures)
        picture_events(browser.new_page(), pictures)
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT / "docs" / "images", Path(scratch))
