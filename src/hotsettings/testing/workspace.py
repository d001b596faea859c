"""A folder with the three files, for tests that need real ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from .._layers.default_layers import CONFIG_FILE, SECRETS_FILE
from .._layers.toml.keys import dotted
from .._layers.toml.values import toml


class Paths(TypedDict):
    """Keyword arguments for ``Settings(...)`` and ``Settings.watch(...)``."""

    config_path: Path
    secrets_path: Path
    override_path: Path


class Workspace:
    """Three layers in a folder: ``config``, ``secrets`` and ``override`` are their paths.

    The files exist and are empty until something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / CONFIG_FILE
        self.secrets = folder / SECRETS_FILE
        self.override = folder / "config.override.toml"
        for path in (self.config, self.secrets, self.override):
            path.touch(mode=0o600)

    @property
    def paths(self) -> Paths:
        """What to pass to a settings class: ``Settings(**workspace.paths)``."""
        return Paths(config_path=self.config, secrets_path=self.secrets, override_path=self.override)

    def write(
        self,
        config: Mapping[str, Any] | str | None = None,
        *,
        secrets: Mapping[str, Any] | str | None = None,
        override: Mapping[str, Any] | str | None = None,
    ) -> None:
        """Replace the content of the layers that are given, each atomically; values are written as TOML."""
        for path, content in ((self.config, config), (self.secrets, secrets), (self.override, override)):
            if content is not None:
                written = path.with_name(path.name + "~")
                written.touch(mode=0o600)
                written.write_text(content if isinstance(content, str) else _document(content), encoding="utf-8")
                os.replace(written, path)


def _document(values: Mapping[str, Any]) -> str:
    return "".join(f"{dotted((key,))} = {toml(value)}\n" for key, value in values.items())
