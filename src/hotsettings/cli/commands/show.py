"""`show`: every setting, and where it is written."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich.text import Text

from ..._loading.explain import Setting, effective
from ..._schema.masking import Hidden
from ...errors import Origin
from .. import output
from ..options import Files, Json, SettingsClass, load_or_exit

_ORIGIN_STYLES = {"default": "dim", "secrets": "yellow", "override": "magenta"}


def show(settings_class: SettingsClass, files: Files, json: Json = False) -> None:
    """Show every setting and where it is written.

    Secrets are masked. In a pipe the output is TOML, and a comment after each value says where it is written.
    """
    [loaded] = load_or_exit(settings_class, files, json=json)
    settings = effective(loaded)
    if json:
        as_json(settings)
    elif output.interactive():
        as_table(settings)
    else:
        as_toml(settings)


def as_table(settings: Sequence[Setting]) -> None:
    """Print three columns for a person, with a heading for each section."""
    console = output.console()
    key_width = max((len(setting.leaf.key) for setting in settings), default=0)
    room = console.width - key_width - max((len(str(setting.origin)) for setting in settings), default=0) - 6
    value_width = min(
        max(16, room), 40, max((len(output.value_text(setting.value)) for setting in settings), default=0)
    )
    console.print(Text(f" {'Key':<{key_width}}  {'Value':<{value_width}}  From", style="bold underline"))
    for section, group in groupby(settings, key=lambda setting: setting.leaf.section):
        if section:
            console.print(Text.assemble("\n ", (section, "bold cyan")))
        for setting in group:
            key = f" {setting.leaf.key:<{key_width}}  "
            value = Text(f"{output.value_text(setting.value):<{value_width}}", style=_value_style(setting.value))
            output.hanging(console, key, Text.assemble(value, "  ", _origin(setting.origin)), len(key))


def as_toml(settings: Sequence[Setting]) -> None:
    """Print TOML for a pipe. A value that is hidden or not set is commented out."""
    for section, group in groupby(settings, key=lambda setting: setting.leaf.section):
        if section:
            output.line(f"# {section}")
        for setting in group:
            absent = setting.value is None or isinstance(setting.value, Hidden)
            assignment = f"{'# ' if absent else ''}{setting.leaf.key} = {output.value_text(setting.value)}"
            output.line(f"{assignment}  # {setting.origin}")


def as_json(settings: Sequence[Setting]) -> None:
    """Print each key with its value and origin for a program."""
    output.json({setting.leaf.key: output.setting_json(setting) for setting in settings})


def _value_style(value: Any) -> str:
    return "dim" if value is None else "yellow" if isinstance(value, Hidden) else ""


def _origin(origin: Origin) -> Text:
    return Text(str(origin), style=_ORIGIN_STYLES.get(origin.layer, ""))
