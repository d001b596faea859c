"""A logger whose level follows a setting."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, overload

from msgspec.structs import fields

from .._layers.toml.keys import written

if TYPE_CHECKING:
    from .. import BlockingLive, Live
    from .._live.blocking.live import BlockingHandle
    from .._live.callbacks import Handle


@overload
def follow_level(live: Live[Any], key: str, logger: logging.Logger | None = None) -> Handle: ...


@overload
def follow_level(live: BlockingLive[Any], key: str, logger: logging.Logger | None = None) -> BlockingHandle: ...


def follow_level(
    live: Live[Any] | BlockingLive[Any], key: str, logger: logging.Logger | None = None
) -> Handle | BlockingHandle:
    """Set the level of a logger (the root's by default) to what the setting says, now and after each change.

    The setting is a name (``"INFO"``, in any case) or a number. Declare it as a Literal or with bounds: a level that
    does not exist raises here, and is logged as a failed callback later. ``.cancel()`` on what is returned ends it, and
    leaves the level as it is. Raises ValueError for an unknown key.
    """
    if key not in {described.field for described in live.describe()}:
        live.explain(key)  # raises ValueError for what is no key, with a suggestion
        raise ValueError(f"{key} is no single setting")
    followed = logger if logger is not None else logging.getLogger()

    def apply(_: object = None) -> None:
        applied = None
        while applied is not live.current:  # a change may come meanwhile, in another thread
            applied = live.current
            value = _value(applied, key)
            followed.setLevel(value.upper() if isinstance(value, str) else value)

    handle = live.on_change(apply, key)
    try:
        apply()
    except BaseException:
        handle.cancel()
        raise
    return handle


def _value(table: Any, key: str) -> Any:
    """The value of a dotted key in settings, or in a table of them; None where an optional table is absent."""
    for field in fields(table) if table is not None else ():
        value, name = getattr(table, field.name), written(field.encode_name)
        if key == name:
            return value
        if key.startswith(f"{name}."):
            return _value(value, key.removeprefix(f"{name}."))
    return None
