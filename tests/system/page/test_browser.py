"""The page in a real browser, served by a real server, while real files are edited."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import anyio
import pytest
import uvicorn
from msgspec import Meta
from playwright.sync_api import Browser, Locator, Page, expect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from support.chromium import PATIENCE, chromium, hard_to_read, opened_page

from hotsettings import BaseSettings, RestartRequired, Secret, Section
from hotsettings.integrations.page import settings_page
from hotsettings.testing import Workspace

pytestmark = pytest.mark.browser


class Settings(BaseSettings):
    HOST: Annotated[str, Section("Network"), Meta(description="Where it listens.")] = "localhost"
    PORT: Annotated[int, Meta(ge=1)] = 80
    NAME: Annotated[str, Section("Other")] = "name"
    LABELS: Mapping[str, str] = {}
    TOKEN: Secret[str] = "a-default-token"
    WORKERS: RestartRequired[int] = 4


class Served:
    """A server in a thread of its own."""

    def __init__(self, workspace: Workspace, port: int = 0) -> None:
        self.workspace = workspace
        self.allowed = True
        self.asked: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", port))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}/admin/settings/"
        self._server: uvicorn.Server | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None

    def _run(self) -> None:
        try:
            anyio.run(self._serve)
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        async with Settings.watch(**self.workspace.paths) as live:
            page = settings_page(live, authorize=lambda _: self.allowed)
            app = Starlette(routes=[Mount("/admin/settings", page)], middleware=[Middleware(_Noting, self.asked)])
            self._server = uvicorn.Server(
                uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
            )
            self._started.set()
            await self._server.serve([self._listening])

    @contextmanager
    def running(self) -> Iterator[Served]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            assert self._started.wait(30)
            assert self._server is not None, self._failure
            yield self
        finally:
            if self._server is not None:
                self._server.should_exit = True
            thread.join(60)
            self._listening.close()
        assert not thread.is_alive()
        assert self._failure is None


class _Noting:
    def __init__(self, app: Any, asked: list[str]) -> None:
        self._app = app
        self._asked = asked

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._asked.append(scope.get("path", ""))
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / ("folder" * 12)  # wider than a phone, and nowhere to break it
    folder.mkdir()
    workspace = Workspace(folder)
    workspace.write({"PORT": 81}, secrets={"TOKEN": "the-t0ken-of-the-file"})
    with Served(workspace).running() as serving:
        yield serving


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """The page, opened and following."""
    with opened_page(browser, may_complain="403 (Forbidden)") as opened:
        opened.goto(served.address)
        expect(opened.get_by_text("Updates by itself")).to_be_visible(timeout=PATIENCE)
        opened.evaluate("window.neverReloaded = true")
        yield opened
        assert opened.evaluate("window.neverReloaded") is True


def row(page: Page, key: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader").get_by_text(key, exact=True))


def test_an_edit_is_seen_without_a_reload(page: Page, served: Served) -> None:
    cells = row(page, "PORT").get_by_role("cell")
    expect(cells).to_have_text(["81", f"{served.workspace.config}:1:8", "80", "hot"])
    served.workspace.write('\nNAME = "another"\nPORT = 8080\n')
    expect(cells).to_have_text(["8080", f"{served.workspace.config}:3:8", "80", "hot"], timeout=PATIENCE)
    expect(row(page, "PORT")).to_have_class("changed")
    expect(row(page, "HOST")).not_to_have_class("changed")
    history = page.get_by_role("region", name="Recent changes")
    expect(history.get_by_role("heading", name="Generation 2")).to_be_visible()
    expect(history.get_by_role("listitem").filter(has_text="PORT").last).to_contain_text("now 8080")
    expect(page.locator("#latest")).to_have_text("Generation 2 is live. Changed: NAME, PORT")
    assert page.url == served.address


def test_a_rejected_edit_shows_its_problem_and_mending_it_clears_that(page: Page, served: Served) -> None:
    problem = page.get_by_role("region", name="The last edit was not applied: generation 1 stays live")
    served.workspace.write("PORT = 0\n")
    expect(problem).to_be_visible(timeout=PATIENCE)
    said = problem.locator("pre").inner_text().splitlines()
    assert said == [
        "Invalid settings: 1 problem",
        f"  {served.workspace.config}:1:8  PORT: expected int >= 1",
        "       1 | PORT = 0",
        "         |        ^",
    ]
    expect(page.get_by_text("Not healthy")).to_be_visible()
    served.workspace.write("PORT = 82\n")
    expect(problem).to_be_hidden(timeout=PATIENCE)
    expect(page.get_by_text("Healthy", exact=True)).to_be_visible()
    expect(row(page, "PORT").get_by_role("cell").first).to_have_text("82")


def test_what_waits_for_a_restart_is_seen(page: Page, served: Served) -> None:
    served.workspace.write("WORKERS = 16\n")
    waits = page.get_by_role("region", name="1 setting waits for a restart")
    expect(waits).to_contain_text("now 16", timeout=PATIENCE)
    expect(row(page, "WORKERS").get_by_role("cell").first).to_have_text("4 after a restart: 16")


HOSTILE = [
    "<script>pwned()</script>",
    '"><img src=x onerror=pwned()>',
    "<svg onload=pwned()>",
    "</code></td></table><iframe srcdoc='<script>parent.pwned()</script>'>",
    "javascript:pwned()",
]


def test_a_hostile_value_is_text(page: Page, served: Served) -> None:
    elements = page.locator("main *").count()
    served.workspace.write({"NAME": "".join(HOSTILE), "LABELS": {"\u202e<b>": "\u2028<img src=x onerror=pwned()>"}})
    value = row(page, "NAME").get_by_role("cell").first
    expect(value).to_contain_text("javascript:pwned()", timeout=PATIENCE)
    for text in HOSTILE:
        expect(value).to_contain_text(text.replace('"', '\\"'))
    entry = row(page, 'LABELS."\\u202E<b>"').get_by_role("cell").first
    expect(entry).to_contain_text("\\u2028<img src=x onerror=pwned()>")
    expect(row(page, "LABELS")).to_have_count(0)  # its entries have rows of their own
    assert page.locator("main :is(script, img, svg, iframe, b)").count() == 0
    assert page.locator("main *").count() > elements  # the history has grown, by what the server wrote
    page.reload()  # the same from the start
    expect(value).to_contain_text("javascript:pwned()")
    page.evaluate("window.neverReloaded = true")


def test_even_a_script_that_got_in_could_not_run(browser: Browser, served: Served) -> None:
    """The policy itself holds: what is put into the page by hand does nothing."""
    opened = browser.new_page()
    opened.goto(served.address)
    blocked = opened.evaluate(
        """async () => {
            const seen = [];
            document.addEventListener("securitypolicyviolation", (event) => seen.push(event.violatedDirective));
            const script = document.createElement("script");
            try { script.text = "window.ran = true"; document.body.append(script); } catch { seen.push("trusted types"); }
            try { document.body.innerHTML = "<img src=x onerror='window.ran = true'>"; } catch { seen.push("sink"); }
            await new Promise((done) => setTimeout(done, 50));
            return [seen.length > 0, seen.includes("sink"), window.ran === undefined];
        }"""
    )
    assert blocked == [True, True, True]
    opened.close()


def test_by_keyboard_to_the_filter(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the settings")).to_be_focused()
    page.keyboard.press("Tab")
    box = page.get_by_role("searchbox", name="Filter the settings")
    expect(box).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.type("restart")
    expect(page.get_by_role("rowheader")).to_have_text(["WORKERS "])
    expect(page.locator("#shown")).to_have_text("1 of 6 settings")
    expect(page.get_by_role("heading", name="Network")).to_be_hidden()
    page.keyboard.press("Control+A")
    page.keyboard.type("network 81")
    expect(page.get_by_role("rowheader")).to_have_text(["PORT "])
    page.keyboard.press("Control+A")
    page.keyboard.type("nothing like it")
    expect(page.get_by_text("No setting matches.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("rowheader")).to_have_count(6)
    expect(page.locator("#shown")).to_have_text("6 settings")
    page.keyboard.press("Tab")
    page.keyboard.press("/")
    expect(box).to_be_focused()


def test_the_filter_stays_while_the_page_changes(page: Page, served: Served) -> None:
    box = page.get_by_role("searchbox", name="Filter the settings")
    box.fill("9999")
    expect(page.get_by_role("rowheader")).to_have_count(0)
    served.workspace.write({"PORT": 9999})
    expect(page.get_by_role("rowheader")).to_have_text(["PORT "], timeout=PATIENCE)
    expect(box).to_have_value("9999")
    expect(box).to_be_focused()


def test_for_a_screen_reader(page: Page) -> None:
    expect(page.get_by_role("table", name="Network").get_by_role("columnheader")).to_have_text(
        ["Key", "Value", "Origin", "Default", "Change"]
    )
    assert [heading.inner_text() for heading in page.get_by_role("heading", level=3).all()] == ["Network", "Other"]
    assert page.get_by_role("heading", level=1).inner_text() == "Settings"
    assert page.get_by_role("status").count() == 3  # the connection, the news, and how many rows are left
    assert page.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(page: Page, served: Served, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    served.workspace.write("PORT = 82\nWORKERS = 5\n")
    expect(page.get_by_role("region", name="1 setting waits for a restart")).to_be_visible(timeout=PATIENCE)
    served.workspace.write("PORT = 0\nWORKERS = 5\n")
    expect(page.get_by_text("Not healthy")).to_be_visible(timeout=PATIENCE)
    assert hard_to_read(page) == []


def test_on_a_phone_nothing_sticks_out(page: Page, served: Served) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    served.workspace.write(f"NAME = '{'x' * 250}'\nPORT = 0\n")
    expect(page.get_by_text("Not healthy")).to_be_visible(timeout=PATIENCE)
    served.workspace.write(f"NAME = '{'x' * 250}'\n")
    expect(row(page, "NAME").get_by_role("cell").first).to_contain_text("xxx", timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(row(page, "PORT").get_by_role("cell")).to_have_text(["80", "default", "80", "hot"])


def test_no_secret_comes_to_the_browser(page: Page, served: Served) -> None:
    served.workspace.write(secrets={"TOKEN": "an0ther-t0ken", "NAME": "n0-secret-by-itself"})
    expect(row(page, "NAME").get_by_role("cell").first).to_have_text("******** secret", timeout=PATIENCE)
    content = page.content()
    assert not re.search("t0ken|n0-secret|a-default", content)


def test_whoever_may_not_see_it_any_more_is_told(page: Page, served: Served) -> None:
    served.allowed = False
    served.workspace.write({"PORT": 4242})
    expect(page.get_by_text("You may not see the settings any more")).to_be_visible(timeout=PATIENCE)
    assert "4242" not in page.content()


def test_a_page_that_nobody_sees_asks_for_nothing(page: Page, served: Served) -> None:
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true}); window.away = true;"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    served.workspace.write({"PORT": 4242})
    served.asked.clear()
    page.evaluate("new Promise((done) => setTimeout(done, 700))")
    assert served.asked == []
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(row(page, "PORT").get_by_role("cell").first).to_have_text("4242", timeout=PATIENCE)


def test_it_comes_back_after_the_server_was_gone(browser: Browser, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    opened = browser.new_page()
    opened.set_default_timeout(PATIENCE)
    with Served(workspace).running() as first:
        opened.goto(first.address)
        expect(opened.get_by_text("Updates by itself")).to_be_visible(timeout=PATIENCE)
        port = int(re.findall(r":(\d+)/", first.address)[0])
    expect(opened.get_by_text("Connection lost")).to_be_visible(timeout=PATIENCE)
    workspace.write({"PORT": 4242})
    second = Served(workspace, port)
    with second.running():
        expect(row(opened, "PORT").get_by_role("cell").first).to_have_text("4242", timeout=PATIENCE)
        expect(opened.get_by_text("Updates by itself")).to_be_visible(timeout=PATIENCE)
        opened.close()
