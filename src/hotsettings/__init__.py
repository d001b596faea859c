"""Settings from layered TOML files, decoded into one immutable msgspec Struct.

How data flows, and where:

    path -> Document      layers (guard, positions)
    Documents -> values   merge
    values -> Settings    decode (schema, shape, frozen)
    what went wrong       problems (excerpts, secrecy) -> errors
    the three steps       load
    the face              settings
"""

from .errors import InvalidSettings, LayerError, Origin, Problem, Rejected, SettingsError
from .marks import RestartRequired, Secret, Section
from .settings import BaseSettings

__all__ = [
    "BaseSettings",
    "InvalidSettings",
    "LayerError",
    "Origin",
    "Problem",
    "Rejected",
    "RestartRequired",
    "Secret",
    "Section",
    "SettingsError",
]

__version__ = "0.1.0"
