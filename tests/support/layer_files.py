"""Settings loaded from texts: the files are config.toml, secrets.toml and override.toml in a folder."""

import os
from pathlib import Path
from typing import TypeVar

import pytest

from hotsettings import BaseSettings, SettingsError

S = TypeVar("S", bound=BaseSettings)


def write(
    folder: Path,
    config: str | bytes | None = "",
    *,
    secrets: str | bytes | None = None,
    override: str | bytes | None = None,
) -> None:
    """Write the files that are given."""
    for name, text in (("config", config), ("secrets", secrets), ("override", override)):
        if text is not None:
            data = text if isinstance(text, bytes) else text.encode()
            (folder / f"{name}.toml").write_bytes(data)


def load(
    cls: type[S], folder: Path, config: str | bytes = "", *, secrets: str | None = None, override: str | None = None
) -> S:
    """Write the files and load them, called by their names alone."""
    write(folder, config, secrets=secrets, override=override)
    before = Path.cwd()
    os.chdir(folder)
    try:
        return cls(override_path=None if override is None else "override.toml")
    finally:
        os.chdir(before)


def failure(
    cls: type[BaseSettings],
    folder: Path,
    config: str | bytes = "",
    *,
    secrets: str | None = None,
    override: str | None = None,
) -> SettingsError:
    """The same for what must fail."""
    with pytest.raises(SettingsError) as caught:
        load(cls, folder, config, secrets=secrets, override=override)
    return caught.value


def lines(
    cls: type[BaseSettings],
    folder: Path,
    config: str | bytes = "",
    *,
    secrets: str | None = None,
    override: str | None = None,
) -> list[str]:
    """What the error of a load that must fail says, without its title, each problem's first line only."""
    error = failure(cls, folder, config, secrets=secrets, override=override)
    return [str(problem) for problem in error.problems]
