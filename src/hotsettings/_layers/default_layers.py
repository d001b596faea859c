"""The layers of a class that names none itself: three files."""

from __future__ import annotations

from .file import FileLayer, StrPath

CONFIG_FILE = "config.toml"
"""The base file, in the working directory, where none is named."""
SECRETS_FILE = "secrets.toml"
"""The secrets file, in the working directory, where none is named."""


def file_layers(config: StrPath, secrets: StrPath, override: StrPath | None) -> list[FileLayer]:
    """Return the files of a class as layers. This is their order of precedence, the lowest first.

    Args:
        config: The base file.
        secrets: The secrets file, which overrides the base file. It may be missing.
        override: A file that overrides both, if there is one.
    """
    layers = [
        FileLayer(config, name="base"),
        FileLayer(secrets, name="secrets", required=False, secret=True),
    ]
    if override is not None:
        layers.append(FileLayer(override, name="override"))
    return layers
