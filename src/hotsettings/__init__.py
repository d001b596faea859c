"""Settings from layered TOML files, decoded into one immutable msgspec Struct, and followed while they change.

How data flows, and where:

    path -> Document      layers (guard, toml_parser, positions)
    Documents -> values   merge
    values -> Settings    decode (schema, shape, frozen)
    what went wrong       problems (excerpts, _redaction) -> errors
    the three steps       load (boundary)
    Settings -> Snapshot  snapshot (explain)
    who wants to know     live (hub, subscribers, events, resources)
    all or nothing        transaction (replacing, backoff, waits)
    layers -> Snapshot    runtime (watcher, worker, stack, followed, files, settling, sight, routes, wakeups/, stores, restart, mounts)
    the face              settings, watch (signals, calling)
"""

from typing import TYPE_CHECKING, Any

from .errors import InvalidSettings, LayerError, Origin, Problem, Redacted, Rejected, SettingsError, UnforeseenError
from .layers import FileLayer
from .marks import RestartRequired, Secret, Section
from .settings import BaseSettings
from .toml_parser import use_parser

if TYPE_CHECKING:
    from .live import Live
    from .resources import Resource, ResourceDown
    from .snapshot import Change, Snapshot
    from .status import Applied, Rejection, Status

__all__ = [
    "Applied",
    "BaseSettings",
    "Change",
    "FileLayer",
    "InvalidSettings",
    "LayerError",
    "Live",
    "Origin",
    "Problem",
    "Redacted",
    "Rejected",
    "Rejection",
    "Resource",
    "ResourceDown",
    "RestartRequired",
    "Secret",
    "Section",
    "SettingsError",
    "Snapshot",
    "Status",
    "UnforeseenError",
    "use_parser",
]

__version__ = "0.1.0"

# Whoever only loads does not pay for anyio and a watcher: these come with their modules when they are asked for.
_WITH_LIVE = {
    "Applied": "status",
    "Change": "snapshot",
    "Live": "live",
    "Rejection": "status",
    "Resource": "resources",
    "ResourceDown": "resources",
    "Snapshot": "snapshot",
    "Status": "status",
}


def __getattr__(name: str) -> Any:
    if name in _WITH_LIVE:
        from importlib import import_module

        return getattr(import_module(f".{_WITH_LIVE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
