"""What Prometheus gets to see: its own client writes it, and its own parser reads it."""

from __future__ import annotations

import threading
import time
import urllib.request
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from support.reloads import SECRET, Settings, changed, eventful, expected

from hotsettings import Live
from hotsettings.integrations.metrics import FIGURES
from hotsettings.integrations.prometheus import SettingsCollector
from hotsettings.testing import Workspace, live

pytestmark = pytest.mark.anyio

PREFIX = "hotsettings_"


def registry_of(*collectors: SettingsCollector) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return registry


def samples(text: str) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert not sample.labels
            found[sample.name] = sample.value
    return found


def scraped(live: Live[Settings]) -> dict[str, float]:
    return samples(generate_latest(registry_of(SettingsCollector(live))).decode())


async def test_an_eventful_life(settings_workspace: Workspace) -> None:
    async with eventful(settings_workspace) as (watched, goes_on):
        text = generate_latest(registry_of(SettingsCollector(watched))).decode()
        found = samples(text)
        accepted_at = found.pop("hotsettings_last_reload_success_timestamp_seconds")
        assert accepted_at == pytest.approx(watched.status.loaded_at.timestamp(), abs=0.5)
        assert accepted_at < watched.status.last_attempt_at.timestamp()
        counters = {"rejections", "callback_failures"}
        assert found == {
            f"{PREFIX}{name}{'_total' if name in counters else ''}": value for name, value in expected(watched).items()
        }
        assert SECRET not in text

        goes_on.set()
        await watched.wait_applied()
        await changed(watched, settings_workspace, "A = 3")
        found = scraped(watched)
        assert found["hotsettings_last_reload_successful"] == found["hotsettings_healthy"] == 1
        assert found["hotsettings_subscribers_behind"] == found["hotsettings_pending_restarts"] == 0
        assert found["hotsettings_rejections_total"] == 2
        assert found["hotsettings_generation"] == 3
        assert found["hotsettings_last_reload_success_timestamp_seconds"] > accepted_at, "though no value has changed"


async def test_from_the_start() -> None:
    async with live(Settings.from_values()) as held:
        found = scraped(held)
        assert found["hotsettings_last_reload_success_timestamp_seconds"] == held.snapshot.loaded_at.timestamp()
        assert found["hotsettings_last_reload_successful"] == found["hotsettings_generation"] == 1
        assert found["hotsettings_rejections_total"] == found["hotsettings_subscribers"] == 0


async def test_the_stricter_format_takes_it_too() -> None:
    async with live(Settings.from_values()) as held:
        text = openmetrics.generate_latest(registry_of(SettingsCollector(held))).decode()  # type: ignore[no-untyped-call]
    families = {family.name: family for family in openmetrics_families(text)}  # type: ignore[no-untyped-call]
    assert len(families) == len(FIGURES)
    assert {family.type for family in families.values()} == {"gauge", "counter"}
    assert all(family.documentation for family in families.values())


async def test_two_in_one_registry() -> None:
    async with live(Settings.from_values()) as one, live(Settings.from_values()) as other:
        await other.publish(Settings.from_values(A=1))
        registry = registry_of(SettingsCollector(one), SettingsCollector(other, namespace="billing_settings"))
        with pytest.raises(ValueError, match="Duplicated"):
            registry.register(SettingsCollector(other))
        found = samples(generate_latest(registry).decode())
    assert (found["hotsettings_generation"], found["billing_settings_generation"]) == (1, 2)


async def test_when_the_watching_has_ended() -> None:
    async with live(Settings.from_values()) as held:
        held.changes()
    found = scraped(held)
    assert (found["hotsettings_generation"], found["hotsettings_subscribers_behind"]) == (1, 0)


async def test_a_real_scrape_over_http(settings_workspace: Workspace) -> None:
    """The client's own server answers in a thread of its own, while this one is busy with the loop."""
    async with eventful(settings_workspace) as (watched, _):
        server, thread = start_http_server(0, "127.0.0.1", registry_of(SettingsCollector(watched)))
        with closing(server.socket):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:  # noqa: ASYNC210 - of a thread
                found = samples(answer.read().decode())
            server.shutdown()
            thread.join()
    assert {found[PREFIX + name] for name in ("generation", "rejections_total")} == {3, 2}


@pytest.mark.slow
async def test_scrapes_from_other_threads_while_everything_moves() -> None:
    registry, failures, scrapes = CollectorRegistry(), list[BaseException](), list[float]()
    stop = threading.Event()

    def scrape() -> None:
        try:
            while not stop.is_set():
                scrapes.append(samples(generate_latest(registry).decode())["hotsettings_generation"])
        except BaseException as error:
            failures.append(error)

    async with live(Settings.from_values()) as held:
        registry.register(SettingsCollector(held))
        threads = [threading.Thread(target=scrape) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            kept, ends, number = list[object](), time.monotonic() + 1.5, 0
            while time.monotonic() < ends:
                number += 1
                await held.publish(Settings.from_values(A=number))
                kept.append(held.changes("A"))
                if len(kept) > 200:
                    kept.clear()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert not failures
    assert max(scrapes) > 1
