"""`reference`: every key of a settings class, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any, Final

import msgspec
from msgspec.structs import FieldInfo

from ..._layers.toml.keys import ABSENT, Path, dotted, written
from ..._layers.toml.values import toml
from ..._schema.describe import Limit, limits, type_name
from ..._schema.field_types import struct_class
from ..._schema.marks import Renamed
from ..._schema.masking import HIDDEN
from ..._schema.schema import Leaf, Schema, as_values
from ..._schema.shape import Shape, in_order, masked, own_default
from .. import output
from ..options import SettingsClass
from ..settings_class import schema_or_exit

_MOST_ELEMENTS: Final = 20
"""Elements of an array of fixed length that are looked into."""


def reference(settings_class: SettingsClass) -> None:
    """Print a configuration reference in Markdown."""
    output.line(markdown(schema_or_exit(settings_class)))


def markdown(schema: Schema) -> str:
    """Return the configuration reference in Markdown: a table for each section."""
    name = f"{schema.cls.__module__}:{schema.cls.__qualname__}"
    lines = [
        "# Configuration reference",
        "",
        f"The settings of `{name}`: {len(schema.leaves)} keys. Written by `hotsettings reference {name}`.",
        "",
        "A change to a *hot* key can reach a running process; one to a *restart* key waits for the next start.",
    ]
    for section, leaves in by_section(schema):
        lines += ["", f"## {section or 'Settings'}", ""]
        lines += ["| Key | Meaning | Default | Type | Limits | Change |", "|---|---|---|---|---|---|"]
        for leaf in leaves:
            lines += [_reference_row(schema, leaf), *_rows_inside(leaf)]
    if schema.derived:
        lines += ["", "## Derived", "", "No file sets these.", "", "| Name | Meaning | Derived from |", "|---|---|---|"]
        lines += (_derived_row(leaf) for leaf in schema.derived)
    return "\n".join(lines)


def by_section(schema: Schema) -> Iterator[tuple[str, Iterator[Leaf]]]:
    """Group the leaves by section, in the order of the class."""
    return groupby(schema.leaves, key=lambda leaf: leaf.section)


def remarks(schema: Schema, path: Path, quoted: Callable[[str], str]) -> Iterator[str]:
    """Yield the former keys of a field, and what to do instead of setting it, as its marks and those of the tables around it say."""
    shape = schema.shape
    for end, key in enumerate(path):
        shape = (shape.fields or {})[str(key)]
        for old in shape.marked(Renamed, "old"):
            yield f"formerly {quoted(dotted((*path[:end], old, *path[end + 1 :])))}"
        yield from _deprecated(shape)


def _deprecated(shape: Shape) -> Iterator[str]:
    return (f"deprecated: {instead}" for instead in shape.deprecated)


def _reference_row(schema: Schema, leaf: Leaf) -> str:
    default = "required" if leaf.required else _default(leaf.shape, leaf.default)
    return _row(leaf, leaf.key, leaf.shape, leaf.description, default, remarks(schema, leaf.path, _code))


def _rows_inside(leaf: Leaf) -> Iterator[str]:
    """Yield a row for each key of the tables inside a mapping, an array or a union.

    ``dbs.<name>.host`` is in each table of a mapping, ``hosts[].port`` in each of an array, and ``storage (kind = "s3").bucket`` in
    a table with this tag.
    """
    for path, shape, field in fields_inside(leaf.shape, leaf.key, ()):
        default = own_default(field)
        text = "required" if default is ABSENT else _default(shape, default)
        former = (f"formerly {_code(written(old))}" for old in shape.marked(Renamed, "old"))
        yield _row(leaf, path, shape, shape.description, text, (*former, *_deprecated(shape)))


def fields_inside(shape: Shape, path: str, above: tuple[Any, ...]) -> Iterator[tuple[str, Shape, FieldInfo]]:
    for member in shape.members:
        if member.struct is not None and member.fields is not None:
            if member.struct in above:
                continue  # within itself
            tag = struct_class(member.struct).__struct_config__.tag  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
            prefix = path if tag is None else f"{path} ({member.tag_field} = {toml(tag)})"
            fields = {field.encode_name: field for field in msgspec.structs.fields(member.struct)}
            for key, inner in member.fields.items():
                yield f"{prefix}.{written(key)}", inner, fields[key]
                yield from fields_inside(inner, f"{prefix}.{written(key)}", (*above, member.struct))
        elif member.entries is not None:
            yield from fields_inside(member.entries[1], f"{path}.<name>", above)
        else:
            for element in dict.fromkeys(islice(member.elements, _MOST_ELEMENTS)):
                yield from fields_inside(element, f"{path}[]", above)


def is_secret_leaf(shape: Shape) -> bool:
    """Whether a key holds a secret, and not just a key inside it that has a row of its own."""
    return shape.secret or (shape.holds_secret and next(fields_inside(shape, "", ()), None) is None)


def _row(leaf: Leaf, key: str, shape: Shape, description: str, default: str, remarks: Iterable[str]) -> str:
    kind = f"{_code(type_name(shape.annotation))}{', secret' if is_secret_leaf(shape) else ''}"
    allowed = ", ".join(_limit(limit) for limit in limits(shape.annotation))
    about = " ".join(sentences(" ".join(description.split()), remarks)).replace("<", "&lt;")
    cells = (_code(key), about, default, kind, allowed, "restart" if leaf.restart else "hot")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def sentences(description: str, more: Iterable[str]) -> list[str]:
    """Return a description and what there is to add, each as a sentence."""
    said = [text for text in (description, *more) if text]
    ended = [text if text.endswith((".", "!", "?")) else f"{text}." for text in said]
    return said if said == [description] else [text[:1].upper() + text[1:] for text in ended]


def _derived_row(leaf: Leaf) -> str:
    about = " ".join(leaf.description.split()).replace("<", "&lt;").replace("|", "\\|")
    return f"| {_code(leaf.key)} | {about} | {', '.join(_code(source.key) for source in leaf.sources)} |"


def _default(shape: Shape, default: Any) -> str:
    shown = masked(shape, in_order(shape, as_values(default)))
    return "not set" if default is None else "hidden" if shown is HIDDEN else _code(toml(shown))


def _limit(limit: Limit) -> str:
    return f"{limit.words} {_code(limit.value)}" if limit.is_pattern else str(limit)


def _code(text: str) -> str:
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
