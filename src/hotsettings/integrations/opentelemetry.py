"""How reloads go, as OpenTelemetry metrics. Needs the extra ``hotsettings[opentelemetry]``."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import ref

from .._extras import missing
from . import AnyLive
from .metrics import FIGURES, Figure

try:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter
except ModuleNotFoundError as error:
    raise missing("opentelemetry", error) from error


def observe_settings(live: AnyLive, meter: Meter | None = None) -> None:
    """Let a meter observe how reloads go: ``hotsettings.last_reload_successful``, ``hotsettings.generation`` and so on.

    Without a meter, one of the global provider does it. Instruments cannot be taken back, so these hold no settings
    alive, and observe nothing any more when the watching has ended.
    """
    meter = meter if meter is not None else get_meter("hotsettings")
    for figure in FIGURES:
        create = meter.create_observable_counter if figure.kind == "counter" else meter.create_observable_gauge
        create(f"hotsettings.{figure.name}", [_Observer(figure, live)], figure.unit, figure.help)


class _Observer:
    """Reads one figure, from whatever thread exports."""

    def __init__(self, figure: Figure, live: AnyLive) -> None:
        self._figure = figure
        self._live = ref(live)

    def __call__(self, options: CallbackOptions) -> Iterable[Observation]:
        live = self._live()
        if live is None or not live.statistics().watching:
            return ()
        return (Observation(self._figure.read(live)),)
