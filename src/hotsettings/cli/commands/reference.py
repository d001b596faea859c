"""`reference`: every key of a settings class, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from ..._layers.toml.values import toml
from ..._schema.describe import Limit, limits, type_name
from ..._schema.schema import Leaf, Schema, as_values
from ..._schema.shape import in_order
from .. import output
from ..options import SettingsClass
from ..settings_class import schema_or_exit


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
        lines += (_reference_row(leaf) for leaf in leaves)
    if schema.derived:
        lines += ["", "## Derived", "", "No file sets these.", "", "| Name | Meaning | Derived from |", "|---|---|---|"]
        lines += (_derived_row(leaf) for leaf in schema.derived)
    return "\n".join(lines)


def by_section(schema: Schema) -> Iterator[tuple[str, Iterator[Leaf]]]:
    """Group the leaves by section, in the order of the class."""
    return groupby(schema.leaves, key=lambda leaf: leaf.section)


def _reference_row(leaf: Leaf) -> str:
    kind = f"{_code(type_name(leaf.annotation))}{', secret' if leaf.secret else ''}"
    allowed = ", ".join(_limit(limit) for limit in limits(leaf.annotation))
    about = " ".join(leaf.description.split()).replace("<", "&lt;")
    cells = (_code(leaf.key), about, _default(leaf), kind, allowed, "restart" if leaf.restart else "hot")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _derived_row(leaf: Leaf) -> str:
    about = " ".join(leaf.description.split()).replace("<", "&lt;").replace("|", "\\|")
    return f"| {_code(leaf.key)} | {about} | {', '.join(_code(source.key) for source in leaf.sources)} |"


def _default(leaf: Leaf) -> str:
    if leaf.required:
        return "required"
    if leaf.default is None:
        return "not set"
    return "hidden" if leaf.secret else _code(toml(in_order(leaf.shape, as_values(leaf.default))))


def _limit(limit: Limit) -> str:
    return f"{limit.words} {_code(limit.value)}" if limit.is_pattern else str(limit)


def _code(text: str) -> str:
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
