"""How reloads go, in numbers: what the integrations for metrics tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from . import AnyLive


def _count(name: str) -> Callable[[AnyLive], float]:
    """Return what reads one field of the statistics."""
    return lambda live: getattr(live.statistics(), name)


class Figure(Struct, frozen=True):
    """One number, under the name that it has in every system. ``read`` may be called from any thread."""

    name: str
    help: str
    read: Callable[[AnyLive], float]
    unit: str = "1"
    """As OpenTelemetry writes it; Prometheus has seconds in the name, and no other."""
    kind: Literal["gauge", "counter"] = "gauge"


FIGURES = (
    Figure(
        "last_reload_successful",
        "Whether the last reload was accepted (1) or stands rejected (0)",
        lambda live: int(live.status.last_error is None),
    ),
    Figure(
        "last_reload_success_timestamp",
        "When the settings were loaded or accepted last, in seconds since 1970",
        lambda live: live.statistics().accepted_at.timestamp(),
        "s",
    ),
    Figure(
        "healthy",
        "Whether no reload stands rejected, no resource is down and every layer can be read",
        lambda live: int(live.status.healthy),
    ),
    Figure(
        "generation",
        "Generation that is live; 1 is the one that the process has started with",
        lambda live: live.snapshot.generation,
    ),
    Figure(
        "pending_restarts",
        "Settings whose new values wait for the next start of the process",
        lambda live: len(live.status.pending_restart),
        "{setting}",
    ),
    Figure("rejections", "Reloads that were rejected", _count("rejections"), "{reload}", "counter"),
    Figure(
        "callback_failures",
        "Exceptions that callbacks have raised",
        _count("callback_failures"),
        "{failure}",
        "counter",
    ),
    Figure("subscribers", "Iterators and callbacks that follow changes", _count("subscribers"), "{subscriber}"),
    Figure(
        "subscribers_behind",
        "Of these, how many have not finished with the newest settings",
        _count("subscribers_behind"),
        "{subscriber}",
    ),
)
