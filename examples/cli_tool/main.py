"""A command line tool whose settings have three layers: its own defaults, a profile, and the options of the command line.

    pip install typer
    python main.py list ~/Downloads
    python main.py list ~/Downloads --profile downloads --larger-than "5 MB"
    python main.py config --profile downloads
    python main.py clean ~/Downloads --profile downloads --yes

The tool ships with ``config.toml``; ``profiles/NAME.toml`` overrides it for one purpose.
"""

import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from msgspec import Meta

from hotsettings import BaseSettings, SettingsError

HERE = Path(__file__).parent
UNITS = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3}
SIZE = r"^\d{1,6} (B|kB|MB|GB)$"


class Settings(BaseSettings):
    OLDER_THAN_DAYS: Annotated[float, Meta(ge=0, description="Only what has not been changed for so long.")] = 30
    LARGER_THAN: Annotated[str, Meta(pattern=SIZE, description="Only what is larger.", examples=["5 MB"])] = "0 B"
    ONLY: Annotated[tuple[str, ...], Meta(min_length=1, description="Only what is named like one of these.")] = ("*",)
    KEEP: Annotated[tuple[str, ...], Meta(description="Never what is named like one of these.")] = ()
    MOST: Annotated[int, Meta(ge=1, description="Clean no more files than that at once.")] = 100

    def __post_init__(self) -> None:
        if both := set(self.ONLY) & set(self.KEEP):
            raise ValueError(f"ONLY and KEEP both say {', '.join(sorted(both))}")

    @property
    def larger_than_bytes(self) -> int:
        number, unit = self.LARGER_THAN.split()
        return int(number) * UNITS[unit]


app = typer.Typer(help="Find files that nobody needs any more, and remove them.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Where to look.")]
Profile = Annotated[str | None, typer.Option(help="A file in profiles/, without .toml.")]
LargerThan = Annotated[str | None, typer.Option(help="Instead of what the files say, such as '5 MB'.")]
OlderThan = Annotated[float | None, typer.Option(help="Days, instead of what the files say.")]


@app.command("list")
def show(folder: Folder, profile: Profile = None, larger_than: LargerThan = None, older_than: OlderThan = None) -> None:
    """Print what would be removed."""
    for path in found(folder, settings_for(profile, larger_than, older_than)):
        print(path)


@app.command()
def clean(
    folder: Folder,
    profile: Profile = None,
    larger_than: LargerThan = None,
    older_than: OlderThan = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove it."""
    settings = settings_for(profile, larger_than, older_than)
    paths = list(found(folder, settings))
    if len(paths) > settings.MOST:
        fail(f"{len(paths)} files are more than MOST = {settings.MOST}; nothing was removed")
    if paths and (yes or typer.confirm(f"Remove {len(paths)} files?", abort=True)):
        for path in paths:
            path.unlink()
    print(f"removed {len(paths)} files")


@app.command()
def config(profile: Profile = None, larger_than: LargerThan = None, older_than: OlderThan = None) -> None:
    """Print what counts."""
    settings = settings_for(profile, larger_than, older_than)
    for key in settings.__struct_fields__:
        print(f"{key} = {getattr(settings, key)!r}")


def settings_for(profile: str | None, larger_than: str | None, older_than: float | None) -> Settings:
    override = None if profile is None else HERE / "profiles" / f"{profile}.toml"
    given = {"LARGER_THAN": larger_than, "OLDER_THAN_DAYS": older_than}
    try:
        # A tool without secrets looks for none in whatever folder it is started.
        settings = Settings(HERE / "config.toml", override_path=override, secrets_path=None)
        return settings.replace(**{key: value for key, value in given.items() if value is not None})
    except SettingsError as error:
        fail(str(error))


def found(folder: Path, settings: Settings) -> Iterator[Path]:
    before = time.time() - settings.OLDER_THAN_DAYS * 86400
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file() or not named(path, settings.ONLY) or named(path, settings.KEEP):
            continue
        status = path.stat()
        if status.st_size > settings.larger_than_bytes and status.st_mtime <= before:
            yield path


def named(path: Path, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in patterns)


def fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
