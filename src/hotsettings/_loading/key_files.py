"""What the files in a folder are to a settings class: which key a file is named after, and how its content is read.

- Where a key takes strings and nothing else (``str``, ``str | None``, a Literal or Enum of strings, bytes, UUID), the
  content is the string, less one line end.
- Where it takes no string (numbers, booleans, dates, arrays, tables), the content is written as in TOML.
- Where it takes both (``str | int``, ``int | Literal["auto"]``, Any), the content is the string if the key accepts this
  string, and else written as in TOML. So a password of digits never becomes a number.
"""

from __future__ import annotations

import datetime
import enum
import re
import typing
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from .._layers.folder import MOST_NAMES
from .._layers.toml.keys import Path
from .._layers.toml.limits import MAX_DEPTH
from .._layers.toml.spelling import Vocabulary
from .._schema import field_types
from .._schema.masking import former_names_of
from .._schema.schema import Schema
from .._schema.shape import Shape
from .._schema.stand_ins import NATIVE

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_NO_STRINGS: Final = (int, float, bool, type(None), datetime.datetime, datetime.date, datetime.time, tuple, frozenset)
_OPEN: Final = (Any, object)

Reading: TypeAlias = Literal["string", "toml", "either"]


class KeyFiles:
    """Knows the keys of a settings class as names of files."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._tables: dict[Any, dict[str, Any]] = {}
        self._meant: Vocabulary | None = None
        # A folder is read again and again, and keeps most of its names.
        self.path_of = lru_cache(MOST_NAMES)(self._path_of)
        self._kinds = lru_cache(MOST_NAMES)(self._kinds_at)

    def _path_of(self, name: str) -> Path | None:
        """Return the path of the key that a file is named after. None if the class has no such key."""
        if _BARE.fullmatch(name):
            path: Path | None = tuple(name.split("."))
        else:
            from .explain import parse_key  # only a key in quotes needs it

            path = parse_key(name) if '"' in name or "'" in name else None
        return path if path and len(path) <= MAX_DEPTH and any(self._at(self._schema.cls, path)) else None

    def is_key(self, name: str) -> bool:
        """Whether a file is named after a key of the class."""
        return self.path_of(name) is not None

    def is_secret(self, path: Path) -> bool:
        """Whether a key, or anything below it, is declared Secret."""
        leaf = self._schema.leaf_of(path)
        inside = [leaf] if leaf is not None else self._schema.leaves_below(path)
        return any(each.secret for each in inside) or not inside  # what is below a former key is not looked up

    def hint(self, name: str) -> str:
        """Return which key was probably meant by the name of a file."""
        if self._meant is None:
            self._meant = Vocabulary(leaf.key for leaf in self._schema.leaves)
        near = self._meant.closest(name)
        return f"did you mean {near}?" if near else ""

    def reading(self, path: Path, content: str) -> Reading:
        """Return how the content of a file is read: as a string, as TOML, or as either of them.

        Args:
            path: The key.
            content: The content, less one line end.
        """
        strings, others, annotations = self._kinds(path)
        if not strings:
            return "either" if any(Shape(annotation).conversions for annotation in annotations) else "toml"
        return "either" if others and not any(_accepts(each, content) for each in annotations) else "string"

    def _kinds_at(self, path: Path) -> tuple[bool, bool, list[Any]]:
        """Whether a key takes strings, whether it takes anything else, and its annotations."""
        annotations = list(self._at(self._schema.cls, path))
        members = [member for annotation in annotations for member in field_types.alternatives(annotation)]
        return any(map(_takes_strings, members)), any(map(_takes_others, members)), annotations

    def _at(self, annotation: Any, path: Path) -> Iterator[Any]:
        """Yield the annotations that a value at this path, inside of a value of ``annotation``, may have."""
        if not path:
            yield annotation
            return
        for member in field_types.alternatives(annotation):
            if (struct := field_types.struct_of(member)) is not None:
                if (inner := self._fields(struct).get(str(path[0]))) is not None:
                    yield from self._at(inner, path[1:])
            elif (entry := field_types.entries_of(member)) is not None:
                yield from self._at(entry[1], path[1:])
            elif member in (*_OPEN, Mapping):
                yield Any

    def _fields(self, struct: type[Struct]) -> dict[str, Any]:
        """The annotation of each key of a Struct, that of its tag included."""
        if (table := self._tables.get(struct)) is None:
            fields = msgspec.structs.fields(struct)
            table = {old: field.type for field in fields for old in former_names_of(field.type)}
            table |= {field.encode_name: field.type for field in fields}
            config = getattr(field_types.struct_class(struct), "__struct_config__", None)
            if config is not None and config.tag is not None:
                table[config.tag_field] = type(config.tag)
            self._tables[struct] = table
        return table


def _kinds(member: Any) -> tuple[type, ...] | None:
    """Return the types of the values that a Literal or an Enum lists, or None for another type."""
    if typing.get_origin(member) is Literal:
        return tuple(map(type, typing.get_args(member)))
    if isinstance(member, type) and issubclass(member, enum.Enum):
        return tuple(type(each.value) for each in member)
    return None


def _takes_strings(member: Any) -> bool:
    bare, _ = field_types.unwrap(member)
    if (kinds := _kinds(bare)) is not None:
        return str in kinds
    origin = typing.get_origin(bare) or bare
    return origin not in (*_NO_STRINGS, Mapping) and field_types.struct_class(bare) is None


def _takes_others(member: Any) -> bool:
    bare, _ = field_types.unwrap(member)
    if (kinds := _kinds(bare)) is not None:
        return any(kind is not str for kind in kinds)
    return bare in _OPEN or not _takes_strings(bare)


def _accepts(annotation: Any, content: str) -> bool:
    try:
        msgspec.convert(content, annotation, builtin_types=NATIVE, str_keys=True)
    except Exception:  # its text may hold a secret
        return False
    return True
