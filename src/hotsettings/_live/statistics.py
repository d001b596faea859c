"""Numbers about a live object, and what it says about each of its settings."""

from __future__ import annotations

import datetime
from typing import Any

from msgspec import Struct

from .._layers.toml.values import toml
from .._loading.explain import effective, explain, masked
from .._loading.load import Loaded
from .._schema.masking import Hidden
from .._schema.schema import as_values
from ..errors import Origin


class Statistics(Struct, frozen=True):
    """Counts of one live object, for metrics. What is not said to be of now counts since the start.

    Attributes:
        generation: Of the settings that are live now.
        accepted: Reloads that were accepted, the first load included, whether or not a value differed.
        accepted_at: When the last of them was, in UTC, of those that ``events()`` told.
        rejections: Reloads that were rejected.
        subscribers: Iterators and callbacks that there are now.
        subscribers_behind: Of these, how many have not finished with the newest settings.
        callback_failures: Exceptions that callbacks have raised.
        resources: Resources that are held now.
        rebuilds: New instances of resources that have replaced another.
        looks: How often the layers were looked at.
        reads: How often one of them had changed, so that all were read.
        watching: False once the block has ended.
    """

    __module__ = "hotsettings"

    generation: int
    accepted: int
    accepted_at: datetime.datetime
    rejections: int
    subscribers: int
    subscribers_behind: int
    callback_failures: int
    resources: int
    rebuilds: int
    looks: int
    reads: int
    watching: bool


class Described(Struct, frozen=True):
    """One setting as it may be shown: its values are TOML, secrets are masked, and None is a value that is not set.

    Attributes:
        key: Its dotted key.
        section: The section that it belongs to, "" if none.
        description: What the class says about it.
        value: What is live.
        hidden: Whether the value is masked.
        origin: Where the value is written.
        default: What the class says while no layer sets it.
        required: Whether a layer must set it; there is no default then.
        restart: Whether only a new process applies a change of it.
        waiting: What will be live after a restart, if another value waits for that.
        waiting_origin: Where that is written.
    """

    __module__ = "hotsettings"

    key: str
    section: str
    description: str
    value: str | None
    hidden: bool
    origin: Origin
    default: str | None
    required: bool
    restart: bool
    waiting: str | None = None
    waiting_origin: Origin | None = None


def describe(loaded: Loaded) -> tuple[Described, ...]:
    """Describe what is live, in the order of the class."""
    described: list[Described] = []
    for setting in effective(loaded):
        leaf = setting.leaf
        winner = explain(loaded, leaf.key).winner if leaf.key in loaded.pending else None
        default = None if leaf.required else masked(loaded.schema, leaf.path, as_values(leaf.default))
        described.append(
            Described(
                key=leaf.key,
                section=leaf.section,
                description=leaf.description,
                value=_text(setting.value),
                hidden=isinstance(setting.value, Hidden),
                origin=setting.origin,
                default=_text(default),
                required=leaf.required,
                restart=leaf.restart,
                waiting=None if winner is None else _text(winner.value),
                waiting_origin=None if winner is None else winner.origin,
            )
        )
    return tuple(described)


def _text(value: Any) -> str | None:
    return None if value is None else toml(value)
