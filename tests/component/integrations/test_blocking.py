"""What the integrations do with the live object of a blocking watch. Edits come from other threads there."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterator
from typing import Any, Literal
from weakref import ref

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from hotsettings import BaseSettings, BlockingLive, Rejected
from hotsettings.integrations.asgi import PinnedSettings, settings_of
from hotsettings.integrations.logging import follow_level
from hotsettings.integrations.opentelemetry import observe_settings
from hotsettings.integrations.page import settings_page
from hotsettings.integrations.prometheus import SettingsCollector
from hotsettings.testing import Workspace


class Settings(BaseSettings):
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING"] = "INFO"
    ANY: str = "ERROR"


Blocking = BlockingLive[Settings]


@pytest.fixture
def watched(settings_workspace: Workspace) -> Iterator[Blocking]:
    settings_workspace.write({"LOG_LEVEL": "INFO"})
    with Settings.watch(**settings_workspace.paths, settle=0.0) as live:
        yield live


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.follow_level.blocking")
    yield logger
    logger.setLevel(logging.NOTSET)


def edit(live: Blocking, workspace: Workspace, **values: Any) -> None:
    workspace.write(values)
    live.reload(timeout=20)
    live.wait_applied(timeout=20)


def test_a_logger(watched: Blocking, settings_workspace: Workspace, logger: logging.Logger) -> None:
    handle = follow_level(watched, "LOG_LEVEL", logger)
    assert logger.level == logging.INFO
    edit(watched, settings_workspace, LOG_LEVEL="DEBUG")
    assert logger.level == logging.DEBUG
    handle.cancel()
    edit(watched, settings_workspace, LOG_LEVEL="WARNING")
    assert logger.level == logging.DEBUG


def test_a_change_while_the_level_is_first_set(
    watched: Blocking, settings_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The callback sets the newest level, and then the thread that came first sets an old one."""

    class Slow(logging.Logger):
        def setLevel(self, level: int | str) -> None:
            if level == "INFO":
                edit(watched, settings_workspace, LOG_LEVEL="DEBUG")
            super().setLevel(level)

    slow = Slow("slow")
    follow_level(watched, "LOG_LEVEL", slow)
    assert slow.level == logging.DEBUG


def test_a_level_that_does_not_exist_leaves_nothing_registered(
    watched: Blocking, settings_workspace: Workspace, logger: logging.Logger
) -> None:
    edit(watched, settings_workspace, ANY="LOUD")
    before = watched.statistics().subscribers
    with pytest.raises(ValueError, match="LOUD"):
        follow_level(watched, "ANY", logger)
    deadline = time.monotonic() + 20
    while watched.statistics().subscribers != before:  # its task ends in the thread that watches
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_metrics(watched: Blocking, settings_workspace: Workspace) -> None:
    registry, reader = CollectorRegistry(), InMemoryMetricReader()
    registry.register(SettingsCollector(watched))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    observe_settings(watched, provider.get_meter("tests"))
    edit(watched, settings_workspace, LOG_LEVEL="DEBUG")
    settings_workspace.write({"LOG_LEVEL": "LOUD"})
    with pytest.raises(Rejected):
        watched.reload(timeout=20)
    text = generate_latest(registry).decode()
    for line in ("generation 2.0", "healthy 0.0", "rejections_total 1.0", "last_reload_successful 0.0"):
        assert f"hotsettings_{line}\n" in text
    assert points(reader)["hotsettings.generation"] == 2
    watched.stop()
    assert "hotsettings_generation 2.0\n" in generate_latest(registry).decode()
    assert not points(reader)
    provider.shutdown()


def points(reader: InMemoryMetricReader) -> dict[str, Any]:
    data: Any = reader.get_metrics_data()
    if data is None:
        return {}
    [resource] = data.resource_metrics
    return {metric.name: metric.data.data_points[0].value for metric in resource.scope_metrics[0].metrics}


def test_instruments_keep_nothing_alive(settings_workspace: Workspace) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    live = Settings.watch(**settings_workspace.paths).start()
    observe_settings(live, provider.get_meter("tests"))
    live.stop()
    known = ref(live)
    del live
    gc.collect()
    assert known() is None
    assert not points(reader)
    provider.shutdown()


@pytest.mark.anyio
async def test_asgi(settings_workspace: Workspace) -> None:
    """Django has no lifespan, for one, in which an asynchronous watch could be entered."""
    live = Settings.watch(**settings_workspace.paths).start()
    seen = list[Settings]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(settings_of(scope, Settings))

    try:
        nothing: Any = None
        await PinnedSettings(app, live)({"type": "http"}, nothing, nothing)
        await PinnedSettings(app, lambda: live)({"type": "http"}, nothing, nothing)
        assert [each is live.current for each in seen] == [True, True]
    finally:
        live.stop()


def test_the_page_says_what_it_needs(watched: Blocking) -> None:
    live: Any = watched
    with pytest.raises(TypeError, match=r"follows a Live, not a BlockingLive: watch with `async with`"):
        settings_page(live, authorize=lambda scope: True)
