"""What happens to merged values before msgspec decodes them.

- A default that is a Struct lies under the table that layers write in its place.
- `Before` converts what layers say.
- Nested Structs refuse unknown keys, whether or not they say ``forbid_unknown_fields``. `Tolerant` tables lose theirs, with a
  warning.

All of it happens in one walk, which goes only where a class needs it. No document is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from .._layers.layer import Document
from .._layers.toml.keys import ABSENT, Path, Values, follow
from .._schema.codecs import Decoding
from .._schema.field_types import class_of, is_tagged
from .._schema.schema import Schema, as_arrays
from .._schema.shape import Shape, own_default
from .._schema.stand_ins import NATIVE
from .decode import decode_part
from .merge import merge


class Prepared(Struct):
    """Values that can be decoded, and what was noticed on the way.

    Args:
        values: The values.
        refused: Why functions of `Before` refuse values, by their places.
        unknown: Where strict tables have unknown keys.
        ignored: Where tolerant tables had unknown keys.
        deprecated: Where layers set a deprecated field, and what to do instead.
        to_check: The places that layers set and that a `Check` is for.
    """

    values: Values
    refused: dict[Path, str] = {}
    unknown: list[Path] = []
    ignored: list[Path] = []
    deprecated: list[tuple[Path, str]] = []
    to_check: list[tuple[Path, Shape]] = []

    @property
    def is_sound(self) -> bool:
        """Whether decoding can be tried."""
        return not self.refused and not self.unknown


def prepare(schema: Schema, documents: Iterable[Document], base: Struct | None = None) -> Prepared:
    """Merge documents, and prepare their values for decoding.

    Args:
        schema: What the settings class declares.
        documents: In rising precedence.
        base: Settings that lie under the documents.
    """
    prepared = Prepared(merge([document.values for document in documents], schema.merging))
    if schema.is_prepared or base is not None or (schema.tolerant and not prepared.values.keys() <= schema.keys):
        prepared.values = _Walk(prepared).struct(schema.shape, prepared.values, (), base, schema.tolerant)
    return prepared


class _Walk:
    def __init__(self, found: Prepared) -> None:
        self._found = found

    def value(self, shape: Shape, value: Any, path: Path, default: Any, tolerant: bool) -> Any:
        """Return the value to decode in the place of the one that layers say."""
        for convert in shape.conversions if value is not None else ():
            value, refusal = _called(convert, value)
            if refusal is not None:
                self._found.refused[path] = refusal
                return value
            value = as_arrays(value)
        self._found.deprecated.extend((path, instead) for instead in shape.deprecated)
        if shape.checks and value is not None:
            self._found.to_check.append((path, shape))
        tolerant = tolerant or shape.tolerant
        if isinstance(value, dict):
            return self._table(shape, value, path, default, tolerant)
        return self._array(shape, value, path, tolerant) if isinstance(value, list) else value

    def _table(self, shape: Shape, table: Values, path: Path, default: Any, tolerant: bool) -> Values:
        field = shape.tag_field
        if isinstance(default, Struct) and field is not None and field not in table:
            table = {field: default.__struct_config__.tag, **table}
        tables = [each for each in shape.members_for(table) if each.struct is not None or each.entries is not None]
        if len(tables) != 1:
            return table  # without a tag nobody knows what it is
        [chosen] = tables
        tolerant = tolerant or chosen.tolerant
        if chosen.struct is not None:
            below = default if isinstance(default, class_of(chosen.struct)) else None
            return self.struct(chosen, table, path, below, tolerant)
        assert chosen.entries is not None
        inner = chosen.entries[1]
        if not _concerns(inner, tolerant):
            return table
        return {key: self.value(inner, item, (*path, key), None, tolerant) for key, item in table.items()}

    def _array(self, shape: Shape, items: list[Any], path: Path, tolerant: bool) -> list[Any]:
        arrays = shape.arrays_for(items)
        if len(arrays) != 1 or not _concerns(arrays[0], tolerant):
            return items
        prepared = [
            self.value(inner, item, (*path, index), None, tolerant)
            for index, (inner, item) in enumerate(zip(arrays[0].elements, items, strict=False))
        ]
        return prepared + items[len(prepared) :]

    def struct(self, shape: Shape, table: Values, path: Path, base: Struct | None, tolerant: bool) -> Values:
        """Return the table of a Struct over ``base``, its default."""
        assert shape.fields is not None
        result = table
        if not table.keys() <= shape.keys:
            unknown = [key for key in table if key not in shape.keys]
            refused = dict.fromkeys(key for key in unknown if not tolerant or key in shape.renamed)
            self._found.unknown += [(*path, key) for key in refused]
            self._found.ignored += [(*path, key) for key in unknown if key not in refused]
            result = {key: value for key, value in table.items() if key in shape.keys or key in refused}
        for key, inner in shape.fields.items():
            default = None
            if base is not None:
                default = getattr(base, shape.attributes[key])
            elif key in result and key in shape.default_tables:
                default = own_default(shape.default_tables[key])
            if key in result:
                if not (_concerns(inner, tolerant) or isinstance(default, Struct)):
                    continue
                default = self.value(inner, result[key], (*path, key), default, tolerant)
            elif base is None or default is msgspec.UNSET:
                continue
            if result is table:
                result = table.copy()
            result[key] = default
        return result


def _concerns(shape: Shape, tolerant: bool) -> bool:
    return shape.is_prepared or (tolerant and shape.has_tables)


def _called(function: Callable[[Any], Any], value: Any) -> tuple[Any, str | None]:
    """Call a function of the user. Return its result and None; or the value, and why the function refuses it."""
    try:
        return function(value), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may raise anything, and may call sys.exit
        from .._redaction.exceptions import message_of, type_and_message, type_name_of  # only errors need these

        if isinstance(error, ValueError):
            return value, message_of(error) or type_name_of(error)
        return value, type_and_message(error)


def refused_by_checks(
    schema: Schema, prepared: Prepared, settings: Any, decoding: Decoding | None
) -> Iterator[tuple[Path, str]]:
    """Have each `Check` look at its value, once. Yield what is refused, and why.

    Args:
        schema: What the settings class declares.
        prepared: What was decoded.
        settings: What became of it. ABSENT if it could not be decoded as a whole; then each value is decoded by itself.
        decoding: The decoders that have decoded it, with what they know already.
    """
    spoilt = {path[:end] for path in prepared.refused for end in range(len(path) + 1)}
    for path, shape in prepared.to_check:
        if path in spoilt:
            continue
        if settings is ABSENT:
            value = decode_part(shape.annotation, follow(prepared.values, path), decoding)
        else:
            value = _decoded_at(schema.shape, settings, prepared.values, path, decoding)
        for check in shape.checks if value is not ABSENT else ():
            _, refusal = _called(check, value)
            if refusal is not None:
                yield path, refusal


def underivable(schema: Schema, settings: Any) -> Iterator[tuple[Path, str]]:
    """Work out the derived values. Yield which cannot be, and why."""
    for leaf in schema.derived:
        _, refusal = _called(leaf.value_in, settings)
        if refusal is not None:
            yield leaf.path, refusal


def _decoded_at(shape: Shape, decoded: Any, value: Any, path: Path, decoding: Decoding | None) -> Any:
    """Return what the value at a path has become."""
    for part in path:
        member = next(each for each in shape.members_for(value) if each.inside(value, part) is not None)
        inner = member.inside(value, part)
        assert inner is not None
        if isinstance(decoded, Struct):
            if isinstance(part, str):
                name = member.attributes[part]
            else:
                name = decoded.__struct_fields__[part - is_tagged(type(decoded))]
            decoded = getattr(decoded, name)
        elif isinstance(part, str):
            assert member.entries is not None
            decoded = decoded[_key(member.entries[0].annotation, part, decoding)]
        else:
            decoded = decoded[part]
        shape, value = inner, value[part]
    return decoded


def _key(annotation: Any, written: str, decoding: Decoding | None) -> Any:
    """Return what a key of a mapping has become."""
    if annotation is str:
        return written
    [key] = msgspec.convert(
        {written: None}, dict[annotation, None], builtin_types=NATIVE, str_keys=True, dec_hook=decoding
    )
    return key
