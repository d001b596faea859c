"""Everything that is wrong with merged values.

msgspec stops at the first error, and says where that is only in the text of its message. So once decoding has failed,
one walk over the values asks msgspec about each of them, goes into the tables and arrays that it refuses, and notes a
`Finding` for each mistake.
"""

from __future__ import annotations

import collections.abc
import enum
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct, ValidationError

from .._layers.toml.keys import Path, Values, dotted
from .._layers.toml.spelling import Budget, Vocabulary
from .._redaction.exceptions import message_of, type_and_message, type_name_of
from .._schema import field_types
from .._schema.codecs import DecoderFailed, Decoding, Undecodable
from .._schema.describe import type_name
from .._schema.schema import Leaf, Schema
from .._schema.shape import Shape
from .._schema.stand_ins import NATIVE
from ..errors import Code
from .msgspec_errors import is_assignment, translate
from .prepare import Prepared

_SLICES = (500, 20)
"""Items of a long array that are checked at once; an invalid slice is checked again in smaller ones."""
_PATIENCE = 100_000
"""Invalid values that are looked into. After that many, an invalid table or array counts as one problem."""
LONGEST_SAID = 4_000
"""Characters of a rule's message that are redacted and shown. Of a longer message, only the first half of them is shown."""
_ALL_SAID = 20_000_000
"""Characters of all messages together. Beyond that, the rest of an invalid table or array counts as one problem."""
_LISTED = 50
"""Allowed values that a message lists."""
_FEW = 10
"""Values of one annotation after which a Struct is made for it, so that msgspec analyses it only once."""
_INSTEAD = "convert what a layer says with Before(...), and compute other values with @derived"
_WRAPPED = "value"
_NEVER_NUMBERS: frozenset[type] = frozenset({str, bool, dict, list, NoneType})
_DECIDED_BY_TYPE: dict[type, frozenset[type]] = {
    str: _NEVER_NUMBERS | {int, float},
    bool: _NEVER_NUMBERS | {int, float},
    int: _NEVER_NUMBERS,  # some floats pass as int
    float: _NEVER_NUMBERS,
}
"""For values of which types the type alone decides whether one of these takes them, if there are no limits."""

Item = tuple[str | int, Any]
"""What a table or array holds, with its key or index."""


class Finding(Struct, frozen=True):
    """Something wrong with the value at ``path``.

    ``at`` says what to point at: the key, the value, or nothing because it is missing. Only the message of a "rule" comes
    from code of the user and may quote values. If the message lists the allowed values, ``brief`` is one without them.
    """

    path: Path
    message: str
    code: Code
    hint: str = ""
    at: Literal["key", "value", "missing"] = "value"
    brief: str = ""
    rewrite: str = ""
    """A hint that quotes the value. It takes the place of the other one if the line may be shown."""
    document: int | None = None
    """The document that says it. None: the one whose value won."""


class Findings(Struct, frozen=True):
    """The first findings, in the order of the values, and how many there are in all.

    After very many, a table or array counts as one finding, whatever is wrong in it.
    """

    first: list[Finding]
    total: int


def diagnose(schema: Schema, prepared: Prepared, most: int, decoding: Decoding | None = None) -> Findings:
    """Find everything that is wrong with prepared values. Explain the first ``most`` findings, and only count the rest."""
    walk = _Walk(schema, prepared, most, decoding)
    walk.value(schema.cls, prepared.values, ())
    return Findings(walk.first, walk.total)


class _Kind:
    """What is known of an annotation, worked out once for all its values."""

    def __init__(self, annotation: Any, budget: Budget, decoding: Decoding | None) -> None:
        self.annotation = annotation
        self.members = field_types.alternatives(annotation)
        self.tags: dict[tuple[type, Any], Any] = {}
        self.tag_field: str | None = None
        for member in self.members:
            config = getattr(field_types.struct_class(field_types.struct_of(member)), "__struct_config__", None)
            if config is not None and config.tag is not None:
                self.tags[type(config.tag), config.tag], self.tag_field = member, config.tag_field
        bare, metadata = field_types.unwrap(annotation)
        self._bare = bare
        self._decided: frozenset[type] = frozenset()
        if isinstance(bare, type):  # others may not be hashable
            self._decided = _DECIDED_BY_TYPE.get(bare, self._decided)
        self._limited = any(isinstance(mark, msgspec.Meta) for mark in metadata)
        self._verdicts: dict[type, BaseException | None] = {}
        self._budget = budget
        self._decoding = decoding
        self._asked = 0

    def fault(self, value: Any) -> BaseException | None:
        """Return the exception with which msgspec or code of the user rejects a value, if it does."""
        kind = type(value)
        if kind in self._decided:
            if kind not in self._verdicts:
                is_wrong = self._fault(self._bare, value) is not None
                self._verdicts[kind] = self._fault(self.annotation, value) if is_wrong else None
            if not self._limited or self._verdicts[kind] is not None:
                return self._verdicts[kind]
        self._asked += 1
        if self._asked > _FEW:
            return self._fault(self._wrapped, {_WRAPPED: value})
        return self._fault(self.annotation, value)

    def fit(self, values: list[Any]) -> bool:
        """Whether all these values are valid. For many, asking one by one is a hundred times slower."""
        return self._fault(self._wrapped_list, {_WRAPPED: values}) is None

    def _fault(self, annotation: Any, value: Any) -> BaseException | None:
        try:
            msgspec.convert(value, annotation, builtin_types=NATIVE, str_keys=True, dec_hook=self._decoding)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a __post_init__ may raise anything, and may call sys.exit
            return error.with_traceback(None)  # its frames would keep it, and themselves, until the next collection
        return None

    @cached_property
    def _wrapped(self) -> type[Struct]:
        """A Struct around one value, so that msgspec analyses the annotation once and not for each value."""
        return msgspec.defstruct("Wrapped", [(_WRAPPED, self.annotation)])

    @cached_property
    def _wrapped_list(self) -> type[Struct]:
        return msgspec.defstruct("Wrapped", [(_WRAPPED, list[self.annotation])])  # type: ignore[name-defined]

    def members_for(self, value: Any) -> Sequence[Any]:
        """The members whose parts a table or array can have. No array, if it could be one of several."""
        if isinstance(value, dict):
            return self.members
        arrays = self._shape.arrays_for(value)
        return [arrays[0].annotation] if len(arrays) == 1 else []

    @cached_property
    def _shape(self) -> Shape:
        return Shape(self.annotation)

    @cached_property
    def items(self) -> Iterable[Any]:
        """The annotations of the elements of an array."""
        return field_types.items_of(self.annotation)

    @cached_property
    def struct(self) -> type[Struct] | None:
        """The Struct that a table becomes."""
        return field_types.struct_of(self.annotation)

    @cached_property
    def takes_tables(self) -> bool:
        """Whether some of its values are tables."""
        return any(field_types.struct_of(member) is not None for member in self.members)

    @cached_property
    def entries(self) -> tuple[_Keys | None, Any] | None:
        """For a mapping, its keys unless they are any str, and the annotation of its values."""
        if (entry := field_types.entries_of(self.annotation)) is None:
            return None
        key_type, item_type = entry
        return None if key_type is str else _Keys(key_type, self._budget), item_type

    @cached_property
    def allowed(self) -> tuple[str, ...]:
        """The allowed values of a Literal or Enum, or the tags of a union of tables."""
        listed = [value for member in self.members for value in _allowed(member)]
        return tuple(map(str, listed or [tag for _, tag in self.tags]))

    @cached_property
    def one_of(self) -> str:
        """The message for a value that is not allowed."""
        more = f" and {len(self.allowed) - _LISTED} more" if len(self.allowed) > _LISTED else ""
        listed = f"one of {', '.join(self.allowed[:_LISTED])}{more}"
        others = [type_name(member) for member in self.members if not _allowed(member)] if not self.tags else []
        return f"expected {' or '.join([*others, listed])}"

    @cached_property
    def names(self) -> Vocabulary:
        """The allowed values, to find which one was probably meant."""
        return Vocabulary(self.allowed, self._budget)


class _Keys:
    """What is known of the keys of a mapping. msgspec is asked about them as keys: it reads ``"1"`` as an int then."""

    def __init__(self, key_type: Any, budget: Budget) -> None:
        self.kind = _Kind(key_type, budget, None)
        self._mapping = _Kind(collections.abc.Mapping[key_type, Any], budget, None)

    def fault(self, keys: Iterable[str]) -> BaseException | None:
        """Return the exception with which msgspec or code of the user rejects one of these keys, if it does."""
        return self._mapping.fault(dict.fromkeys(keys))


class _Table:
    """What is known of a Struct, worked out once for all its tables."""

    def __init__(self, struct: type[Struct], budget: Budget) -> None:
        kind = field_types.struct_class(struct)
        assert kind is not None  # only the class has the configuration, not a generic S[T]
        fields = msgspec.structs.fields(struct)
        self.fields = {field.encode_name: field.type for field in fields}
        self.required = [field.encode_name for field in fields if field.required]
        self.tag_field = kind.__struct_config__.tag_field
        self.renamed = Shape(struct).renamed
        self._budget = budget

    @cached_property
    def names(self) -> Vocabulary:
        """Its keys, to find which one was probably meant."""
        return Vocabulary(self.fields, self._budget)


class _Walk:
    """One walk over the values that finds everything wrong with them."""

    def __init__(self, schema: Schema, prepared: Prepared, most: int, decoding: Decoding | None) -> None:
        self.first: list[Finding] = []
        self.total = 0
        self._most = most
        self._schema = schema
        self._decoding = decoding
        self._budget = Budget()
        self._patience = _PATIENCE
        self._said = _ALL_SAID
        self._kinds: dict[int, _Kind] = {}
        self._tables: dict[type[Struct], _Table] = {}
        self._refused = prepared.refused
        known = (*prepared.refused, *prepared.unknown)
        self._above = {
            path[:end] for path in dict.fromkeys(path[:-1] for path in known) for end in range(len(path) + 1)
        }
        """The tables and arrays with a mistake that msgspec does not see. The walk goes into them anyway."""

    def _counted(self) -> bool:
        """Count a finding. Return whether it is one of the first, which are explained."""
        self.total += 1
        return self.total <= self._most

    def _kind(self, annotation: Any) -> _Kind:
        if (kind := self._kinds.get(id(annotation))) is None:
            # It keeps the annotation, so nothing else gets this id.
            kind = self._kinds[id(annotation)] = _Kind(annotation, self._budget, self._decoding)
        return kind

    def value(self, annotation: Any, value: Any, path: Path) -> None:
        """Check a value. Report what is wrong inside of an invalid table or array, or all of it if each part is valid."""
        if self._refused and path in self._refused:
            if self._counted():
                self.first.append(Finding(path, cut(self._refused[path]), "rule"))
            return
        kind = self._kind(annotation)
        if kind.tag_field is not None and isinstance(value, dict):
            chosen = self._by_tag(kind, kind.tag_field, value, path)
            if chosen is None:
                return
            kind = self._kind(chosen)
        fault = kind.fault(value)
        if fault is None and not (self._above and path in self._above):
            return
        before = self.total
        self._patience -= 1
        self._said -= len(str(fault)) if isinstance(fault, ValidationError) else 0
        if isinstance(value, dict | list) and (self._patience > 0 or self.total < self._most):
            for member in kind.members_for(value):
                self._inside(self._kind(member), value, path)
        if fault is not None and self.total == before and self._counted():
            self.first.append(self._explained(fault, kind, value, path))

    def _by_tag(self, kind: _Kind, field: str, table: Values, path: Path) -> Any:
        """Return the Struct that the tag of a table names. If it names none, report that and return None."""
        tag = table.get(field)
        if isinstance(tag, str | int) and (member := kind.tags.get((type(tag), tag))) is not None:
            return member
        if field not in table and len(kind.tags) == 1:
            return next(iter(kind.tags.values()))
        if self._counted():
            at = (*path, field)
            if field in table:
                self.first.append(Finding(at, kind.one_of, "not-an-option", self._near(tag, kind)))
            else:
                self.first.append(Finding(at, "required", "required", at="missing"))
        return None

    def _inside(self, kind: _Kind, value: dict[str, Any] | list[Any], path: Path) -> None:
        if isinstance(value, list):
            if isinstance(kind.items, repeat):
                self._items(next(kind.items), list(enumerate(value)), path)
            else:
                for index, (element, item) in enumerate(zip(kind.items, value, strict=False)):
                    self.value(element, item, (*path, index))
        elif kind.struct is not None:
            self._fields(kind.struct, value, path)
        elif kind.entries is not None:
            self._entries(*kind.entries, value, path)

    def _items(self, annotation: Any, items: Sequence[Item], path: Path) -> None:
        """Check items, given with their keys or indices. If they are many, check only those in invalid slices."""
        whole = len(items) <= _SLICES[-1] or (self._above and path in self._above)
        for part, item in items if whole else self._doubtful(self._kind(annotation), items):
            if self._said < 0 and self.total >= self._most:
                self.total += 1
                return
            self.value(annotation, item, (*path, part))

    def _doubtful(self, kind: _Kind, items: Sequence[Item], sizes: Sequence[int] = _SLICES) -> Iterator[Item]:
        """Yield the items without those in valid slices."""
        for start in range(0, len(items), sizes[0]):
            some = items[start : start + sizes[0]]
            if not kind.fit([item for _, item in some]):
                yield from self._doubtful(kind, some, sizes[1:]) if sizes[1:] else some

    def _entries(self, keys: _Keys | None, annotation: Any, values: Values, path: Path) -> None:
        if keys is not None and keys.fault(values) is not None:
            for key in values:
                if (fault := keys.fault([key])) is not None and self._counted():
                    found = self._explained(fault, keys.kind, key, (*path, key))
                    hint = found.hint if found.code == "not-an-option" else ""  # the others are about values
                    said, brief = f"wrong key: {found.message}", found.brief and f"wrong key: {found.brief}"
                    self.first.append(Finding(found.path, said, "wrong-key", hint, "key", brief))
        self._items(annotation, list(values.items()), path)

    def _fields(self, struct: type[Struct], values: Values, path: Path) -> None:
        if (table := self._tables.get(struct)) is None:
            table = self._tables[struct] = _Table(struct, self._budget)
        fields = table.fields
        for key, value in values.items():
            if key in fields:
                self.value(fields[key], value, (*path, key))
            elif key in table.renamed:
                if self._counted():
                    message = f"the old name of {dotted((table.renamed[key],))}, which is set too"
                    self.first.append(Finding((*path, key), message, "conflict", "remove it", "key"))
            elif key != table.tag_field and self._counted():
                self.first.append(
                    Finding((*path, key), "unknown key", "unknown-key", self._meant(key, table, path), "key")
                )
        for key in table.required:
            if key not in values and self._counted():
                self.first.append(Finding((*path, key), "required", "required", at="missing"))

    def _meant(self, key: str, table: _Table, path: Path) -> str:
        if not path and (derived := self._schema.derived_named(key)) is not None:
            return f"it is derived from {', '.join(leaf.key for leaf in derived.sources[:3])}: set these"
        if (near := table.names.closest(key)) is not None:
            return f"did you mean {dotted((*path, near))}?"
        if (leaf := self._schema.leaf_named(key) or self._joined.get(_with_underscores((key,)))) is None:
            return ""
        if leaf.path == (key,):
            return f"did you mean {key}? Move it above the first [table]: keys below a header belong to that table"
        return f"did you mean {leaf.key}?"

    @cached_property
    def _joined(self) -> dict[str, Leaf]:
        """The leaves by their keys with underscores in place of dots, as ``db_port`` for ``db.port``."""
        return {_with_underscores(leaf.path): leaf for leaf in self._schema.leaves}

    def _explained(self, fault: BaseException, kind: _Kind, value: Any, path: Path) -> Finding:
        if is_assignment(fault):
            return Finding(path, "__post_init__ assigns to an attribute, but settings are immutable", "rule", _INSTEAD)
        if not isinstance(fault, ValidationError):  # a __post_init__ with a fault of its own
            return Finding(path, cut(type_and_message(fault)), "rule")
        if isinstance(cause := fault.__cause__, Undecodable):
            return Finding(path, str(cause), cause.code, cause.hint)
        if isinstance(cause, DecoderFailed):
            cause = cause.raised
            said = message_of(cause) if isinstance(cause, ValueError | TypeError) else type_and_message(cause)
            return Finding(path, cut(said or type_name_of(cause)), "rule")
        if cause is not None:  # raised by a __post_init__ or an Enum
            return Finding(path, cut(message_of(cause) or type_name_of(cause)), "rule")
        message, code, hint, rewrite = translate(str(fault), value)
        if isinstance(value, dict) and isinstance(kind.items, repeat) and self._kind(next(kind.items)).takes_tables:
            hint = "write [[table]] as its header, or put it in square brackets"
        if code == "wrong-type" and kind.allowed and not kind.tags:
            return Finding(path, kind.one_of, code, hint if isinstance(value, str) else "", brief=message)
        if code != "not-an-option":
            return Finding(path, message, code, hint, rewrite=rewrite)
        brief = "not one of the allowed values"
        return Finding(path, kind.one_of if kind.allowed else brief, code, self._near(value, kind), brief=brief)

    def _near(self, value: Any, kind: _Kind) -> str:
        near = kind.names.closest(value) if isinstance(value, str) else None
        return f"did you mean {near}?" if near else ""


def _with_underscores(path: Path) -> str:
    return "_".join(map(str, path)).casefold().replace("-", "_")


def cut(said: str) -> str:
    """Cut a message: a thousand of any length need not be kept. One character too many shows that there was more."""
    return said[: LONGEST_SAID + 1]


def _allowed(annotation: Any) -> tuple[Any, ...]:
    bare, _ = field_types.unwrap(annotation)
    if get_origin(bare) is Literal:
        return get_args(bare)
    return tuple(member.value for member in bare) if isinstance(bare, type) and issubclass(bare, enum.Enum) else ()
