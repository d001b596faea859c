"""Settings that only a new process can apply keep their first value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..._loading.explain import live_parts, set_by_secrets
from ..._loading.load import Loaded, validated
from ..._loading.prepare import Prepared
from ..._schema.schema import Leaf, as_values
from ...errors import InvalidSettings
from ..snapshot import changed_keys, same

if TYPE_CHECKING:
    from ..._redaction import Redactor


def keep_first(first: Loaded, loaded: Loaded, redactor: Redactor | None = None) -> Loaded:
    """Return what can go live while ``first`` is what the process was started with.

    RestartRequired keys have their first value, and so has a whole table that would come or go with one of them. What
    the documents say differently is ``pending``. Raises InvalidSettings if what would go live is not valid as a whole.
    """
    schema = loaded.schema
    settings = loaded.settings
    waiting = [leaf for leaf in schema.restarting if not same(leaf.value_in(first.settings), leaf.value_in(settings))]
    if not waiting:
        return loaded
    values = as_values(settings)
    for leaf in waiting:
        _put(values, leaf, first.settings)
    kept = _validated(loaded, values, redactor)
    pending = changed_keys(schema, kept, settings)
    hidden = frozenset(
        part.path for leaf, part in live_parts(first) if leaf.key in pending and set_by_secrets(first, part.path)
    )
    return replace(loaded, settings=kept, pending=pending, hidden=hidden)


def _validated(loaded: Loaded, values: dict[str, Any], redactor: Redactor | None) -> Any:
    try:
        return validated(loaded.schema, loaded.documents, Prepared(values), redactor)
    except InvalidSettings as error:
        refused = InvalidSettings(error.problems, error.total, while_waiting=True)
    raise refused


def _put(values: dict[str, Any], leaf: Leaf, first: Any) -> None:
    """Set the leaf to its first value; where the table it stands in was absent at first, that stays absent as a whole."""
    value = first
    for part, attribute in zip(leaf.path[:-1], leaf.attributes[:-1], strict=True):
        value = getattr(value, attribute)
        if value is None or not isinstance(values.get(part), dict):
            values[part] = as_values(value)
            return
        values = values[part]
    values[leaf.path[-1]] = as_values(getattr(value, leaf.attributes[-1]))
