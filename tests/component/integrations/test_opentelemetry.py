"""What OpenTelemetry gets to see, through its own SDK."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from weakref import ref

import pytest
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader, Metric, Sum
from opentelemetry.sdk.resources import Resource
from support.reloads import SECRET, Settings, eventful, expected

from hotsettings.integrations.metrics import FIGURES
from hotsettings.integrations.opentelemetry import observe_settings
from hotsettings.testing import Workspace, live

pytestmark = pytest.mark.anyio


@contextmanager
def metering() -> Generator[tuple[InMemoryMetricReader, Meter], None, None]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], Resource.get_empty(), shutdown_on_exit=False)
    yield reader, provider.get_meter("tests")
    provider.shutdown()


def metrics(reader: InMemoryMetricReader) -> dict[str, Metric]:
    data = reader.get_metrics_data()
    found = [] if data is None else [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
    return {metric.name: metric for metric in found}


def value(metric: Metric) -> Any:
    assert isinstance(metric.data, Gauge | Sum)
    (point,) = metric.data.data_points
    assert not point.attributes
    assert not isinstance(point.value, bool)
    return point.value


async def test_an_eventful_life(settings_workspace: Workspace) -> None:
    with metering() as (reader, meter):
        async with eventful(settings_workspace) as (watched, _):
            observe_settings(watched, meter)
            found = metrics(reader)
            accepted_at = value(found.pop("hotsettings.last_reload_success_timestamp"))
            assert accepted_at == pytest.approx(watched.status.loaded_at.timestamp(), abs=0.5)
            values = {name.removeprefix("hotsettings."): value(metric) for name, metric in found.items()}
            assert values == expected(watched)
            assert SECRET not in repr(found)


async def test_kinds_and_units() -> None:
    with metering() as (reader, meter):
        async with live(Settings.from_values()) as held:
            observe_settings(held, meter)
            found = metrics(reader)
    assert len(found) == len(FIGURES)
    assert found["hotsettings.last_reload_success_timestamp"].unit == "s"
    assert {name for name, metric in found.items() if isinstance(metric.data, Sum)} == {
        "hotsettings.rejections",
        "hotsettings.callback_failures",
    }
    assert all(metric.data.is_monotonic for metric in found.values() if isinstance(metric.data, Sum))
    assert all(metric.description for metric in found.values())


async def test_figures_follow() -> None:
    with metering() as (reader, meter):
        async with live(Settings.from_values()) as held:
            observe_settings(held, meter)
            assert value(metrics(reader)["hotsettings.generation"]) == 1
            await held.publish(Settings.from_values(A=1))
            assert value(metrics(reader)["hotsettings.generation"]) == 2


async def test_nothing_is_told_of_what_has_ended() -> None:
    with metering() as (reader, meter):
        async with live(Settings.from_values()) as held:
            observe_settings(held, meter)
            assert metrics(reader)
        assert not metrics(reader)


async def test_instruments_keep_nothing_alive() -> None:
    with metering() as (reader, meter):
        async with live(Settings.from_values()) as held:
            observe_settings(held, meter)
            known = ref(held)
        del held
        gc.collect()
        assert known() is None
        assert not metrics(reader)


async def test_without_a_meter_and_without_a_provider_nothing_happens() -> None:
    """The API alone is installed with the extra; whoever exports nothing pays nothing."""
    async with live(Settings.from_values()) as held:
        observe_settings(held)
