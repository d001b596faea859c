"""Settings that only a new process can apply keep their first value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..._layers.toml.values import toml
from ..._loading.explain import live_parts, set_by_secrets
from ..._loading.load import Loaded, validated
from ..._loading.prepare import Prepared
from ..._schema.masking import HIDDEN
from ..._schema.schema import Leaf, Schema, as_values, plain
from ..._schema.shape import masked
from ...errors import InvalidSettings
from ..snapshot import changed_keys, differs, same

if TYPE_CHECKING:
    from ..._redaction import Redactor

_SAID = 5
"""Keys that wait for a restart that a message names."""
_LONGEST = 60
"""Characters of a value that a message shows."""


def keep_first(first: Loaded, loaded: Loaded, redactor: Redactor | None = None) -> Loaded:
    """Return what can go live while ``first`` is what the process was started with.

    RestartRequired keys have their first value, and so has a whole table that would come or go with one of them. What
    the documents say differently is ``pending``. Raises InvalidSettings if what would go live is not valid as a whole, and says
    which keys keep which values.
    """
    schema = loaded.schema
    settings = loaded.settings
    waiting = [leaf for leaf in schema.restarting if _waits(schema, leaf, first.settings, settings)]
    if not waiting:
        return loaded
    values = plain(settings)
    for leaf in waiting:
        _put(values, leaf, first.settings)
    try:
        kept = validated(schema, loaded.documents, Prepared(values), redactor)
    except InvalidSettings as error:
        why = _why(first, loaded, waiting, redactor)
        problems = [replace(problem, message=f"{problem.message}, {why}") for problem in error.problems]
        refused = InvalidSettings(problems, error.total, while_waiting=True)
    else:
        pending = changed_keys(schema, kept, settings) - {leaf.key for leaf in schema.derived}
        hidden = frozenset(
            part.path for leaf, part in live_parts(first) if leaf.key in pending and set_by_secrets(first, part.path)
        )
        return replace(loaded, settings=kept, pending=pending, hidden=hidden)
    raise refused


def _waits(schema: Schema, leaf: Leaf, first: Any, new: Any) -> bool:
    """Whether a RestartRequired key has another value than at first. An optional table without a hot key waits even if it is empty."""
    if not same(leaf.value_in(first), leaf.value_in(new)):
        return True
    return differs(leaf, first, new) and all(each.restart for each in schema.leaves_below(leaf.path[:-1]))


def _why(first: Loaded, loaded: Loaded, waiting: Sequence[Leaf], redactor: Redactor | None) -> str:
    """Say which keys keep which values: ``while WORKERS stays 4 until a restart``."""
    stays = []
    for leaf in waiting[:_SAID]:
        value = masked(leaf.shape, as_values(leaf.value_in(first.settings)))
        if set_by_secrets(first, leaf.path) or set_by_secrets(loaded, leaf.path):
            value = HIDDEN
        shown = toml(value) if redactor is None else redactor.redact(toml(value))
        stays.append(f"{leaf.key} stays {shown if len(shown) <= _LONGEST else 'as it is'}")
    if len(waiting) > _SAID:
        stays.append(f"{len(waiting) - _SAID} more stay as they are")
    return f"while {' and '.join(stays)} until a restart"


def _put(values: dict[str, Any], leaf: Leaf, first: Any) -> None:
    """Set the leaf to its first value; where the table it stands in was absent at first, that stays absent as a whole."""
    value = first
    for part, attribute in zip(leaf.path[:-1], leaf.attributes[:-1], strict=True):
        value = getattr(value, attribute)
        if value is None or not isinstance(values.get(part), dict):
            values[part] = plain(value)
            return
        values = values[part]
    values[leaf.path[-1]] = plain(getattr(value, leaf.attributes[-1]))
