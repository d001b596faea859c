"""Snapshots: the settings of one moment, and what differs between two of them."""

import datetime
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from .._boundary import without_frames
from .._loading.explain import effective, origins
from .._loading.load import Loaded
from .._schema.frozen import ATOMS
from .._schema.schema import Leaf, Schema
from ..errors import Origin

S = TypeVar("S")


class Snapshot(Generic[S]):
    """One immutable set of settings, decoded from all layers as they were at one moment.

    ``generation`` is 1 for the first and grows by one with each that goes live; ``loaded_at`` is in UTC.
    """

    __module__ = "hotsettings"

    __slots__ = ("_digest", "_origins", "generation", "loaded", "loaded_at", "settings")

    def __init__(self, loaded: Loaded, generation: int) -> None:
        self.settings: S = loaded.settings
        self.generation = generation
        self.loaded_at = datetime.datetime.now(datetime.UTC)
        self.loaded = loaded
        self._origins: Mapping[str, Origin] | None = None
        self._digest: str | None = None

    @property
    @without_frames
    def origins(self) -> Mapping[str, Origin]:
        """Where each live value is written, by key. Worked out when first asked for."""
        if self._origins is None:
            self._origins = MappingProxyType(origins(self.loaded))
        return self._origins

    @property
    @without_frames
    def digest(self) -> str:
        """64 hexadecimal digits that are the same wherever the same settings are live.

        Nothing secret goes into it, since a weak secret could be guessed from it: not the values of Secret fields, nor
        what the secrets file says. So a changed secret does not change it.
        """
        if self._digest is None:
            shown = {setting.key: setting.value for setting in effective(self.loaded) if not setting.leaf.sources}
            self._digest = hashlib.sha256(msgspec.json.encode(shown, enc_hook=repr, order="deterministic")).hexdigest()
        return self._digest

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if name != "loaded"]

    def __repr__(self) -> str:
        return f"Snapshot(generation={self.generation}, loaded_at={self.loaded_at.isoformat()}, {self.settings!r})"


class Change(Struct, Generic[S], frozen=True):
    """Old settings, new settings, and the dotted keys of all leaves that differ.

    ``generation`` is that of the new ones. A slow subscriber gets one change for several generations.
    """

    __module__ = "hotsettings"

    old: S
    new: S
    keys: frozenset[str]
    generation: int


def changed_keys(schema: Schema, old: Any, new: Any) -> frozenset[str]:
    """Return the dotted keys of all leaves and derived values that differ between two settings of the schema's class."""
    values = zip(schema.cls.__struct_fields__, astuple(old), astuple(new), strict=True)
    differing = {name for name, one, other in values if not same(one, other)}
    leaves = (leaf for leaf in schema.leaves if leaf.attributes[0] in differing) if differing else ()
    keys = frozenset(leaf.key for leaf in leaves if len(leaf.path) == 1 or differs(leaf, old, new))
    return keys.union(
        leaf.key
        for leaf in schema.derived
        if any(source.key in keys for source in leaf.sources) and not same(leaf.value_in(old), leaf.value_in(new))
    )


def differs(leaf: Leaf, old: Any, new: Any) -> bool:
    """Whether a leaf differs. Where both sides have no value, an optional table that comes or goes makes the difference."""
    one, other = leaf.value_in(old), leaf.value_in(new)
    if one is None and other is None:
        table = len(leaf.path) - 1
        return (leaf.value_in(old, table) is None) != (leaf.value_in(new, table) is None)
    return not same(one, other)


def same(one: Any, other: Any) -> bool:
    """Whether two values are alike in type and content. Unlike ``==``, 1 is not True or 1.0, and NaN is NaN."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if type(one) in ATOMS:
        return bool(one == other or (one != one and other != other))
    if isinstance(one, dict):
        if len(one) != len(other):
            return False
        for key, item in one.items():  # noqa: SIM110 - a generator costs more than a small table, and there may be a million
            if key not in other or not same(item, other[key]):
                return False
        return True
    if isinstance(one, tuple | list):  # documents have lists
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Struct):
        return all(same(getattr(one, name), getattr(other, name)) for name in one.__struct_fields__)
    if isinstance(one, frozenset):
        return len(one) == len(other) and set(map(_identity, one)) == set(map(_identity, other))
    try:
        return bool(one == other) or (one != one and other != other)
    except ArithmeticError:  # a signalling NaN of Decimal compares with nothing
        return str(one) == str(other)


def _identity(item: Any) -> Any:
    """Something hashable that is equal where elements of sets are alike."""
    if isinstance(item, tuple):
        return tuple, tuple(map(_identity, item))
    return type(item), item if item == item else None
