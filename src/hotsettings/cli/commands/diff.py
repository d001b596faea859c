"""`diff`: what differs between two sets of files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from .. import changes, output
from ..changes import KeyChange
from ..options import Files, Json, SettingsClass, file_option, load_or_exit


def diff(
    settings_class: SettingsClass,
    files: Files,
    to_config: Annotated[str | None, file_option("--to-config", "The other side's base file.")] = None,
    to_secrets: Annotated[str | None, file_option("--to-secrets", "The other side's secrets file.")] = None,
    to_override: Annotated[
        str | None, file_option("--to-override", "The other side's override; '' for none.", may_be_empty=True)
    ] = None,
    json: Json = False,
) -> None:
    """Show what differs between two sets of files.

    The other side has the same files, except for those that you name with --to-...
    """
    override = files.override if to_override is None else to_override or None
    other = Files(to_config or files.config, to_secrets or files.secrets, override)
    found = changes.between_settings(*load_or_exit(settings_class, files, other, json=json))
    (_as_json if json else changes.as_text)(found)


def _as_json(found: Sequence[KeyChange]) -> None:
    sides = {each.key: {"old": output.setting_json(each.old), "new": output.setting_json(each.new)} for each in found}
    output.json(sides)
