"""`show`: every setting, and where it is written."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, takewhile
from typing import Any

from rich.text import Text

from ..._layers.toml.keys import ABSENT, Path, dotted
from ..._layers.toml.values import Written, expressible, toml
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
    key_width = max((len(setting.key) for setting in settings), default=0)
    room = console.width - key_width - max((len(str(setting.origin)) for setting in settings), default=0) - 6
    value_width = min(max(16, room), 40, max((len(setting.text) for setting in settings), default=0))
    console.print(Text(f" {'Key':<{key_width}}  {'Value':<{value_width}}  From", style="bold underline"))
    for section, group in groupby(settings, key=lambda setting: setting.leaf.section):
        if section:
            console.print(Text.assemble("\n ", (section, "bold cyan")))
        for setting in group:
            key = f" {setting.key:<{key_width}}  "
            value = Text(f"{setting.text:<{value_width}}", style=_value_style(setting.value))
            output.hanging(console, key, Text.assemble(value, "  ", _origin(setting.origin)), len(key))


def as_toml(settings: Sequence[Setting]) -> None:
    """Print TOML for a pipe. What a file could not say, or what would not be valid without that, is commented out."""
    incomplete = {setting.leaf.key for setting in settings if _is_missed(setting)}
    for section, group in groupby(settings, key=lambda setting: setting.leaf.section):
        if section:
            output.line(f"# {section}")
        for path, inside in groupby(group, key=_assigned):
            found = list(inside)
            commented = found[0].leaf.key in incomplete or _is_lost(found)
            if len(found[0].path) > len(path) and not commented:  # TOML cannot assign to an element of an array
                output.line(f"{dotted(path)} = {toml(_array(found, len(path)))}  # {found[0].origin}")
                found = [setting for setting in found if _absent(setting)]
            for setting in found:
                mark = "# " if commented or _absent(setting) else ""
                output.line(f"{mark}{setting.key} = {setting.text}  # {setting.origin}")


def _assigned(setting: Setting) -> Path:
    """The path up to the first array of tables on it."""
    return tuple(takewhile(lambda part: isinstance(part, str), setting.path))


def _absent(setting: Setting) -> bool:
    """Whether a file could not say it."""
    return isinstance(setting.value, Hidden) or bool(setting.leaf.sources) or not expressible(setting.value)


def _is_missed(setting: Setting) -> bool:
    """Whether the array or mapping around a value cannot be written without it, but only with it.

    A hidden value in a mapping is not missed if a layer writes it: then a secrets file does.
    """
    inner = setting.path[len(setting.leaf.path) :]
    if not inner or not _absent(setting):
        return False
    shape = setting.leaf.shape.at(inner)
    required = isinstance(inner[-1], int) or (shape is not None and shape.default is ABSENT)
    return required and (setting.origin.kind != "layer" or any(isinstance(part, int) for part in inner))


def _is_lost(array: Sequence[Setting]) -> bool:
    """Whether all that layers say of an array is secret, so that only defaults are left of it."""
    secret = any(isinstance(setting.value, Hidden) and setting.origin.kind != "default" for setting in array)
    return secret and all(_absent(setting) or setting.origin.kind == "default" for setting in array)


def _array(settings: Sequence[Setting], depth: int) -> Any:
    """Put the leaves of an array of tables together again. A table of which nothing can be said is empty."""
    whole: dict[str | int, Any] = {}
    for setting in settings:
        table = whole
        for part in setting.path[depth:-1]:
            table = table.setdefault(part, {})
        if not _absent(setting):
            table[setting.path[-1]] = Written(setting.text)
    return _listed(whole)


def _listed(value: Any) -> Any:
    """Replace the tables whose keys are indices by lists."""
    if not isinstance(value, dict):
        return value
    inside = {key: _listed(item) for key, item in value.items()}
    return list(inside.values()) if any(isinstance(key, int) for key in inside) else inside


def as_json(settings: Sequence[Setting]) -> None:
    """Print each key with its value and origin for a program."""
    output.json({setting.key: output.setting_json(setting) for setting in settings})


def _value_style(value: Any) -> str:
    return "dim" if value is None else "yellow" if isinstance(value, Hidden) else ""


def _origin(origin: Origin) -> Text:
    return Text(str(origin), style=_ORIGIN_STYLES.get(origin.layer, ""))
