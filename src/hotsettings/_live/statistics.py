"""Numbers about a live object, and what it says about each of its settings."""

from __future__ import annotations

import datetime
import os
from hashlib import blake2b
from itertools import groupby
from typing import Any

from msgspec import Struct

from .._layers.toml.keys import ABSENT, follow
from .._layers.toml.values import toml
from .._loading.explain import Entry, Setting, explain, with_values
from .._loading.load import Loaded
from .._schema.masking import Hidden
from .._schema.schema import as_values
from .._schema.shape import in_order, masked
from ..errors import Origin


class Statistics(Struct, frozen=True):
    """Counts of one live object, for metrics: since the start, unless the text says "now".

    Attributes:
        generation: That of the settings that are live now.
        accepted: Reloads that were accepted, the first load included, whether or not a value differed.
        accepted_at: When the last Applied of ``events()`` was, in UTC; before the first one, when the settings were
            loaded.
        rejections: Reloads that were rejected.
        subscribers: Iterators and callbacks that there are now.
        subscribers_behind: Of these, how many have not finished with the newest settings.
        callback_failures: Exceptions that callbacks have raised.
        resources: Resources that are held now.
        rebuilds: New instances of resources that have replaced another.
        looks: How often the layers were checked.
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
        key: Its dotted key. Entries of mappings and tables in arrays have keys of their own: ``dbs.main.port``,
            ``hosts[0].port``.
        field: The key of the field that it belongs to, which is what subscribers name.
        section: The section that it belongs to, "" if none.
        description: What the class says about it.
        value: What is live.
        hidden: Whether the value is masked.
        identity: For a masked value, a text that is equal for equal values in this process, and reveals nothing else.
        origin: Where the value is written.
        default: What the class says while no layer sets it.
        required: Whether a layer must set it; there is no default then.
        restart: Whether only a new process applies a change of it.
        waiting: What will be live after a restart, if another value waits for that.
        waiting_origin: Where that is written.
    """

    __module__ = "hotsettings"

    key: str
    field: str
    section: str
    description: str
    value: str | None
    hidden: bool
    identity: str
    origin: Origin
    default: str | None
    required: bool
    restart: bool
    waiting: str | None = None
    waiting_origin: Origin | None = None


def describe(loaded: Loaded) -> tuple[Described, ...]:
    """Describe what is live, leaf by leaf, in the order of the class."""
    described: list[Described] = []
    for leaf, settings in groupby(with_values(loaded), key=lambda pair: pair[1].leaf):
        waiting: tuple[str | None, Origin | None] = None, None
        if leaf.key in loaded.pending:  # what waits may have other leaves inside, so both are shown whole
            explained = explain(loaded, leaf.key)
            assert explained.kept is not None
            waiting = _text(explained.winner), explained.winner.origin
            kept = Setting(leaf, leaf.path, explained.kept.value, explained.kept.origin)
            settings = iter([(leaf.value_in(loaded.settings), kept)])
        described += (_described(setting, value, *waiting) for value, setting in settings)
    return tuple(described)


def _described(setting: Setting, value: Any, waiting: str | None, waiting_origin: Origin | None) -> Described:
    leaf = setting.leaf
    inner = setting.path[len(leaf.path) :]
    shape = leaf.shape.at(inner)
    default = ABSENT if leaf.required else follow(in_order(leaf.shape, as_values(leaf.default)), inner)
    hidden = isinstance(setting.value, Hidden)
    return Described(
        key=setting.key,
        field=leaf.key,
        section=leaf.section,
        description=shape.description if inner and shape is not None else leaf.description,
        value=_text(setting),
        hidden=hidden,
        identity=_identity(value) if hidden else "",
        origin=setting.origin,
        default=None if default is ABSENT or default is None else toml(masked(shape, default)),
        required=leaf.required and not inner,
        restart=leaf.restart,
        waiting=waiting,
        waiting_origin=waiting_origin,
    )


_KEY = os.urandom(32)


def _identity(value: Any) -> str:
    return blake2b(repr(value).encode(errors="backslashreplace"), key=_KEY, digest_size=16).hexdigest()


def _text(said: Setting | Entry) -> str | None:
    return None if said.value is None else said.text
