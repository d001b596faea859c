"""`diff`: what differs between two sets of files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from .. import changes, output
from ..changes import KeyChange
from ..options import Files, Json, SettingsClass, file_option, load_or_exit
from ..settings_class import Usage


def diff(
    settings_class: SettingsClass,
    files: Files,
    to_config: Annotated[str | None, file_option("--to-config", "The other side's base file.")] = None,
    to_secrets: Annotated[str | None, file_option("--to-secrets", "The other side's secrets file.")] = None,
    to_override: Annotated[
        str | None, file_option("--to-override", "The other side's override; '' for none.", may_be_empty=True)
    ] = None,
    to_layer: Annotated[
        list[str] | None,
        file_option("--to-layer", "A layer of the other side. Repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Show what differs between two sets of files.

    The other side has the same files, except for those that you name with --to-... Or name all of its layers.
    """
    override = files.override if to_override is None else to_override or None
    three = to_config or to_secrets or to_override is not None
    if to_layer and three:
        raise Usage("--to-layer and --to-config, --to-secrets, --to-override exclude each other")
    if files.layer and not to_layer:
        raise Usage("with --layer, name the layers of the other side with --to-layer")
    if to_layer:
        other = Files(layer=to_layer)
    else:
        other = Files(to_config or files.config, to_secrets or files.secrets, override)
    found = changes.between_settings(*load_or_exit(settings_class, files, other, json=json))
    (_as_json if json else changes.as_text)(found)


def _as_json(found: Sequence[KeyChange]) -> None:
    sides = {each.key: {"old": output.setting_json(each.old), "new": output.setting_json(each.new)} for each in found}
    output.json(sides)
