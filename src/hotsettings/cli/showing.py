"""How `show`, `explain` and `diff` print settings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct
from rich import box
from rich.table import Table
from rich.text import Text

from ..errors import Origin
from ..explain import Explanation, Setting, effective
from ..load import Loaded
from ..notation import toml
from ..secrecy import Hidden
from ..snapshot import changed_keys
from . import output


def as_table(settings: Sequence[Setting]) -> None:
    """For a person: one table, a heading for each section."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Key", style="bold", no_wrap=True)
    table.add_column("Value", overflow="fold")
    table.add_column("From", overflow="fold")
    for section, group in groupby(settings, key=lambda setting: setting.leaf.section):
        if section:
            table.add_section()
            table.add_row(Text(section, style="bold cyan"))
        for setting in group:
            table.add_row(Text(setting.leaf.key), _value(setting.value), _origin(setting.origin))
    output.console().print(table)


def as_toml(settings: Sequence[Setting]) -> None:
    """For a pipe: TOML with the origin of each value as a comment; what is hidden or not set is a comment itself."""
    for section, group in groupby(settings, key=lambda setting: setting.leaf.section):
        if section:
            output.line(f"# {section}")
        for setting in group:
            assignment = f"{setting.leaf.key} = {toml(setting.value)}"
            absent = setting.value is None or isinstance(setting.value, Hidden)
            output.line(f"{'# ' if absent else ''}{assignment}  # {setting.origin}")


def as_json(settings: Sequence[Setting]) -> None:
    """For a program: key to value and origin."""
    output.json(
        {setting.leaf.key: {"value": setting.value, **output.origin_json(setting.origin)} for setting in settings}
    )


def explanation(explained: Explanation) -> None:
    """Print an explanation, the winner in bold on a terminal."""
    console = output.console()
    for number, line in enumerate(str(explained).splitlines()):
        live = number and explained.entries[number - 1].live
        console.print(Text(line, style="bold" if not number else "green" if live else "dim"))


def explanation_as_json(explained: Explanation) -> None:
    entries = [
        {"value": entry.value, "live": entry.live, **output.origin_json(entry.origin)} for entry in explained.entries
    ]
    output.json({"key": explained.key, "entries": entries})


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
        console.print(Text(change.old.leaf.key, style="bold"))
        for sign, style, side in (("-", "red", change.old), ("+", "green", change.new)):
            console.print(Text(f"  {sign} {toml(side.value)}  # {side.origin}", style=style))
    if not found:
        console.print("No difference.")


def changes_as_json(found: Sequence[Change]) -> None:
    def side(setting: Setting) -> dict[str, Any]:
        return {"value": setting.value, **output.origin_json(setting.origin)}

    output.json({change.old.leaf.key: {"old": side(change.old), "new": side(change.new)} for change in found})


def _value(value: Any) -> Text:
    style = "dim" if value is None else "yellow" if isinstance(value, Hidden) else ""
    return Text("not set" if value is None else toml(value), style=style)


def _origin(origin: Origin) -> Text:
    return Text(str(origin), style="" if origin.file else "dim")
