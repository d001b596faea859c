"""How `show`, `explain` and `diff` print settings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct
from rich.text import Text

from .._layers.toml.values import toml
from .._live.snapshot import changed_keys
from .._loading.explain import Entry, Explanation, Setting, columns, effective
from .._loading.load import Loaded
from .._schema.masking import Hidden
from ..errors import Origin
from . import output

_ORIGIN_STYLES = {"default": "dim", "secrets": "yellow", "override": "magenta"}


def as_table(settings: Sequence[Setting]) -> None:
    """For a person: three columns, a heading for each section."""
    console = output.console()
    key_width = max((len(setting.leaf.key) for setting in settings), default=0)
    room = console.width - key_width - max((len(str(setting.origin)) for setting in settings), default=0) - 6
    value_width = min(max(16, room), 40, max((len(_written(setting.value)) for setting in settings), default=0))
    console.print(Text(f" {'Key':<{key_width}}  {'Value':<{value_width}}  From", style="bold underline"))
    for section, group in groupby(settings, key=lambda setting: setting.leaf.section):
        if section:
            console.print(Text.assemble("\n ", (section, "bold cyan")))
        for setting in group:
            key = f" {setting.leaf.key:<{key_width}}  "
            value = Text(f"{_written(setting.value):<{value_width}}", style=_value_style(setting.value))
            output.hanging(console, key, Text.assemble(value, "  ", _origin(setting.origin)), len(key))


def as_toml(settings: Sequence[Setting]) -> None:
    """For a pipe: TOML with the origin of each value as a comment; what is hidden or not set is a comment itself."""
    for section, group in groupby(settings, key=lambda setting: setting.leaf.section):
        if section:
            output.line(f"# {section}")
        for setting in group:
            absent = setting.value is None or isinstance(setting.value, Hidden)
            assignment = f"{'# ' if absent else ''}{setting.leaf.key} = {_written(setting.value)}"
            output.line(f"{assignment}  # {setting.origin}")


def as_json(settings: Sequence[Setting]) -> None:
    """For a program: key to value and origin."""
    output.json({setting.leaf.key: _setting_json(setting) for setting in settings})


def explanation(explained: Explanation) -> None:
    """Print what each layer says, in columns, the winner first."""
    console = output.console()
    value_width = min(40, max(len(_written(entry.value)) for entry in explained.entries))
    layer_width = max(len(columns(entry.origin)[0]) for entry in explained.entries)
    console.print(Text(explained.key, style="bold"))
    for entry in explained.entries:
        layer, place = columns(entry.origin)
        text = f"{_written(entry.value):<{value_width}}  {layer:<{layer_width}}  {place}".rstrip()
        mark = "  → " if entry.live else "    "
        output.hanging(console, mark, Text(text, style="green" if entry.live else "dim"), 6)


def explanation_as_json(explained: Explanation) -> None:
    """For a program: the key and the entries, the winner first."""

    def entry_json(entry: Entry) -> dict[str, Any]:
        return {"value": entry.value, "live": entry.live, **output.origin_json(entry.origin)}

    output.json({"key": explained.key, "entries": [entry_json(entry) for entry in explained.entries]})


class Change(Struct, frozen=True):
    """A setting that differs between two sets of files."""

    old: Setting
    new: Setting


def changes(old: Loaded, new: Loaded) -> list[Change]:
    """What differs, in the order of the class."""
    keys = changed_keys(old.schema, old.settings, new.settings)
    pairs = zip(effective(old), effective(new), strict=True)
    return [Change(before, after) for before, after in pairs if before.leaf.key in keys]


def changes_as_text(found: Sequence[Change]) -> None:
    """Three lines for each change, in the manner of diff: the key, what was, what would be."""
    console = output.console()
    for change in found:
        restart = Text("  needs a restart", style="dim") if change.old.leaf.restart else Text()
        console.print(Text.assemble((change.old.leaf.key, "bold"), restart))
        for sign, style, side in (("-", "red", change.old), ("+", "green", change.new)):
            output.hanging(console, "  ", Text(f"{sign} {_written(side.value)}  # {side.origin}", style=style), 4)
    if not found:
        console.print("No difference.")


def changes_as_json(found: Sequence[Change]) -> None:
    """For a program: key to the old and the new side."""
    sides = {change.old.leaf.key: (change.old, change.new) for change in found}
    output.json({key: {"old": _setting_json(old), "new": _setting_json(new)} for key, (old, new) in sides.items()})


def _setting_json(setting: Setting) -> dict[str, Any]:
    return {"value": setting.value, **output.origin_json(setting.origin)}


def _written(value: Any) -> str:
    return "not set" if value is None else toml(value)


def _value_style(value: Any) -> str:
    return "dim" if value is None else "yellow" if isinstance(value, Hidden) else ""


def _origin(origin: Origin) -> Text:
    return Text(str(origin), style=_ORIGIN_STYLES.get(origin.layer, ""))
