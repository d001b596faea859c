"""What a settings class says of itself: its leaf keys, which are secret, which need a restart, how they are grouped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import FieldInfo

from . import shape
from .frozen import freeze
from .keys import Path, dotted
from .marks import RESTART_REQUIRED, SECRET, Section
from .secrecy import is_secret, mask_nested


class Leaf(Struct, frozen=True):
    """One key that a layer can set: a field, or a field of a nested Struct. A mapping is one key."""

    path: tuple[str, ...]
    attributes: tuple[str, ...]
    """Names to follow with getattr; they differ from ``path`` where a field is renamed."""
    annotation: Any
    default: Any
    """``msgspec.NODEFAULT`` where a layer must set it."""
    secret: bool
    restart: bool
    section: str
    description: str

    @property
    def key(self) -> str:
        """Dotted, as TOML would write it."""
        return dotted(self.path)

    @property
    def required(self) -> bool:
        """Whether a layer must set it."""
        return self.default is NODEFAULT

    def value_in(self, settings: Struct) -> Any:
        """The value in these settings; None where an optional table above it is absent."""
        value: Any = settings
        for name in self.attributes:
            value = None if value is None else getattr(value, name)
        return value


class Schema:
    """A settings class, looked through once.

    Raises TypeError, naming the field, for a field that could be mutated or whose default does not fit its type.
    """

    def __init__(self, cls: type[Struct]) -> None:
        fields = msgspec.structs.fields(cls)
        for field in fields:
            shape.refuse_mutable(field.type, f"{cls.__name__}.{field.name}")
            _refuse_default(cls, field)
            mask_nested(field.type)
        self.cls = cls
        self.keys = frozenset(field.encode_name for field in fields)
        self.freezing = tuple(field.name for field in fields if shape.needs_freezing(field.type))
        self.tolerant = not cls.__struct_config__.forbid_unknown_fields
        self.leaves = tuple(_leaves(cls, _Context(default=NODEFAULT)))
        self.secret_names = tuple({leaf.path[-1] for leaf in self.leaves if leaf.secret})
        self._by_path: dict[Path, Leaf] = {leaf.path: leaf for leaf in self.leaves}

    def leaf_of(self, path: Path) -> Leaf | None:
        """The leaf that ``path`` names or leads into; None for a table of leaves and for an unknown key."""
        for end in range(1, len(path) + 1):
            if (leaf := self._by_path.get(path[:end])) is not None:
                return leaf
        return None

    def leaves_below(self, path: Path) -> tuple[Leaf, ...]:
        """The leaf at ``path``, or all leaves of the table there."""
        return tuple(leaf for leaf in self.leaves if leaf.path[: len(path)] == path)


class _Context(Struct, frozen=True, kw_only=True):
    """What the fields of a nested Struct inherit from where it stands."""

    path: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    above: tuple[type[Struct], ...] = ()
    secret: bool = False
    restart: bool = False
    section: str = ""
    default: Any


def _leaves(struct: type[Struct], context: _Context) -> Iterator[Leaf]:
    section = context.section
    for field in msgspec.structs.fields(struct):
        _, metadata = shape.unwrap(field.type)
        section = next((mark.title for mark in metadata if isinstance(mark, Section)), section)
        inner = _Context(
            path=(*context.path, field.encode_name),
            attributes=(*context.attributes, field.name),
            above=(*context.above, struct),
            secret=context.secret or SECRET in metadata,
            restart=context.restart or RESTART_REQUIRED in metadata,
            section=section,
            default=_default(field, context.default),
        )
        nested = shape.struct_of(field.type)
        if nested is not None and nested not in inner.above:
            yield from _leaves(nested, inner)
        else:
            yield _leaf(field, metadata, inner)


def _leaf(field: FieldInfo, metadata: tuple[Any, ...], context: _Context) -> Leaf:
    descriptions = [mark.description for mark in metadata if isinstance(mark, Meta) and mark.description]
    return Leaf(
        path=context.path,
        attributes=context.attributes,
        annotation=field.type,
        default=context.default,
        secret=context.secret or is_secret(field.type),
        restart=context.restart,
        section=context.section,
        description=descriptions[-1] if descriptions else "",
    )


def _default(field: FieldInfo, table: Any) -> Any:
    """The field's default: what the default of the table it stands in says, else its own."""
    if table is None:
        return None
    if isinstance(table, Struct):
        return getattr(table, field.name)
    if field.default_factory is not NODEFAULT:
        return freeze(field.default_factory())
    return field.default


def _refuse_default(cls: type[Struct], field: FieldInfo) -> None:
    if field.default is NODEFAULT:
        return
    try:
        msgspec.convert(as_values(field.default), field.type, str_keys=True)
    except msgspec.ValidationError as error:
        reason = "" if is_secret(field.type) else f": {error}"
    else:
        return
    raise TypeError(f"{cls.__name__}.{field.name}: its default does not fit its type{reason}")


def as_values(value: Any) -> Any:
    """Return settings, or a part of them, as the plain tables, arrays and scalars that a layer would hold."""
    import datetime

    native = (datetime.datetime, datetime.date, datetime.time)
    return msgspec.to_builtins(value, builtin_types=native, str_keys=True)
