"""The page at /, in a real browser, served by the real server with a broker, while real files are edited."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer
from playwright.sync_api import Browser, Locator, Page, expect
from support.api_server import ApiServer, api_server
from support.cable import Cable
from support.chromium import PATIENCE, chromium, hard_to_read, opened_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MOST_ROWS = 200
NETWORK = "Failed to load resource"
"""What the console says of an answer that is no stream, and of a server that is away."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def server(tmp_path: Path, mock_kafka: str, unique: str) -> Iterator[ApiServer]:
    config = {
        "KAFKA_BOOTSTRAP_SERVERS": mock_kafka,
        "KAFKA_TOPIC_PREFIX": unique,
        "ENABLE_EVENT_STREAMING": True,
        "SSE_CONSUMER_POOL_SIZE": 1,
        "RATE_LIMIT_ENABLED": False,
        "LOG_LEVEL": "WARNING",
    }
    with api_server(tmp_path, config) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: ApiServer) -> Iterator[Page]:
    with opened_page(browser, may_complain=NETWORK) as opened:
        opened.goto(server.url)
        connected(opened)
        opened.evaluate("window.neverReloaded = true")
        yield opened
        assert opened.evaluate("window.neverReloaded") is True


def connected(page: Page) -> None:
    expect(page.locator("#connection")).to_have_text("Connected", timeout=PATIENCE)


def post(server: ApiServer, name: str, kind: str = "execution.started", detail: str = "") -> None:
    event = {"execution_id": name, "kind": kind, "detail": detail}
    answer = httpx.post(f"{server.url}/api/v1/events", json=event, timeout=30)
    assert answer.status_code == 202, answer.text


@contextmanager
def writing(server: ApiServer) -> Iterator[Callable[[bytes | str], None]]:
    """A way to write to the topic past the API, which would refuse some of it."""
    producer = Producer({"bootstrap.servers": server.config["KAFKA_BOOTSTRAP_SERVERS"], "linger.ms": 0})
    yield lambda value: producer.produce(f"{server.config['KAFKA_TOPIC_PREFIX']}execution-events", value)
    assert producer.flush(30) == 0


def produce(server: ApiServer, *values: bytes | str) -> None:
    with writing(server) as send:
        for value in values:
            send(value)


def event(name: str) -> str:
    return json.dumps({"execution_id": name, "kind": "execution.started", "detail": ""})


def rows(page: Page) -> Locator:
    return page.get_by_role("list", name="Newest first").get_by_role("listitem")


def figure(page: Page, name: str) -> Locator:
    return page.locator("dl div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


def names(page: Page) -> list[str]:
    return page.locator("#events .execution").all_inner_texts()


def test_an_event_is_seen_without_a_reload(page: Page, server: ApiServer) -> None:
    expect(page.get_by_text("No event yet.")).to_be_visible()
    post(server, "e-1", detail="on a pod of its own")
    expect(rows(page)).to_have_count(1, timeout=PATIENCE)
    expect(rows(page)).to_contain_text("execution.started")
    expect(rows(page)).to_contain_text("on a pod of its own")
    expect(page.get_by_text("No event yet.")).to_be_hidden()
    post(server, "e-2", "execution.completed")
    expect(page.locator("#events .execution")).to_have_text(["e-2", "e-1"], timeout=PATIENCE)
    expect(figure(page, "Events")).to_have_text("2")


def test_an_edit_of_the_heartbeat_is_seen_on_the_stream_that_is_open(page: Page, server: ApiServer) -> None:
    expect(figure(page, "Heartbeat")).to_have_text("every 30 s")
    page.evaluate(
        """() => {
            const heard = document.getElementById("heard");
            heard.dataset.beats = "";
            new MutationObserver(() => { if (heard.textContent === "just now") heard.dataset.beats += "x"; })
                .observe(heard, {childList: true});
        }"""
    )
    server.edit(SSE_HEARTBEAT_INTERVAL=2)
    expect(figure(page, "Heartbeat")).to_have_text("every 2 s", timeout=PATIENCE)
    expect(figure(page, "Last sign of life")).to_have_attribute("data-beats", re.compile("xxx"), timeout=PATIENCE)
    server.edit(SSE_HEARTBEAT_INTERVAL=600)
    expect(figure(page, "Heartbeat")).to_have_text("every 600 s", timeout=PATIENCE)
    expect(figure(page, "Interruptions")).to_have_text("0")
    expect(figure(page, "Events")).to_have_text("0")


class Sending:
    """Events that keep coming, in a thread."""

    def __init__(self, server: ApiServer) -> None:
        self.sent: list[str] = []
        self._server = server
        self._stop = threading.Event()

    def _run(self) -> None:
        with writing(self._server) as send:
            while not self._stop.wait(0.003):
                name = f"e-{len(self.sent)}"
                send(event(name))
                self.sent.append(name)

    @contextmanager
    def running(self) -> Iterator[Sending]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(60)

    def some_more(self) -> None:
        enough = len(self.sent) + 50
        deadline = monotonic() + 30
        while len(self.sent) < enough:
            assert monotonic() < deadline
            sleep(0.01)


def with_consumers(count: int) -> Callable[[dict[str, float]], bool]:
    return lambda figures: figures["sse_consumers"] == count


def test_the_pool_is_resized_and_no_event_is_missing_or_doubled(page: Page, server: ApiServer) -> None:
    with Sending(server).running() as sending:
        for size in (3, 2, 4, 1, 4, 1):
            sending.some_more()
            server.edit(SSE_CONSUMER_POOL_SIZE=size)
            server.wait_for_figures(with_consumers(size))
        sending.some_more()
    expect(figure(page, "Events")).to_have_text(f"{len(sending.sent):,}", timeout=PATIENCE)
    produce(server, event("the last"))  # whatever was doubled came before it
    expect(rows(page).filter(has_text="the last")).to_have_count(1, timeout=PATIENCE)
    expect(figure(page, "Events")).to_have_text(f"{len(sending.sent) + 1:,}")
    seen = Counter(names(page))
    assert set(seen) <= {*sending.sent, "the last"}
    assert max(seen.values()) == 1
    expect(figure(page, "Gaps")).to_have_text("0")
    expect(figure(page, "Interruptions")).to_have_text("0")


def test_it_comes_back_after_the_server_was_restarted(page: Page, server: ApiServer) -> None:
    post(server, "before")
    expect(rows(page)).to_have_count(1, timeout=PATIENCE)
    assert server.terminate() == 0
    expect(page.locator("#connection")).to_contain_text("Connection lost", timeout=PATIENCE)
    server.start_again()
    connected(page)
    post(server, "after")
    expect(page.locator("#events .execution")).to_have_text(["after", "before"], timeout=PATIENCE)
    expect(figure(page, "Gaps")).to_have_text("0")
    expect(figure(page, "Interruptions")).to_have_text("1")


def test_what_came_while_the_server_was_away_is_a_gap_and_no_silence(page: Page, server: ApiServer) -> None:
    post(server, "before")
    expect(rows(page)).to_have_count(1, timeout=PATIENCE)
    assert server.terminate() == 0
    produce(server, event("missed"))
    server.start_again()
    expect(rows(page).first).to_contain_text("Events were missed here", timeout=PATIENCE)
    post(server, "after")
    expect(page.locator("#events .execution")).to_have_text(["after", "before"], timeout=PATIENCE)
    expect(figure(page, "Gaps")).to_have_text("1")


def test_what_came_while_the_connection_was_cut_comes_once(browser: Browser, server: ApiServer) -> None:
    """The browser connects again by itself, with a Last-Event-ID."""
    with Cable(server.port).laid() as cable, opened_page(browser, may_complain=NETWORK) as page:
        page.goto(f"http://127.0.0.1:{cable.port}")
        connected(page)
        for number in range(3):
            post(server, f"before-{number}")
        expect(rows(page)).to_have_count(3, timeout=PATIENCE)
        cable.cut()
        expect(page.locator("#connection")).to_contain_text("Connection lost", timeout=PATIENCE)
        for number in range(5):
            post(server, f"meanwhile-{number}")
        cable.mend()
        connected(page)
        post(server, "after")
        expect(rows(page).filter(has_text="after")).to_have_count(1, timeout=PATIENCE)
        expect(rows(page)).to_have_count(9, timeout=PATIENCE)
        assert max(Counter(names(page)).values()) == 1
        expect(figure(page, "Gaps")).to_have_text("0")


def test_a_dead_connection_is_noticed_and_replaced(page: Page, server: ApiServer) -> None:
    """Nothing ends the connection of a server that stands still; only the heartbeat is missing."""
    server.edit(SSE_HEARTBEAT_INTERVAL=1)
    expect(figure(page, "Heartbeat")).to_have_text("every 1 s", timeout=PATIENCE)
    post(server, "before")
    expect(rows(page)).to_have_count(1, timeout=PATIENCE)
    server.process.send_signal(signal.SIGSTOP)
    try:
        produce(server, *(event(f"meanwhile-{number}") for number in range(5)))
        expect(page.locator("#connection")).to_contain_text("No sign of life", timeout=PATIENCE)
    finally:
        server.process.send_signal(signal.SIGCONT)
    connected(page)
    expect(rows(page)).to_have_count(6, timeout=PATIENCE)
    assert max(Counter(names(page)).values()) == 1
    expect(figure(page, "Gaps")).to_have_text("0")


def test_switched_off_and_on_again(page: Page, server: ApiServer) -> None:
    server.edit(ENABLE_EVENT_STREAMING=False)
    expect(page.locator("#connection")).to_have_text("Event streaming is switched off", timeout=PATIENCE)
    expect(rows(page).first).to_contain_text("has been switched off")
    page.reload()  # a new stream is refused
    page.evaluate("window.neverReloaded = true")
    expect(page.locator("#connection")).to_have_text("No stream at the moment, trying again", timeout=PATIENCE)
    server.edit(ENABLE_EVENT_STREAMING=True)
    connected(page)
    post(server, "e-1")
    expect(rows(page).filter(has_text="e-1")).to_have_count(1, timeout=PATIENCE)


HOSTILE = [
    "<script>pwned()</script>",
    '"><img src=x onerror=pwned()>',
    "<svg onload=pwned()>",
    "<iframe srcdoc='<script>parent.pwned()</script>'>",
    "javascript:pwned()",
]
RAW: list[bytes] = [
    "".join(HOSTILE).encode(),
    b'{"execution_id": 1, "kind": ["<b>"], "__proto__": {"detail": "x"}}',
    b"[" * 50_000,
    b"null",
    b"\xff\xfe",
    b"one\nid: 0:999\ndata: two\n\nevent: gap",
    b"",
]


def test_hostile_contents_are_text(page: Page, server: ApiServer) -> None:
    texts = {"execution_id": HOSTILE[0], "kind": "".join(HOSTILE), "detail": "\u202e<b>\u2028\0"}
    produce(server, json.dumps(texts), *RAW)
    expect(rows(page)).to_have_count(1 + len(RAW), timeout=PATIENCE)
    expect(page.locator("#events .kind")).to_have_text("".join(HOSTILE))
    expect(page.locator("#events .execution")).to_have_text(HOSTILE[0])
    expect(page.locator("#events .detail")).to_have_text("\\u{202e}<b>\\u{2028}\\u{0}")
    expect(rows(page).filter(has_text="… (50,000 characters)")).to_have_count(1)
    expect(rows(page).filter(has_text="one\\u{a}id: 0:999\\u{a}data: two")).to_have_count(1)
    expect(figure(page, "Gaps")).to_have_text("0")
    assert page.locator("main :is(script, img, svg, iframe, b)").count() == 0


def test_even_a_script_that_got_in_could_not_run(browser: Browser, server: ApiServer) -> None:
    opened = browser.new_page()
    opened.goto(server.url)
    blocked = opened.evaluate(
        """async () => {
            const seen = [];
            const script = document.createElement("script");
            try { script.text = "window.ran = true"; document.body.append(script); } catch { seen.push("script"); }
            try { document.body.innerHTML = "<img src=x onerror='window.ran = true'>"; } catch { seen.push("sink"); }
            try { await fetch("http://127.0.0.1:1/"); } catch { seen.push("elsewhere"); }
            return [seen, window.ran === undefined];
        }"""
    )
    assert blocked == [["script", "sink", "elsewhere"], True]
    opened.close()


def test_the_list_is_bounded(page: Page, server: ApiServer) -> None:
    produce(server, *(event(f"e-{number}") for number in range(450)))
    expect(figure(page, "Events")).to_have_text("450", timeout=PATIENCE)
    expect(rows(page)).to_have_count(MOST_ROWS)
    produce(server, event("newest"))
    expect(rows(page).first).to_contain_text("newest", timeout=PATIENCE)
    expect(rows(page)).to_have_count(MOST_ROWS)


def test_the_list_can_be_held_by_keyboard(page: Page, server: ApiServer) -> None:
    post(server, "before")
    expect(rows(page)).to_have_count(1, timeout=PATIENCE)
    page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Hold the list")
    expect(button).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Space")
    expect(button).to_have_attribute("aria-pressed", "true")
    for number in range(3):
        post(server, f"held-{number}")
    expect(page.get_by_text("3 rows wait")).to_be_visible(timeout=PATIENCE)
    expect(rows(page)).to_have_count(1)
    page.keyboard.press("Space")
    expect(rows(page)).to_have_count(4)
    expect(page.locator("#held")).to_be_empty()
    post(server, "afterwards")
    expect(rows(page)).to_have_count(5, timeout=PATIENCE)


def test_for_a_screen_reader(page: Page, server: ApiServer) -> None:
    statuses = page.get_by_role("status")
    assert statuses.count() == 2  # the connection and the news: not the figures, which change each second
    assert page.locator("html").get_attribute("lang") == "en"
    post(server, "alone")
    expect(page.locator("#news")).to_have_text("One new row: execution.started alone", timeout=PATIENCE)


def test_a_screen_reader_is_told_of_several_rows_in_one_sentence(browser: Browser, server: ApiServer) -> None:
    with opened_page(browser, may_complain=NETWORK) as page:
        page.clock.install(time=0)
        page.goto(server.url)
        connected(page)
        page.clock.pause_at(10)
        for number in range(1, 6):
            post(server, f"e-{number}")
            expect(figure(page, "Events")).to_have_text(str(number), timeout=PATIENCE)
            page.clock.run_for(50)
            expect(rows(page)).to_have_count(number)
        expect(page.locator("#news")).to_be_empty()
        page.clock.run_for(3000)
        expect(page.locator("#news")).to_have_text("5 new rows, the last: execution.started e-5")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(page: Page, server: ApiServer, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    assert hard_to_read(page) == []
    post(server, "e-1", detail="with a detail")
    produce(server, "raw")
    expect(rows(page)).to_have_count(2, timeout=PATIENCE)
    server.edit(ENABLE_EVENT_STREAMING=False)
    expect(rows(page)).to_have_count(3, timeout=PATIENCE)
    page.get_by_role("button").click()
    assert hard_to_read(page) == []
    assert server.terminate() == 0
    expect(page.locator("#connection")).to_contain_text("Connection lost", timeout=PATIENCE)
    assert hard_to_read(page) == []


def test_on_a_phone_nothing_sticks_out(page: Page, server: ApiServer) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    post(server, "x" * 200, "y" * 100, "z" * 2000)
    produce(server, "w" * 2000)
    expect(rows(page)).to_have_count(2, timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_its_headers(server: ApiServer) -> None:
    answer = httpx.get(server.url)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert httpx.post(server.url).status_code == 405
