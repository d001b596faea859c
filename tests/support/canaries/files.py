"""Generated classes and their files, where a program would find them."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.canaries.classes import Made

MODULE = "generated_settings"


@contextmanager
def importable(made: Made) -> Iterator[str]:
    """The class as the command line names it."""
    module = types.ModuleType(MODULE)
    module.Settings = made.cls  # type: ignore[attr-defined]
    sys.modules[MODULE] = module
    try:
        yield f"{MODULE}:Settings"
    finally:
        del sys.modules[MODULE]


def put(folder: Path, config: str, secrets: str) -> None:
    """Write both files."""
    (folder / "config.toml").write_text(config)
    written = folder / "secrets.toml"
    written.touch(mode=0o600)
    written.write_text(secrets)


def loaded(cls: Any, folder: Path) -> Any:
    """The settings, or the error that is raised. No frame that knows the secrets is in its traceback."""
    try:
        return cls(config_path=folder / "config.toml", secrets_path=folder / "secrets.toml")
    except Exception as error:
        return error
