"""Where marks may be: what would have no effect is refused when the class is defined."""

from __future__ import annotations

import typing
from typing import Any

import msgspec

from . import field_types
from .marks import TOLERANT, Before, Check, Deprecated, Renamed

_AROUND = {
    "member": "the whole union",
    "key": "the mapping; it does not see single keys",
    "element": "the frozenset, whose elements have no place of their own",
}


def refuse_misplaced(annotation: Any, label: str) -> None:
    """Raise TypeError, naming ``label``, for a mark that would have no effect where it is."""
    _refuse(annotation, label, "field", ())


def _refuse(annotation: Any, label: str, where: str, above: tuple[Any, ...]) -> None:
    bare, metadata = field_types.unwrap(annotation)
    for mark in metadata:
        name = type(mark).__name__
        if isinstance(mark, Renamed | Deprecated) and where != "field":
            raise TypeError(f"{label}: {name} has an effect only around the type of a field that is a key of its own")
        if isinstance(mark, Before | Check) and where in _AROUND:
            raise TypeError(f"{label}: put {name} around {_AROUND[where]}")
        if mark is TOLERANT and not any(map(field_types.struct_of, field_types.structs_below(bare))):
            raise TypeError(f"{label}: Tolerant is for tables whose keys are known, and there is none")
    if bare in above:
        return
    above = (*above, bare)
    members = field_types.alternatives(bare)
    if members != [bare]:
        for member in members:
            _refuse(member, label, where if where == "element" else "member", above)
    elif field_types.struct_class(bare) is not None:
        if field_types.struct_of(bare) is not None:
            _refuse_taken_keys(bare)
        inner = "field" if field_types.struct_of(bare) is not None else "item"
        for field in msgspec.structs.fields(bare):
            _refuse(field.type, f"{label}.{field.name}", "element" if where == "element" else inner, above)
    elif (entries := field_types.entries_of(bare)) is not None:
        _refuse(entries[0], label, "key", above)
        _refuse(entries[1], label, "item", above)
    elif typing.get_origin(bare) in (tuple, frozenset):
        inner = "element" if where == "element" or typing.get_origin(bare) is frozenset else "item"
        for argument in typing.get_args(bare):
            if argument is not ...:
                _refuse(argument, label, inner, above)


def _refuse_taken_keys(struct: Any) -> None:
    """Raise TypeError for a former key that is the key of another field, or a former one of it."""
    name = getattr(field_types.struct_class(struct), "__name__", "")
    taken = {field.encode_name: field.name for field in msgspec.structs.fields(struct)}
    for field in msgspec.structs.fields(struct):
        _, metadata = field_types.unwrap(field.type)
        for old in (old for mark in metadata if isinstance(mark, Renamed) for old in mark.old):
            if old in taken:
                raise TypeError(f"{name}.{field.name}: Renamed({old!r}) names a key of {taken[old]}")
            taken[old] = field.name
