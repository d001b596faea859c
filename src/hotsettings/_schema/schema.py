"""What a settings class declares: its leaf keys, which of them are secret or need a restart, and how they are grouped."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from .._layers.toml.keys import ABSENT, Path, dotted
from . import field_types
from .codecs import Decoder, Decoding, Kept, enc_hook, keep, only_instances, without_records
from .derived import derived_in
from .frozen import ATOMS, freeze
from .key_patterns import select
from .mark_places import refuse_misplaced
from .marks import RESTART_REQUIRED, SECRET, Before, Section
from .masking import former_names, is_secret, mask_nested, names_of_secrets
from .shape import Shape, own_default
from .stand_ins import NATIVE, put_stand_ins


class Leaf(Struct, frozen=True, dict=True):
    """One key that a layer can set: a field, or a field of a nested Struct. A mapping is one key."""

    path: tuple[str, ...]
    attributes: tuple[str, ...]
    """Names to follow with getattr; they differ from ``path`` where a field is renamed."""
    annotation: Any
    defaults: tuple[Any, ...]
    """The value while no layer sets the key; ``ABSENT`` if a layer must set it. Number n is for when layers write the outermost
    n of the tables around it: the fields of an optional table have no value, and then their own defaults."""
    secret: bool
    """Whether the leaf, or anything in it, is declared Secret."""
    restart: bool
    section: str
    description: str
    marked: bool = False
    """Whether the leaf as a whole, or a table around it, is declared Secret."""
    sources: tuple[Leaf, ...] = ()
    """The leaves that a derived value depends on."""

    def __repr__(self) -> str:
        return f"Leaf({self.key})"  # its default may be secret

    @property
    def key(self) -> str:
        """Dotted, as TOML would write it."""
        return dotted(self.path)

    @cached_property
    def shape(self) -> Shape:
        """What its values are made of."""
        return Shape(self.annotation, self.marked)

    @property
    def default(self) -> Any:
        """The value while no layer writes the key or a table around it."""
        return self.defaults[0]

    @property
    def required(self) -> bool:
        """Whether a layer must set it."""
        return self.default is ABSENT

    def value_in(self, settings: Struct, depth: int | None = None) -> Any:
        """The value in these settings, or the table that is ``depth`` keys deep; None where an optional table is absent."""
        value: Any = settings
        for name in self.attributes[:depth]:
            value = None if value is None else getattr(value, name)
        return value


class Schema:
    """A settings class, analysed once.

    Raises TypeError, naming the field, for a field that settings cannot hold or whose default does not fit its type.
    """

    def __init__(self, cls: type[Struct]) -> None:
        structs = tuple(dict.fromkeys(field_types.structs_below(cls)))
        self.decoders = _decoders(cls, structs)
        put_stand_ins(structs, self.decoders.__contains__)
        fields = msgspec.structs.fields(cls)
        for field in fields:
            label = f"{cls.__name__}.{field.name}"
            _refuse_undecodable(field.type, label)
            field_types.refuse_unusable(field.type, label, self.decoders)
            mask_nested(field.type)
        refuse_misplaced(cls, cls.__name__)
        for struct in structs:
            _refuse_defaults(struct)
        self._asks_decoders = field_types.asks_decoders(cls, self.decoders)
        self.cls = cls
        self.keys = frozenset(field.encode_name for field in fields)
        self.freezing = tuple(field.name for field in fields if field_types.needs_freezing(field.type))
        self.shape = Shape(cls)
        self.merging = self.shape if any(map(field_types.is_tagged, field_types.structs_below(cls))) else None
        """The shape, if merging tables has to look at their tags."""
        self.tolerant = not cls.__struct_config__.forbid_unknown_fields
        self.is_prepared = any(
            field.is_prepared or (self.tolerant and field.has_tables) for field in (self.shape.fields or {}).values()
        ) or bool(self.shape.default_tables)
        """Whether values need more than msgspec before they are decoded."""
        self.is_renamed = self.shape.is_renamed
        """Whether any field has a former key."""
        self.leaves = tuple(_leaves(cls, _Context()))
        self.restarting = tuple(leaf for leaf in self.leaves if leaf.restart)
        self.derived = _derived_leaves(cls, self.leaves)
        """The derived values. No layer sets them, so they are no leaves among the others."""
        for struct in structs:
            kind = field_types.struct_class(struct)
            if kind not in (None, cls) and derived_in(kind):
                found = derived_in(kind)[0]
                raise TypeError(f"{kind.__name__}.{found.name}: only settings classes have derived values")
        self.makes_secrets = (
            bool(self.derived)
            or self._asks_decoders
            or any(isinstance(mark, Before) for mark in field_types.metadata_below(cls))
        )
        """Whether settings may hold secrets that no layer says as they are."""
        self.secret_names = tuple(names_of_secrets(cls))
        self._by_path: dict[Path, Leaf] = {leaf.path: leaf for leaf in self.leaves}

    @cached_property
    def followed(self) -> tuple[str, ...]:
        """What subscribers can follow: the keys of all leaves, and the names of derived values."""
        return tuple(leaf.key for leaf in (*self.leaves, *self.derived))

    def derived_named(self, name: str | int) -> Leaf | None:
        """The derived value of this name."""
        return next((leaf for leaf in self.derived if leaf.path == (name,)), None)

    def decoding(self) -> Decoding | None:
        """Return what decodes the values of one load whose types msgspec does not know. None if it knows all types."""
        return Decoding(self.decoders) if self._asks_decoders else None

    def leaf_of(self, path: Path) -> Leaf | None:
        """The leaf that ``path`` names or leads into; None for a table of leaves and for an unknown key."""
        for end in range(1, len(path) + 1):
            if (leaf := self._by_path.get(path[:end])) is not None:
                return leaf
        return None

    def leaves_below(self, path: Path) -> tuple[Leaf, ...]:
        """The leaf at ``path``, or all leaves of the table there."""
        first, last = self._tables.get(path, (0, 0))
        return self.leaves[first:last]

    def leaf_named(self, name: str) -> Leaf | None:
        """The first leaf whose key ends in this name."""
        return self._by_name.get(name)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name of a field or table of the class, as layers write it."""
        structs = field_types.structs_below(self.cls)
        present = (field.encode_name for struct in structs for field in msgspec.structs.fields(struct))
        return frozenset(present) | former_names(self.cls)

    @cached_property
    def _by_name(self) -> dict[str, Leaf]:
        return {leaf.path[-1]: leaf for leaf in reversed(self.leaves)}

    @cached_property
    def _tables(self) -> dict[Path, tuple[int, int]]:
        """The range of the leaves of each table and each leaf, as indices into ``leaves``."""
        spans: dict[Path, tuple[int, int]] = {}
        for index, leaf in enumerate(self.leaves):
            for end in range(len(leaf.path) + 1):
                first, _ = spans.get(leaf.path[:end], (index, index))
                spans[leaf.path[:end]] = first, index + 1
        return spans


def schema_of(cls: type[Any]) -> Schema:
    """Return the schema of a settings class. It is made at the first call.

    Raises TypeError for a field that settings cannot hold, NameError for an annotation that is not defined.
    """
    schema: Schema | None = cls.__dict__.get("__schema__")
    if schema is None:
        try:
            schema = Schema(cls)
        except NameError as error:
            missing = error.name or ""
        else:
            type.__setattr__(cls, "__schema__", schema)
            return schema
        raise _undefined(cls, missing)
    return schema


def _undefined(cls: type[Struct], missing: str) -> NameError:
    """Return an error that names the field whose annotation has a name that is not defined."""
    structs: list[type[Struct]] = []
    with contextlib.suppress(NameError):
        structs.extend(field_types.structs_below(cls))  # it stops behind the Struct with that field
    owner: Any = field_types.struct_class(structs[-1])
    words = re.compile(rf"\b{re.escape(missing)}\b")
    annotations = {
        name: str(kind) for base in owner.__mro__ for name, kind in getattr(base, "__annotations__", {}).items()
    }
    label = next(
        (f"{owner.__name__}.{name}" for name, kind in annotations.items() if words.search(kind)), owner.__name__
    )
    return NameError(
        f"{label}: its annotation names {missing}, which is not defined; define it at the top level of its module, "
        "not in a function, and import it where the program runs, not only for type checkers",
        name=missing,
    )


def _decoders(cls: type[Struct], structs: Iterable[type[Struct]]) -> Mapping[Any, Decoder]:
    """Return the decoders of a settings class, and those of settings classes that it nests."""
    decoders: dict[Any, Decoder] = {}
    for struct in reversed([cls, *structs]):
        decoders |= getattr(field_types.struct_class(struct), "__decoders__", {})
    return decoders


class _Context(Struct, frozen=True, kw_only=True):
    """What the fields of a nested Struct inherit from the fields around it."""

    path: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    above: tuple[type[Struct], ...] = ()
    secret: bool = False
    restart: bool = False
    section: str = ""
    defaults: tuple[Any, ...] = ()


def _leaves(struct: type[Struct], context: _Context) -> Iterator[Leaf]:
    section = context.section
    tables = (*context.defaults, _written(context.defaults[-1] if context.defaults else ABSENT))
    for field in msgspec.structs.fields(struct):
        _, metadata = field_types.unwrap(field.type)
        section = next((mark.title for mark in metadata if isinstance(mark, Section)), section)
        inner = _Context(
            path=(*context.path, field.encode_name),
            attributes=(*context.attributes, field.name),
            above=(*context.above, struct),
            secret=context.secret or SECRET in metadata,
            restart=context.restart or RESTART_REQUIRED in metadata,
            section=section,
            defaults=tuple(_default(field, table) for table in tables),
        )
        nested = field_types.struct_of(field.type)
        if nested is not None and nested not in inner.above:
            yield from _leaves(nested, inner)
        else:
            yield _leaf(field, inner)


def _derived_leaves(cls: type[Struct], leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
    """Return the derived values of a class as leaves. Raises TypeError for a pattern that matches no key."""
    made: list[Leaf] = []
    for each in derived_in(cls):
        try:
            keys = select([leaf.key for leaf in leaves], each.patterns)
        except ValueError as error:
            raise TypeError(f"{cls.__name__}.{each.name}: {error}") from None
        sources = tuple(leaf for leaf in leaves if leaf.key in keys)
        secret = any(leaf.secret for leaf in sources) or is_secret(each.annotation)
        made.append(
            Leaf(
                path=(each.name,),
                attributes=(each.name,),
                annotation=each.annotation,
                defaults=(None,),
                secret=secret,
                restart=False,
                section="Derived",
                description=(each.__doc__ or "").strip().partition("\n")[0],
                marked=secret,
                sources=sources,
            )
        )
    return tuple(made)


def _leaf(field: FieldInfo, context: _Context) -> Leaf:
    return Leaf(
        path=context.path,
        attributes=context.attributes,
        annotation=field.type,
        defaults=context.defaults,
        secret=context.secret or is_secret(field.type),
        restart=context.restart,
        section=context.section,
        description=Shape(field.type).description,
        marked=context.secret,
    )


def _written(table: Any) -> Any:
    """What lies under a table that layers write: its default, if that is a table too."""
    return table if isinstance(table, Struct) else ABSENT


def _default(field: FieldInfo, table: Any) -> Any:
    """The field's default: the one in the default of its table if there is one, else its own."""
    if table is None:
        return None
    if isinstance(table, Struct):
        return getattr(table, field.name)
    return freeze(own_default(field))


def _refuse_undecodable(annotation: Any, label: str) -> None:
    """Raise TypeError, naming ``label``, for a type that msgspec does not know how to decode to."""
    try:
        msgspec.json.Decoder(annotation)
    except TypeError as error:
        reason = _lower(str(error))
    else:
        return
    raise TypeError(f"{label}: {reason}")


def _refuse_defaults(struct: type[Struct]) -> None:
    """Raise TypeError, naming the field, for a default that loading would refuse or that could be mutated."""
    name = getattr(field_types.struct_class(struct), "__name__", "")
    for field in msgspec.structs.fields(struct):
        label = f"{name}.{field.name}"
        if hasattr(field.default_factory, "from_values"):
            factory: Any = field.default_factory
            raise TypeError(
                f"{label}: {factory.__name__}() reads files; use default_factory={factory.__name__}.from_values"
            )
        default = own_default(field)
        field_types.refuse_foreign([default], label)
        if default is not ABSENT and (reason := _misfit(default, field.type)) is not None:
            about = "" if is_secret(field.type) else f": {_lower(reason)}"
            raise TypeError(f"{label}: its default does not fit its type{about}")


def _misfit(default: Any, annotation: Any) -> str | None:
    try:
        given = _builtins(default, NATIVE, keep)
        decoded = msgspec.convert(given, annotation, builtin_types=NATIVE, str_keys=True, dec_hook=only_instances)
        if field_types.needs_freezing(annotation):
            return None
        if not isinstance(default, type(decoded)) and not isinstance(decoded, float):
            return f"Expected `{type(decoded).__name__}`, got `{type(default).__name__}`"
        hash(default)  # fails where something in it could be mutated
    except (msgspec.ValidationError, TypeError, NotImplementedError) as error:
        return str(error)
    return None


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def plain(value: Any) -> Any:
    """Return a value given in code as tables, arrays and scalars. What TOML has no type for keeps its own."""
    import decimal
    import uuid

    own = (bytes, datetime.timedelta, decimal.Decimal, uuid.UUID)
    return _builtins(value, (*NATIVE, *own), keep)


def as_values(value: Any) -> Any:
    """Return settings, or a part of them, as the plain tables, arrays and scalars that a layer would hold."""
    return _builtins(value, NATIVE, enc_hook)


def _builtins(value: Any, types: tuple[type, ...], encode: Callable[[Any], Any]) -> Any:
    bare = without_records(value, encode)
    return as_arrays(msgspec.to_builtins(bare, builtin_types=(*types, Kept), str_keys=True, enc_hook=encode))


def as_arrays(value: Any) -> Any:
    """Replace tuples by lists, at any depth; msgspec leaves them as they are. Its tables are new, so they change in place."""
    if isinstance(value, dict):
        for key, item in value.items():
            if type(item) not in ATOMS:
                value[key] = as_arrays(item)
        return value
    if isinstance(value, Kept):
        return value.value
    return list(map(as_arrays, value)) if isinstance(value, list | tuple) else value
