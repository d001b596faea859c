"""Containers that cannot change: what mappings and arrays become inside settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any, Final, NoReturn, TypeVar
from weakref import WeakKeyDictionary

from msgspec import Struct
from msgspec.structs import fields, force_setattr

from .field_types import needs_freezing

# Most values in large containers are of these types, and checking the set of all types is much faster than checking each value.
ATOMS: Final = frozenset({str, int, float, bool, NoneType, bytes})
_MUTABLE: Final = frozenset({dict, list, set, bytearray})
_FEW: Final = 10
"""Up to so many values, a look at each takes no longer than one at all types at once."""
_put: Final = dict.__setitem__

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dict that refuses every change and hashes by its items.

    A dict subclass, and not a MappingProxyType, because settings are pickled, copied and encoded by msgspec.
    """

    __module__ = "hotsettings.frozen"

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return hash(frozenset(self.items()))

    def __copy__(self) -> FrozenDict[K, V]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenDict[K, V]:
        return self

    def __reduce__(self) -> tuple[type[FrozenDict[K, V]], tuple[dict[K, V]]]:
        return type(self), (dict(self),)


def _refuse(*args: object, **kwargs: object) -> NoReturn:
    del args, kwargs  # a traceback may show the locals, and a mapping may be secret
    raise TypeError("settings are immutable; copy the mapping with dict() to change it")


# Not in the class, so that it stays a dict to type checkers and nobody has to cast.
for _mutator in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(FrozenDict, _mutator, _refuse)


def freeze(value: Any) -> Any:
    """Return ``value`` with every dict, list and set in it replaced by its immutable kind, at any depth.

    Structs are frozen in place: they have just been decoded, so nobody else holds a reference yet.
    """
    kind = type(value)
    if kind in ATOMS or kind is FrozenDict:
        return value
    if isinstance(value, dict):
        return _frozen(value)
    if isinstance(value, list):
        return _frozen_array(value)
    if kind is tuple:
        return value if _immutable(value) else _frozen_array(value)
    if isinstance(value, set):
        return frozenset(value)
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, Struct):
        freeze_fields(value, _mutable_fields(type(value)))
    return value


def _frozen(table: dict[K, Any]) -> FrozenDict[K, Any]:
    frozen = FrozenDict(table)
    if len(table) < _FEW or not _immutable(table.values()):
        for key, item in table.items():
            if (kind := type(item)) is dict:
                _put(frozen, key, _frozen(item))
            elif kind not in ATOMS and (inside := freeze(item)) is not item:
                _put(frozen, key, inside)
    return frozen


def _frozen_array(array: Sequence[Any]) -> tuple[Any, ...]:
    if len(array) >= _FEW and _immutable(array):
        return tuple(array)
    return tuple(
        [
            _frozen_array(item) if (kind := type(item)) is list else item if kind in ATOMS else freeze(item)
            for item in array
        ]
    )


def freeze_fields(struct: Struct, names: tuple[str, ...]) -> None:
    """Freeze these fields of a Struct in place."""
    for name in names:
        value = getattr(struct, name)
        if (frozen := freeze(value)) is not value:
            force_setattr(struct, name, frozen)


def _immutable(items: Iterable[Any]) -> bool:
    kinds = set(map(type, items))
    if kinds <= ATOMS:
        return True
    return kinds.isdisjoint(_MUTABLE) and all(
        kind in ATOMS or (issubclass(kind, Struct) and not _mutable_fields(kind)) for kind in kinds
    )


def _mutable_fields(struct: type[Struct]) -> tuple[str, ...]:
    """The fields of a Struct that decoding may leave mutable."""
    if (names := _known.get(struct)) is None:
        names = _known[struct] = tuple(field.name for field in fields(struct) if needs_freezing(field.type))
    return names


_known: WeakKeyDictionary[type[Struct], tuple[str, ...]] = WeakKeyDictionary()
