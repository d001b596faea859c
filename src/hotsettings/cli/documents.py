"""What editors and people read about a settings class: JSON Schema and reference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec
from msgspec.structs import FieldInfo

from .._layers.toml.values import toml
from .._schema import field_types
from .._schema.describe import Limit, limits, type_name
from .._schema.marks import RESTART_REQUIRED
from .._schema.masking import is_secret, secret_fields
from .._schema.schema import Leaf, Schema, as_values


def json_schema(schema: Schema) -> str:
    """The JSON Schema of the TOML files.

    No key is required in it, because each file may hold a part of the settings only. Defaults of secrets are left out.
    """
    structs = list(dict.fromkeys(field_types.structs_below(schema.cls)))
    references, components = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    for struct, reference in zip(structs, references, strict=True):
        component: dict[str, Any] = components[reference["$ref"].rpartition("/")[2]]
        component.pop("required", None)
        for field in msgspec.structs.fields(struct):
            _annotate(component["properties"][field.encode_name], field, field.name in secret_fields(struct))
    # The root stands by itself: older readers overlook what stands beside a $ref.
    root: dict[str, Any] = components[references[0]["$ref"].rpartition("/")[2]]
    others = {name: component for name, component in components.items() if component is not root}
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **root} | ({"$defs": others} if others else {})
    return msgspec.json.format(msgspec.json.encode(_without_null(whole)), indent=2).decode()


def _annotate(entry: dict[str, Any], field: FieldInfo, hidden: bool) -> None:
    about = [entry["description"]] if "description" in entry else []
    if is_secret(field.type):
        entry.pop("default", None)
    if hidden:
        entry["writeOnly"] = True
        about.append("Secret: it belongs in the secrets file.")
    if RESTART_REQUIRED in field_types.unwrap(field.type)[1]:
        about.append("A change needs a restart.")
    if about:
        entry["description"] = " ".join(about)


def _without_null(node: Any) -> Any:
    """A schema without null, which TOML does not have."""
    if isinstance(node, list):
        return [_without_null(item) for item in node if item is not None]
    if not isinstance(node, dict):
        return node
    clean = {key: _without_null(value) for key, value in node.items() if key != "default" or value is not None}
    if isinstance(clean.get("anyOf"), list):
        kinds = [kind for kind in clean.pop("anyOf") if kind != {"type": "null"}]
        clean = {**kinds[0], **clean} if len(kinds) == 1 else {"anyOf": kinds, **clean}
    return clean


def reference(schema: Schema) -> str:
    """The configuration reference in Markdown: a table for each section."""
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
        lines += (_reference_row(leaf) for leaf in leaves)
    return "\n".join(lines)


def by_section(schema: Schema) -> Iterator[tuple[str, Iterator[Leaf]]]:
    """The leaves in the order of the class, grouped by the section they stand in."""
    return groupby(schema.leaves, key=lambda leaf: leaf.section)


def _reference_row(leaf: Leaf) -> str:
    kind = f"{_code(type_name(leaf.annotation))}{', secret' if leaf.secret else ''}"
    allowed = ", ".join(_limit(limit) for limit in limits(leaf.annotation))
    about = " ".join(leaf.description.split()).replace("<", "&lt;")
    cells = (_code(leaf.key), about, _default(leaf), kind, allowed, "restart" if leaf.restart else "hot")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(leaf: Leaf) -> str:
    if leaf.required:
        return "required"
    if leaf.default is None:
        return "not set"
    return "hidden" if leaf.secret else _code(toml(as_values(leaf.default)))


def _limit(limit: Limit) -> str:
    return f"{limit.words} {_code(limit.value)}" if limit.is_pattern else str(limit)


def _code(text: str) -> str:
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
