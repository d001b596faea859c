"""A logger whose level follows a setting."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .. import Change, Live

if TYPE_CHECKING:
    from .._live.callbacks import Handle


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


def _leaf(live: Live[Any], key: str) -> Any:
    """What the settings class says of this key."""
    leaves = {leaf.key: leaf for leaf in type(live.current).__schema__.leaves}
    if key not in leaves:
        live.explain(key)  # raises ValueError for what is no key, with a suggestion
        raise ValueError(f"{key} is no single setting")
    return leaves[key]


def _level(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value
