"""The three files of a settings class, and the layers that they are."""

from pathlib import Path

from hotsettings._layers.file import FileLayer


class Files:
    def __init__(self, folder: Path) -> None:
        self.paths = [folder / name for name in ("config.toml", "secrets.toml", "override.toml")]

    def write(self, *texts: str | bytes | None) -> "Files":
        for path, text in zip(self.paths, texts, strict=False):
            path.unlink(missing_ok=True)
            if text is not None:
                path.write_bytes(text.encode() if isinstance(text, str) else text)
        return self

    @property
    def layers(self) -> list[FileLayer]:
        config, secrets, override = self.paths
        return [
            FileLayer(config, name="base"),
            FileLayer(secrets, name="secrets", required=False, secret=True),
            FileLayer(override, name="override"),
        ]
