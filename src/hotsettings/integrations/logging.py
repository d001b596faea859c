"""A logger whose level follows a setting."""

from __future__ import annotations

import logging
from typing import Any

from .._layers.toml.spelling import closest
from .._live.callbacks import Handle
from .._live.live import Live, hub_of
from .._live.snapshot import Change
from .._schema.schema import Leaf


def follow_level(live: Live[Any], key: str, logger: logging.Logger | None = None) -> Handle:
    """Set the level of a logger (the root's by default) to what the setting says, now and after each change.

    The setting is a name (``"INFO"``, in any case) or a number. Declare it as a Literal or with bounds: a level that
    does not exist raises here, and is logged as a failed callback later. ``.cancel()`` on what is returned ends it, and
    leaves the level as it is. Raises ValueError for an unknown key.
    """
    leaf, followed = _leaf(live, key), logger if logger is not None else logging.getLogger()

    def follow(change: Change[Any]) -> None:
        followed.setLevel(_level(leaf.value_in(change.new)))

    followed.setLevel(_level(leaf.value_in(live.current)))
    return live.on_change(follow, key)


def _leaf(live: Live[Any], key: str) -> Leaf:
    schema = hub_of(live).schema
    leaves = {leaf.key: leaf for leaf in schema.leaves}
    if key not in leaves:
        near = closest(key, leaves)
        raise ValueError(f"{schema.cls.__name__} has no key {key}" + (f"; did you mean {near}?" if near else ""))
    return leaves[key]


def _level(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value
