"""Take the pictures of the settings page: python docs/screenshots.py [FOLDER]. Needs Chromium, and the example settings."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import uvicorn
from playwright.sync_api import Page, sync_playwright
from starlette.applications import Starlette
from starlette.routing import Mount

from hotsettings.integrations.page import settings_page
from integr8scode.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
ALONE = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
SIZES = {"": (1360, 900), "-phone": (390, 844)}


@contextmanager
def served() -> Iterator[str]:
    """The page of the example settings, whose files are in the working directory."""
    listening = socket.create_server(("127.0.0.1", 0))
    server: list[uvicorn.Server] = []
    started = threading.Event()

    async def serve() -> None:
        async with Settings.watch(override_path="config.k8s-worker.toml") as live:
            app = Starlette(routes=[Mount("/admin/settings", settings_page(live, authorize=lambda _: True))])
            server.append(uvicorn.Server(uvicorn.Config(app, log_level="error")))
            started.set()
            await server[0].serve([listening])

    thread = threading.Thread(target=anyio.run, args=[serve])
    thread.start()
    try:
        started.wait(30)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/admin/settings/"
    finally:
        server[0].should_exit = True
        thread.join(60)


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
            page.screenshot(path=folder / f"settings-page{name}{suffix}-{scheme}.png")


def main(pictures: Path, folder: Path) -> None:
    """Edit the files of a running server, and take pictures of what its page makes of it."""
    for file in ROOT.glob("config*.toml"):
        shutil.copy(file, folder)
    shutil.copy(ROOT / "secrets.example.toml", folder / "secrets.toml")
    (folder / "secrets.toml").chmod(0o600)
    os.chdir(folder)  # so that the page shows the names that everybody knows
    config = Path("config.toml")
    chromium = next(filter(None, map(shutil.which, CHROMIUM)))
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*QUIET, *ALONE])
        page = browser.new_page()
        page.goto(address)
        page.get_by_text("Updates by itself").wait_for()
        edit(config, "KAFKA_MAX_POLL_RECORDS = 500", "KAFKA_MAX_POLL_RECORDS = 250")
        page.get_by_text("Generation 2").first.wait_for()
        edit(config, "WEB_CONCURRENCY = 4", "WEB_CONCURRENCY = 8")
        page.get_by_text("1 setting waits for a restart").wait_for()
        edit(config, "K8S_POD_EXECUTION_TIMEOUT = 5 #", 'K8S_POD_EXECUTION_TIMEOUT = "5s" #')
        page.get_by_text("The last edit was not applied").wait_for()
        picture(page, pictures, "")
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT / "docs" / "images", Path(scratch))
