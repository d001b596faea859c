"""How reloads go, in numbers: what the integrations for metrics tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from .. import Live


class Figure(Struct, frozen=True):
    """One number, under the name that it has in every system. ``read`` may be called from any thread."""

    name: str
    help: str
    kind: Literal["gauge", "counter"]
    unit: str
    """As OpenTelemetry writes it; Prometheus has seconds in the name, and no other."""
    read: Callable[[Live[Any]], float]


def _reload_succeeded(live: Live[Any]) -> float:
    return int(live.status.last_error is None)


FIGURES = (
    Figure(
        "last_reload_successful",
        "Whether the last reload was accepted (1) or stands rejected (0)",
        "gauge",
        "1",
        _reload_succeeded,
    ),
    Figure(
        "last_reload_success_timestamp",
        "When the settings were loaded or accepted last, in seconds since 1970",
        "gauge",
        "s",
        lambda live: live.statistics().accepted_at.timestamp(),
    ),
    Figure(
        "healthy",
        "Whether no reload stands rejected, no resource is down and every layer can be read",
        "gauge",
        "1",
        lambda live: int(live.status.healthy),
    ),
    Figure(
        "generation",
        "Generation that is live; 1 is the one that the process has started with",
        "gauge",
        "1",
        lambda live: live.snapshot.generation,
    ),
    Figure(
        "pending_restarts",
        "Settings whose new values wait for the next start of the process",
        "gauge",
        "{setting}",
        lambda live: len(live.status.pending_restart),
    ),
    Figure(
        "rejections", "Reloads that were rejected", "counter", "{reload}", lambda live: live.statistics().rejections
    ),
    Figure(
        "callback_failures",
        "Exceptions that callbacks have raised",
        "counter",
        "{failure}",
        lambda live: live.statistics().callback_failures,
    ),
    Figure(
        "subscribers",
        "Iterators and callbacks that follow changes",
        "gauge",
        "{subscriber}",
        lambda live: live.statistics().subscribers,
    ),
    Figure(
        "subscribers_behind",
        "Of these, how many have not finished with the newest settings",
        "gauge",
        "{subscriber}",
        lambda live: live.statistics().subscribers_behind,
    ),
)
