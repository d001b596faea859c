"""A real browser, for tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from support.needed import lacking

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE = 20_000
"""Milliseconds to wait for what happens at once where nothing else runs."""


@contextmanager
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        lacking("there is no Chromium here: install the package chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@contextmanager
def opened_page(browser: Browser, may_complain: str) -> Iterator[Page]:
    """An empty page. Whatever a script or a policy complains of is a failure, but for texts that hold this one."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and may_complain not in message.text:
            complaints.append(message.text)

    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    opened.on("console", note)
    opened.add_init_script(
        "window.violations = [];"
        "document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective));"
        "window.pwned = () => { window.violations.push('a script from outside ran'); };"
    )
    yield opened
    assert opened.evaluate("window.violations") == []
    assert complaints == []
    context.close()


def hard_to_read(page: Page) -> list[str]:
    """Texts whose contrast with what is behind them is less than 4.5, which WCAG asks for."""
    found: list[str] = page.evaluate(
        """() => {
            const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
            const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
                .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
                .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
            const ground = (node) => {
                for (; node; node = node.parentElement) {
                    const colour = parts(getComputedStyle(node).backgroundColor);
                    if (colour.length === 3 || colour[3] > 0) return colour;
                }
                return [255, 255, 255];
            };
            const faint = [];
            for (const node of document.querySelectorAll("body *:not(script, style, noscript)")) {
                if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
                const [a, b] = [light(parts(getComputedStyle(node).color)), light(ground(node))];
                const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                if (contrast < 4.5) faint.push(node.className + " " + node.textContent + " " + contrast.toFixed(2));
            }
            return faint;
        }"""
    )
    return found
