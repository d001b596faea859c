"""Settings from layered TOML files, decoded into one immutable msgspec Struct, and followed while they change.

How data flows, and where:

    bytes -> Document      _layers
    what a class declares  _schema
    Documents -> settings  _loading, or every problem -> errors
    secrets out of texts   _redaction
    has it changed?        _watching
    settings -> subscriber _live
    the face               settings
"""

from typing import TYPE_CHECKING, Any

from ._layers.file import FileLayer
from ._layers.folder import FolderLayer
from ._layers.toml.parser import use_parser
from ._layers.values import ValuesLayer
from ._schema.codecs import enc_hook
from ._schema.derived import derived
from ._schema.marks import Before, Check, Deprecated, Renamed, RestartRequired, Secret, Section, Tolerant
from .errors import InvalidSettings, LayerError, Origin, Problem, Redacted, Rejected, SettingsError, UnforeseenError
from .settings import BaseSettings

if TYPE_CHECKING:
    from ._layers.status import LayerStatus
    from ._live.blocking.live import BlockingLive
    from ._live.blocking.resource import BlockingResource
    from ._live.live import Live
    from ._live.resource import Resource, ResourceDown
    from ._live.snapshot import Change, Snapshot
    from ._live.statistics import Described, Statistics
    from ._live.status import Applied, Rejection, Status, Wait
    from ._live.watch import Watch
    from ._loading.explain import Explanation

__all__ = [
    "Applied",
    "BaseSettings",
    "Before",
    "BlockingLive",
    "BlockingResource",
    "Change",
    "Check",
    "Deprecated",
    "Described",
    "Explanation",
    "FileLayer",
    "FolderLayer",
    "InvalidSettings",
    "LayerError",
    "LayerStatus",
    "Live",
    "Origin",
    "Problem",
    "Redacted",
    "Rejected",
    "Rejection",
    "Renamed",
    "Resource",
    "ResourceDown",
    "RestartRequired",
    "Secret",
    "Section",
    "SettingsError",
    "Snapshot",
    "Statistics",
    "Status",
    "Tolerant",
    "UnforeseenError",
    "ValuesLayer",
    "Wait",
    "Watch",
    "derived",
    "enc_hook",
    "use_parser",
]

__version__ = "0.1.0"

# Whoever only loads does not pay for anyio and a watcher: these come with their modules when they are asked for.
_WITH_LIVE = {
    "Applied": "_live.status",
    "BlockingLive": "_live.blocking.live",
    "BlockingResource": "_live.blocking.resource",
    "Change": "_live.snapshot",
    "Described": "_live.statistics",
    "Explanation": "_loading.explain",
    "LayerStatus": "_layers.status",
    "Live": "_live.live",
    "Rejection": "_live.status",
    "Resource": "_live.resource",
    "ResourceDown": "_live.resource",
    "Snapshot": "_live.snapshot",
    "Statistics": "_live.statistics",
    "Status": "_live.status",
    "Wait": "_live.status",
    "Watch": "_live.watch",
}


def __getattr__(name: str) -> Any:
    if name in _WITH_LIVE:
        from importlib import import_module

        return getattr(import_module(f".{_WITH_LIVE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
