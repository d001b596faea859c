"""What can be generated from a settings class alone: JSON Schema, reference, templates."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec

from .. import shape
from ..notation import toml
from ..schema import Leaf, Schema, as_values
from ..secrecy import is_secret, secret_fields
from ..typenames import limits, type_name


def json_schema(schema: Schema) -> str:
    """The JSON Schema of the TOML files.

    No key is required in it, because each file may hold a part of the settings only. Defaults of secrets are left out.
    """
    structs = list(dict.fromkeys(shape.structs_below(schema.cls)))
    references, components = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    for struct, reference in zip(structs, references, strict=True):
        component: dict[str, Any] = components[reference["$ref"].rpartition("/")[2]]
        component.pop("required", None)
        for field in msgspec.structs.fields(struct):
            entry = component["properties"][field.encode_name]
            if is_secret(field.type):
                entry.pop("default", None)
            if field.name in secret_fields(struct):
                entry["writeOnly"] = True
    root = {"$schema": "https://json-schema.org/draft/2020-12/schema", **references[0], "$defs": components}
    return msgspec.json.format(msgspec.json.encode(root), indent=2).decode()


def reference(schema: Schema) -> str:
    """The configuration reference in Markdown: a table for each section."""
    lines = [
        "# Configuration reference",
        "",
        f"The settings of `{schema.cls.__module__}:{schema.cls.__qualname__}`: {len(schema.leaves)} keys.",
        "A change to a *hot* key is seen by a running process; one to a *restart* key waits for the next start.",
    ]
    for section, leaves in _by_section(schema):
        lines += ["", f"## {section or 'Settings'}", ""]
        lines += ["| Key | Meaning | Default | Type | Limits | Change |", "|---|---|---|---|---|---|"]
        lines += (_reference_row(leaf) for leaf in leaves)
    return "\n".join(lines)


def _reference_row(leaf: Leaf) -> str:
    kind = f"{_code(type_name(leaf.annotation))}{', secret' if leaf.secret else ''}"
    allowed = ", ".join(_limit(limit) for limit in limits(leaf.annotation))
    cells = (_code(leaf.key), leaf.description, _default(leaf), kind, allowed, "restart" if leaf.restart else "hot")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(leaf: Leaf) -> str:
    if leaf.required:
        return "required"
    if leaf.default is None:
        return "not set"
    return "hidden" if leaf.secret else _code(toml(as_values(leaf.default)))


def _limit(limit: str) -> str:
    word, _, pattern = limit.partition("matches ")
    return f"matches {_code(pattern)}" if pattern else word


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def template(schema: Schema) -> str:
    """A config.toml in which every key stands as a comment, with its meaning and default."""
    lines = [
        f"# Settings of {schema.cls.__module__}:{schema.cls.__qualname__}.",
        "# Each key below shows its default; remove the # in front to set another value.",
    ]
    for section, leaves in _by_section(schema):
        lines += ["", f"# ---- {section or 'Settings'} ----"]
        for leaf in leaves:
            lines += ["", *_comment(leaf)]
            if leaf.secret:
                lines.append(f"# {leaf.key} belongs in the secrets file.")
            else:
                lines.append(f"# {leaf.key} = {_example(leaf)}")
    return "\n".join(lines)


def secrets_template(schema: Schema) -> str:
    """A secrets.example.toml: required secrets with a value that says it must be changed, the others as comments."""
    lines = [
        f"# Secrets of {schema.cls.__module__}:{schema.cls.__qualname__}.",
        "# Copy this file to secrets.toml, change every value, and keep the copy out of version control.",
    ]
    for leaf in schema.leaves:
        if leaf.secret:
            lines += ["", *_comment(leaf), f"{'' if leaf.required else '# '}{leaf.key} = {_placeholder(leaf)}"]
    return "\n".join(lines)


def _comment(leaf: Leaf) -> Iterator[str]:
    facts = [type_name(leaf.annotation), *limits(leaf.annotation)]
    facts += ["required"] * leaf.required + ["needs a restart"] * leaf.restart
    for line in (leaf.description, ", ".join(facts)):
        yield from textwrap.wrap(line, 118, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)


def _example(leaf: Leaf) -> str:
    if leaf.required or leaf.default is None:
        return "..."
    return toml(as_values(leaf.default))


def _placeholder(leaf: Leaf) -> str:
    bare = msgspec.inspect.type_info(leaf.annotation)
    while isinstance(bare, msgspec.inspect.Metadata):
        bare = bare.type
    text = "CHANGE-ME"
    if isinstance(bare, msgspec.inspect.StrType) and bare.min_length is not None:
        text = (f"{text}-" * bare.min_length)[: max(bare.min_length, len(text))]
    return toml(text)


def _by_section(schema: Schema) -> Iterator[tuple[str, Iterator[Leaf]]]:
    return groupby(schema.leaves, key=lambda leaf: leaf.section)
