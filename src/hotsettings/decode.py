"""Merged values become a settings Struct, or a list of everything that is wrong with them.

msgspec stops at the first error and tells its place in prose only. So the happy path is one ``msgspec.convert``, and when
that fails a second walk converts each value by itself. What msgspec's messages look like is known here alone.
"""

from __future__ import annotations

import collections.abc
import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct, ValidationError
from msgspec.structs import replace

from . import shape
from .frozen import freeze_fields
from .keys import Effort, Names, Path, dotted
from .merge import Values
from .schema import NATIVE, Schema

# From here on msgspec repeats the value or a key.
_FROM_QUOTE = re.compile(r" (['`]|[+-]?\d).*", re.DOTALL)
_QUOTED_TYPE = re.compile("`([^`]*)`")
_UNQUOTED = {
    "int": r"[+-]?\d+",
    "float": r"[+-]?\d+(\.\d+)?",
    "bool": "true|false",
    "datetime": r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*",
    "date": r"\d{4}-\d\d-\d\d",
    "time": r"\d\d:\d\d(:\d\d)?(\.\d+)?",
}
"""How a value looks that TOML has a type for."""
_HOW = {
    "Expected array, got ": "put it in square brackets",
    "Expected bool, got ": "write true or false",
    "Expected datetime with a timezone": "end it with Z, or with an offset such as +02:00",
    "Expected duration, got ": 'write it like "PT30S"',
    "Invalid ISO8601 duration": 'write it like "PT30S"',
}
_SLICES = (500, 20)
_PATIENCE = 100_000
"""Values looked at one by one, from which on a table or array that is not good counts as one problem."""
LONGEST_SAID = 4_000
"""Characters of a message of somebody else's that are looked at; of a longer one, half of that is shown."""
_SAID = 20_000_000
"""Characters of such messages, from which on what is left of a table or array that is not good counts as one problem."""
_LISTED = 50
"""Values of a choice that a message lists."""
_FEW = 10
"""Values of one annotation from which on it pays to make a Struct for them."""
_WRAPPED = "value"
_BY_TYPE = (str, int, float, bool)
_TELLING = frozenset({str, bool, dict, list, NoneType})
"""Types of values that are right or wrong for these whatever the value is; some floats are taken for an int."""

Item = tuple[str | int, Any]
"""What a table or array holds, with its key or index."""


class Finding(Struct, frozen=True):
    """Something wrong with the value at ``path``.

    ``at`` tells what to point at: the key as written, the value, or nothing because it is missing. A ``foreign`` message
    was written by a rule of the user's and may quote values; any other never does. A message that lists the values that are
    allowed has a ``brief`` one beside it, which does not.
    """

    path: Path
    message: str
    hint: str = ""
    at: Literal["key", "value", "missing"] = "value"
    foreign: bool = False
    brief: str = ""


def decode(schema: Schema, values: Values) -> Struct:
    """Decode merged values. Raises msgspec.ValidationError, or what a ``__post_init__`` raised, with values in its text."""
    settings = msgspec.convert(values, schema.cls, builtin_types=NATIVE, str_keys=True)
    if schema.freezing:
        freeze_fields(settings, schema.freezing)
    return settings


class Findings(Struct, frozen=True):
    """The first things that keep values from being decoded, in the order of the values, and how many there are in all.

    Of very many, a table or array with several things wrong in it counts as one.
    """

    first: list[Finding]
    total: int


def findings(schema: Schema, values: Values, most: int) -> Findings:
    """Find everything that keeps ``values`` from being decoded; explain the first ``most``, and only count the rest."""
    examination = _Examination(schema, most)
    examination.value(schema.cls, values, ())
    return Findings(examination.first, examination.total)


class _Kind:
    """What can be said of an annotation once for all values of it."""

    def __init__(self, annotation: Any, effort: Effort) -> None:
        self.annotation = annotation
        self.members = shape.alternatives(annotation)
        self.tags: dict[tuple[type, Any], Any] = {}
        self.tag_field: str | None = None
        for member in self.members:
            config = getattr(shape.struct_class(shape.struct_of(member)), "__struct_config__", None)
            if config is not None and config.tag is not None:
                self.tags[type(config.tag), config.tag], self.tag_field = member, config.tag_field
        bare, metadata = shape.unwrap(annotation)
        self._by_type = bare in _BY_TYPE and not any(isinstance(mark, msgspec.Meta) for mark in metadata)
        self._verdicts: dict[type, BaseException | None] = {}
        self._effort = effort
        self._asked = 0

    def fault(self, value: Any) -> BaseException | None:
        """What msgspec, or a rule of the user's, has against a value."""
        kind = type(value)
        if self._by_type and kind in _TELLING:
            if kind not in self._verdicts:
                self._verdicts[kind] = _fault(self.annotation, value)
            return self._verdicts[kind]
        self._asked += 1
        return _fault(self._wrapped, {_WRAPPED: value}) if self._asked > _FEW else _fault(self.annotation, value)

    def fit(self, values: list[Any]) -> bool:
        """Whether all these values are good: of many, one by one is a hundred times slower."""
        return _fault(self._wrapped_list, {_WRAPPED: values}) is None

    @cached_property
    def _wrapped(self) -> type[Struct]:
        """A Struct around one value: msgspec takes the annotation apart once for it, and not for each value."""
        return msgspec.defstruct("Wrapped", [(_WRAPPED, self.annotation)])

    @cached_property
    def _wrapped_list(self) -> type[Struct]:
        return msgspec.defstruct("Wrapped", [(_WRAPPED, list[self.annotation])])  # type: ignore[name-defined]

    @cached_property
    def items(self) -> Iterable[Any]:
        """The annotations of the elements of an array."""
        return shape.items_of(self.annotation)

    @cached_property
    def struct(self) -> type[Struct] | None:
        """The Struct that a table becomes."""
        return shape.struct_of(self.annotation)

    @cached_property
    def entries(self) -> tuple[_Kind | None, Any] | None:
        """Of a mapping, what its keys must be, where that is anything but str, and the annotation of its values."""
        if (entry := shape.entries_of(self.annotation)) is None:
            return None
        key_type, item_type = entry
        return None if key_type is str else _Kind(_mapping(key_type), self._effort), item_type

    @cached_property
    def allowed(self) -> tuple[str, ...]:
        """What a value, or the tag of a table, may be where that is a choice."""
        return tuple(map(str, _allowed(self.annotation) or [tag for _, tag in self.tags]))

    @cached_property
    def one_of(self) -> str:
        """The message for what is none of these."""
        more = f" and {len(self.allowed) - _LISTED} more" if len(self.allowed) > _LISTED else ""
        return f"expected one of {', '.join(self.allowed[:_LISTED])}{more}"

    @cached_property
    def names(self) -> Names:
        """The same, for what was probably meant."""
        return Names(self.allowed, self._effort)


class _Table:
    """What can be said of a Struct once for all tables of it."""

    def __init__(self, struct: type[Struct], effort: Effort) -> None:
        kind = shape.struct_class(struct)
        assert kind is not None  # a generic S[T] does not tell its configuration itself
        fields = msgspec.structs.fields(struct)
        self.fields = {field.encode_name: field.type for field in fields}
        self.required = [field.encode_name for field in fields if field.required]
        self.strict = kind.__struct_config__.forbid_unknown_fields
        self.tag_field = kind.__struct_config__.tag_field
        self._effort = effort

    @cached_property
    def names(self) -> Names:
        """Its keys, for what was probably meant."""
        return Names(self.fields, self._effort)


class _Examination:
    """One walk over the values, with the schema at hand for hints. What is said of an annotation is worked out once."""

    def __init__(self, schema: Schema, most: int) -> None:
        self.first: list[Finding] = []
        self.total = 0
        self._most = most
        self._schema = schema
        self._effort = Effort()
        self._patience = _PATIENCE
        self._said = _SAID
        self._kinds: dict[int, _Kind] = {}
        self._tables: dict[type[Struct], _Table] = {}

    def _counted(self) -> bool:
        """Count a finding. Whether it is among the first, which are explained."""
        self.total += 1
        return self.total <= self._most

    def _kind(self, annotation: Any) -> _Kind:
        if (kind := self._kinds.get(id(annotation))) is None:
            kind = _Kind(annotation, self._effort)  # it keeps the annotation, so nothing else gets this id
            self._kinds[id(annotation)] = kind
        return kind

    def value(self, annotation: Any, value: Any, path: Path) -> None:
        """Where a table or array is not good, blame what is in it; the whole only where each part is good."""
        kind = self._kind(annotation)
        if kind.tag_field is not None and isinstance(value, dict):
            chosen = self._by_tag(kind, kind.tag_field, value, path)
            if chosen is None:
                return
            kind = self._kind(chosen)
        fault = kind.fault(value)
        if fault is None:
            return
        before = self.total
        self._patience -= 1
        self._said -= len(str(fault)) if isinstance(fault, ValidationError) else 0
        if isinstance(value, dict | list) and (self._patience > 0 or self.total < self._most):
            for member in kind.members:
                self._inside(self._kind(member), value, path)
        if self.total == before and self._counted():
            self.first.append(self._explained(fault, kind, value, path))

    def _by_tag(self, kind: _Kind, field: str, table: Values, path: Path) -> Any:
        """Of the Structs that a table could be, choose the one that its tag names; None where it names none."""
        tag = table.get(field)
        if isinstance(tag, str | int) and (member := kind.tags.get((type(tag), tag))) is not None:
            return member
        if field not in table and len(kind.tags) == 1:
            return next(iter(kind.tags.values()))
        if self._counted():
            at = (*path, field)
            if field in table:
                self.first.append(Finding(at, kind.one_of, self._near(tag, kind)))
            else:
                self.first.append(Finding(at, "required", at="missing"))
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
        """Look at items with their keys or indices; of many, only at those of slices that do not fit."""
        for part, item in items if len(items) <= _SLICES[-1] else self._doubtful(self._kind(annotation), items):
            if self._said < 0 and self.total >= self._most:
                self.total += 1
                return
            self.value(annotation, item, (*path, part))

    def _doubtful(self, kind: _Kind, items: Sequence[Item], sizes: Sequence[int] = _SLICES) -> Iterator[Item]:
        """Leave out slices of many items, and slices of these, that are good."""
        for start in range(0, len(items), sizes[0]):
            some = items[start : start + sizes[0]]
            if not kind.fit([item for _, item in some]):
                yield from self._doubtful(kind, some, sizes[1:]) if sizes[1:] else some

    def _entries(self, keys: _Kind | None, annotation: Any, values: Values, path: Path) -> None:
        if keys is not None and keys.fault(dict.fromkeys(values)) is not None:
            for key in values:
                if (fault := keys.fault({key: None})) is not None and self._counted():
                    finding = self._explained(fault, keys, {key: None}, (*path, key))
                    self.first.append(replace(finding, message=f"wrong key: {finding.message}", hint="", at="key"))
        self._items(annotation, list(values.items()), path)

    def _fields(self, struct: type[Struct], values: Values, path: Path) -> None:
        if (table := self._tables.get(struct)) is None:
            table = self._tables[struct] = _Table(struct, self._effort)
        fields = table.fields
        for key, value in values.items():
            if key in fields:
                self.value(fields[key], value, (*path, key))
            elif table.strict and key != table.tag_field and self._counted():
                self.first.append(Finding((*path, key), "unknown key", self._meant(key, table, path), at="key"))
        for key in table.required:
            if key not in values and self._counted():
                self.first.append(Finding((*path, key), "required", at="missing"))

    def _meant(self, key: str, table: _Table, path: Path) -> str:
        if (near := table.names.closest(key)) is not None:
            return f"did you mean {dotted((*path, near))}?"
        if (leaf := self._schema.leaf_named(key)) is None:
            return ""
        if leaf.path == (key,):
            return f"did you mean {key}? Move it above the first [table]: keys below a header belong to that table"
        return f"did you mean {leaf.key}?"

    def _explained(self, fault: BaseException, kind: _Kind, value: Any, path: Path) -> Finding:
        if not isinstance(fault, ValidationError):  # a __post_init__ with a fault of its own
            return Finding(path, f"{type(fault).__name__}: {_said(fault)}", foreign=True)
        if fault.__cause__ is not None:
            return Finding(path, _said(fault.__cause__), foreign=True)  # raised by a __post_init__ or an Enum
        return self._translated(str(fault), kind, value, path)

    def _translated(self, report: str, kind: _Kind, value: Any, path: Path) -> Finding:
        """Say in the terms of TOML what msgspec says in those of Python."""
        what = report.rpartition(" - at `")[0] or report
        if what.startswith("Invalid enum value"):
            brief = "not one of the allowed values"
            return Finding(path, kind.one_of if kind.allowed else brief, self._near(value, kind), brief=brief)
        if not what.startswith("Expected "):
            return Finding(path, _lower(_FROM_QUOTE.sub("", what)), _rewrite(what, value))
        what = _QUOTED_TYPE.sub(lambda match: match[1].replace("object", "table").removesuffix(" | null"), what)
        return Finding(path, _lower(what), _rewrite(what, value))

    def _near(self, value: Any, kind: _Kind) -> str:
        near = kind.names.closest(value) if isinstance(value, str) else None
        return f"did you mean {near}?" if near else ""


def _mapping(key_type: Any) -> Any:
    return collections.abc.Mapping[key_type, Any]


def _fault(annotation: Any, value: Any) -> BaseException | None:
    try:
        msgspec.convert(value, annotation, builtin_types=NATIVE, str_keys=True)
    except KeyboardInterrupt:
        raise
    except (
        BaseException
    ) as error:  # a __post_init__ that fails, or calls sys.exit, must not end the process that reloads
        return error.with_traceback(None)  # its frames would keep it, and themselves, until the next collection
    return None


def _said(error: BaseException) -> str:
    try:
        said = str(error)
        # One character more shows that there were more. A thousand texts of any length need not be kept.
        return (said[: LONGEST_SAID + 1] if type(said) is str else "") or type(error).__name__
    except KeyboardInterrupt:
        raise
    except BaseException:
        return type(error).__name__


def _allowed(annotation: Any) -> tuple[Any, ...]:
    bare, _ = shape.unwrap(annotation)
    if get_origin(bare) is Literal:
        return get_args(bare)
    return tuple(member.value for member in bare) if isinstance(bare, type) and issubclass(bare, enum.Enum) else ()


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _rewrite(what: str, value: Any) -> str:
    """How the value would have to be written, where that is plain to see."""
    if what.startswith("Expected str, got ") and isinstance(value, int | float):
        return "put it in quotes"
    for kind, written in _UNQUOTED.items():
        if what == f"Expected {kind}, got str" and isinstance(value, str) and re.fullmatch(written, value):
            return "write it without quotes"
    if what == "Expected int, got float" and isinstance(value, float) and value.is_integer():
        return "write it without a decimal point"
    if isinstance(value, dict):
        return ""
    return next((hint for beginning, hint in _HOW.items() if what.startswith(beginning)), "")
