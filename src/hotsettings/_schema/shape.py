"""What values of an annotation are made of: which part of a table or array has which type, and which parts are secret.

`Schema` knows the fields of a class and of its nested Structs. What mappings, arrays and unions hold depends on the values, so
here a `Shape` is asked together with a value.
"""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any, Final, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import FieldInfo

from .._layers.toml.keys import ABSENT, Path, Values
from .._layers.toml.values import toml
from . import field_types
from .marks import SECRET, TOLERANT, Before, Check, Deprecated, Renamed
from .masking import HIDDEN, is_secret

_UNTYPED: Final = (Any, object, collections.abc.Mapping)
"""Their tables may hold anything."""


class Shape:
    """The shape of the values of one annotation. It is analysed once for all its values.

    Args:
        annotation: The annotation.
        secret: Whether a table or array around these values is declared Secret as a whole.
        default: The value where layers write none; ABSENT if there is no such value.
    """

    def __init__(self, annotation: Any, secret: bool = False, default: Any = ABSENT) -> None:
        self.annotation = annotation
        self.default = default
        self.bare, self.metadata = field_types.unwrap(annotation)
        self.secret = secret or SECRET in self.metadata

    @cached_property
    def holds_secret(self) -> bool:
        """Whether the values, or any part of them, are declared Secret."""
        return self.secret or is_secret(self.annotation)

    @property
    def description(self) -> str:
        """What the annotation says about the values, if it says something."""
        said = [mark.description for mark in self.metadata if isinstance(mark, Meta) and mark.description]
        return said[-1] if said else ""

    @cached_property
    def members(self) -> list[Shape]:
        """The members of a union, or else this shape alone."""
        members = field_types.alternatives(self.bare)
        return [self] if members == [self.bare] else [Shape(member, self.secret, self.default) for member in members]

    @cached_property
    def struct(self) -> type[Struct] | None:
        """The Struct that a table of this shape becomes. None for a union of several."""
        return field_types.struct_of(self.bare)

    @cached_property
    def _by_tag(self) -> dict[tuple[type, type, Any], list[Shape]]:
        found: dict[tuple[type, type, Any], list[Shape]] = {}
        for member in self.members:
            if (config := member._tagged) is not None:
                found[list if config.array_like else dict, type(config.tag), config.tag] = [member]
        return found

    @cached_property
    def tag_field(self) -> str | None:
        """The key whose value tells which member of a tagged union a table is."""
        for member in self.members:
            if (config := member._tagged) is not None and not config.array_like:
                return str(config.tag_field)
        return None

    @cached_property
    def _tagged(self) -> Any:
        """The configuration of a Struct that has a tag; None for anything else."""
        return _config(self.bare) if field_types.is_tagged(self.bare) else None

    def members_for(self, value: Any) -> list[Shape]:
        """The members that a value can be an instance of: all, unless it is a table or an array whose tag names one."""
        tag, kind = None, dict if isinstance(value, dict) else list
        if isinstance(value, dict) and self.tag_field is not None:
            tag = value.get(self.tag_field)
        elif isinstance(value, list) and value:
            tag = value[0]
        return self._by_tag.get((kind, type(tag), tag), self.members) if isinstance(tag, str | int) else self.members

    def arrays_for(self, value: Any) -> list[Shape]:
        """The members that an array can be an instance of, if their elements are known."""
        members = self.members_for(value)
        return [each for each in members if each.struct is None and each.elements and not each.lacks_tag(value)]

    def lacks_tag(self, value: Any) -> bool:
        """Whether an array does not begin with the tag of the Struct that it should become. Nobody knows what is where then."""
        config = self._tagged
        return config is not None and config.array_like and isinstance(value, list) and value[:1] != [config.tag]

    @cached_property
    def fields(self) -> dict[str, Shape] | None:
        """The fields of a Struct that is written as a table, by the key that layers write."""
        if self.struct is None:
            return None
        below = self.default if isinstance(self.default, field_types.class_of(self.struct)) else None
        return {
            field.encode_name: Shape(
                field.type, self.secret, own_default(field) if below is None else getattr(below, field.name)
            )
            for field in msgspec.structs.fields(self.struct)
        }

    @cached_property
    def entries(self) -> tuple[Shape, Shape] | None:
        """The keys and the values of a mapping."""
        entry = field_types.entries_of(self.bare)
        return None if entry is None else (Shape(entry[0], self.secret), Shape(entry[1], self.secret))

    @cached_property
    def elements(self) -> Iterable[Shape]:
        """The elements of an array, one after the other."""
        items = field_types.items_of(self.bare)
        if isinstance(items, repeat):
            return repeat(Shape(next(items), self.secret))
        return [Shape(item, self.secret) for item in items]

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys that a table of this Struct may have, that of its tag included."""
        tag = () if self.tag_field is None else (self.tag_field,)
        return frozenset((*(self.fields or ()), *tag))

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The former keys of the fields of a Struct, each with the present one."""
        return {old: key for key, field in (self.fields or {}).items() for old in field.marked(Renamed, "old")}

    @cached_property
    def default_tables(self) -> dict[str, FieldInfo]:
        """The fields of a Struct whose default is a Struct, which lies under what the layers say."""
        fields = () if self.struct is None else msgspec.structs.fields(self.struct)
        return {field.encode_name: field for field in fields if isinstance(own_default(field), Struct)}

    @cached_property
    def attributes(self) -> dict[str, str]:
        """The names of the fields of a Struct, by the keys that layers write."""
        fields = () if self.struct is None else msgspec.structs.fields(self.struct)
        return {field.encode_name: field.name for field in fields}

    def marked(self, mark: type[Any], attribute: str) -> list[Any]:
        """What the marks of this type around the annotation say, the innermost first. A tuple stands for all in it."""
        said: list[Any] = []
        for value in (getattr(found, attribute) for found in self.metadata if isinstance(found, mark)):
            said += value if isinstance(value, tuple) else (value,)
        return said

    @cached_property
    def conversions(self) -> list[Callable[[Any], Any]]:
        """What converts a value before it is decoded."""
        return self.marked(Before, "function")

    @cached_property
    def checks(self) -> list[Callable[[Any], Any]]:
        """What may refuse a decoded value."""
        return self.marked(Check, "function")

    @cached_property
    def deprecated(self) -> list[str]:
        """What to do instead of setting the value."""
        return self.marked(Deprecated, "instead")

    @cached_property
    def tolerant(self) -> bool:
        """Whether tables may have unknown keys, at any depth."""
        return TOLERANT in self.metadata

    @cached_property
    def has_tables(self) -> bool:
        """Whether values are, or hold, tables of Structs."""
        return next(field_types.structs_below(self.annotation), None) is not None

    @cached_property
    def is_prepared(self) -> bool:
        """Whether values, or anything in them, need more than msgspec before they are decoded."""
        rules = (Before, Check, Deprecated)
        if any(mark is TOLERANT or isinstance(mark, rules) for mark in field_types.metadata_below(self.annotation)):
            return True
        structs = list(field_types.structs_below(self.annotation))
        return any(Shape(struct).default_tables or not _config(struct).forbid_unknown_fields for struct in structs)

    @cached_property
    def holds_set(self) -> bool:
        """Whether values are, or hold, sets."""
        return any(get_origin(bare) is frozenset for bare in field_types.types_below(self.annotation))

    @cached_property
    def is_renamed(self) -> bool:
        """Whether any field in it has a former key."""
        return any(isinstance(mark, Renamed) for mark in field_types.metadata_below(self.annotation))

    def inside(self, value: Any, part: str | int) -> Shape | None:
        """The shape of what a table or array has at a key or index. None for what it cannot have."""
        for member in self.members_for(value):
            if (found := member._part(part)) is not None:
                return found
        return None

    def at(self, path: Path, value: Any = None) -> Shape | None:
        """The shape of what is at a path inside a value. Without a value, a part of any member of a union counts."""
        shapes = [(self, value)]
        for part in path:
            shapes = [
                (found, _get(inner, part))
                for shape, inner in shapes
                for member in shape.members_for(inner)
                if (found := member._part(part)) is not None
            ]
        return max((shape for shape, _ in shapes), key=lambda shape: shape.holds_secret, default=None)

    def _part(self, part: str | int) -> Shape | None:
        if self.bare in _UNTYPED:
            return UNTYPED[self.secret]
        if isinstance(part, int):
            return None if self.fields is not None else self._element(part)
        if self.fields is not None:
            return self.fields.get(part, Shape(str) if part == self.tag_field else None)
        return None if self.entries is None else self.entries[1]

    def _element(self, index: int) -> Shape | None:
        if isinstance(self.elements, list):
            return self.elements[index] if index < len(self.elements) else None
        return next(iter(self.elements), None)  # all are alike

    def is_whole(self, value: Any) -> bool:
        """Whether a table or array is hidden as a whole, with its keys and its length, because all of it is, or may be, secret."""
        return any(
            (member.secret and member.fields is None)
            or (member.entries is not None and member.entries[0].holds_secret)
            or (member.holds_secret and member.lacks_tag(value))
            for member in self.members_for(value)
        )

    def hides(self, value: Any) -> bool:
        """Whether a leaf must not be shown. An empty table or array shows nothing, unless it is secret as a whole."""
        if value in ({}, []) and not self.is_whole(value):
            return False
        return any(member.holds_secret for member in self.members_for(value))


UNTYPED: Final = (Shape(Any), Shape(Any, secret=True))
"""The shape of what may be anything; the second is for what is in a table that is secret as a whole."""


def _config(struct: Any) -> Any:
    kind: Any = field_types.struct_class(struct)  # a generic S[T] does not tell its configuration itself
    return kind.__struct_config__


def own_default(field: FieldInfo) -> Any:
    """Return the default of a field, or ABSENT."""
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return ABSENT if field.default is NODEFAULT else field.default


def _get(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


class Part(msgspec.Struct, frozen=True):
    """A leaf inside a value: what is no table and no array of tables, or is hidden as a whole.

    Attributes:
        path: Where it is.
        value: A plain value.
        shape: Its shape. None for a key that the class does not know.
    """

    path: Path
    value: Any
    shape: Shape | None

    @property
    def hidden(self) -> bool:
        """Whether the class forbids to show it. A key that the class does not know may be a misspelt secret."""
        return self.shape is None or self.shape.hides(self.value)


def parts_of(shape: Shape | None, value: Any, path: Path = ()) -> Iterator[Part]:
    """Yield the leaves inside a plain value, in its order. ``{"main": {"port": 1}}`` has one, at ``("main", "port")``."""
    if _opens(shape, value):
        for part, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from parts_of(shape and shape.inside(value, part), item, (*path, part))
    elif path:  # an empty document has no leaf
        yield Part(path, value, shape)


def in_order(shape: Shape | None, value: Any) -> Any:
    """Return a plain value with the elements of each set sorted: sets of texts have another order in each process."""
    if shape is None or not shape.holds_set:
        return value
    if isinstance(value, dict):
        return {key: in_order(shape.inside(value, key), item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    for member in shape.members:
        if get_origin(member.bare) is frozenset:
            return sorted(value, key=_rank)
        if inside := [in_order(element, item) for element, item in zip(member.elements, value, strict=False)]:
            return inside + value[len(inside) :]
    return value


def _rank(element: Any) -> tuple[str, Any]:
    return type(element).__name__, element if isinstance(element, int | float | str) else toml(element)


def masked(shape: Shape | None, value: Any, everything: bool = False) -> Any:
    """Return a plain value in which HIDDEN replaces each secret, or ``everything`` but the keys. None stays."""
    if _opens(shape, value):
        if isinstance(value, dict):
            return {key: masked(shape and shape.inside(value, key), item, everything) for key, item in value.items()}
        return [masked(shape and shape.inside(value, index), item, everything) for index, item in enumerate(value)]
    hidden = everything or shape is None or shape.hides(value)
    return HIDDEN if hidden and value is not None else value


def secret_paths(shape: Shape, value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield where a plain value has something that is declared Secret."""
    if not shape.holds_secret:
        return
    if _opens(shape, value):
        for part, item in value.items() if isinstance(value, dict) else enumerate(value):
            if (inner := shape.inside(value, part)) is not None:
                yield from secret_paths(inner, item, (*path, part))
    elif shape.hides(value):
        yield path


def whole_at(shape: Shape, value: Any, path: Path) -> Path | None:
    """Return the first part of a path at which a value is secret as a whole, keys included, if there is one."""
    reached: Shape | None = shape
    for end, part in enumerate((*path, None)):
        if reached is None or reached.is_whole(value):
            return None if reached is None else path[:end]
        if part is not None:
            reached, value = reached.at((part,), value), _get(value, part)
    return None


def _opens(shape: Shape | None, value: Any) -> bool:
    """Whether a value is a table or an array of tables whose leaves are told apart."""
    if shape is None or not value or not isinstance(value, dict | list) or shape.is_whole(value):
        return False
    members = shape.members_for(value)
    if isinstance(value, dict):
        return any(each.fields is not None or each.entries is not None or each.bare in _UNTYPED for each in members)
    return _has_tables(value) and shape.inside(value, 0) is not None


def _has_tables(values: list[Any]) -> bool:
    return any(isinstance(item, dict) or (isinstance(item, list) and _has_tables(item)) for item in values)


def merges(shape: Shape | None, below: Values, above: Values) -> bool:
    """Whether a table is merged with the one below it. One that names another tag takes its place."""
    if shape is None or (field := shape.tag_field) is None or field not in above:
        return True
    return field not in below or below[field] == above[field]


def tagged(shape: Shape | None, tables: Sequence[Values]) -> Values:
    """Return a table with the tag of tables that are merged, given in rising precedence: what they name, or the default."""
    if shape is None or (field := shape.tag_field) is None:
        return tables[-1]
    default = shape.default.__struct_config__.tag if isinstance(shape.default, Struct) else None
    return next(
        (table for table in reversed(tables) if field in table), tables[-1] if default is None else {field: default}
    )
