"""How reloads go, for Prometheus. Needs the extra ``hotsettings[prometheus]``."""

from __future__ import annotations

from collections.abc import Iterator

from .._extras import missing
from . import AnyLive
from .metrics import FIGURES, Figure

try:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    raise missing("prometheus", error) from error


class SettingsCollector(Collector):
    """A collector for one live object: ``REGISTRY.register(SettingsCollector(live))``. Scrapes may come from any thread.

    It tells ``hotsettings_last_reload_successful``, ``hotsettings_last_reload_success_timestamp_seconds``,
    ``hotsettings_healthy``, ``..._generation``, ``..._pending_restarts``, ``..._rejections_total``,
    ``..._callback_failures_total``, ``..._subscribers`` and ``..._subscribers_behind``. A second live object in the same
    registry needs another ``namespace``.
    """

    def __init__(self, live: AnyLive, namespace: str = "hotsettings") -> None:
        self._live = live
        self._namespace = namespace

    def collect(self) -> Iterator[Metric]:
        """Read the figures as they are now."""
        return (self._family(figure) for figure in FIGURES)

    def describe(self) -> Iterator[Metric]:
        """Let every registry, not only the default one, refuse a second collector of the same names."""
        return self.collect()

    def _family(self, figure: Figure) -> Metric:
        name = f"{self._namespace}_{figure.name}" + ("_seconds" if figure.unit == "s" else "")
        family = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
        return family(name, figure.help, figure.read(self._live))
