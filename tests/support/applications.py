"""What is expected of an application's settings: its tests are the same for all, and each says in data what is its own."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hotsettings import BaseSettings, FileLayer, FolderLayer, ValuesLayer
from hotsettings.errors import Code
from support.canaries.leaks import Planted
from support.faults.volumes import Volume

Steps = tuple[Any, ...]
"""The way to a value: names of fields, keys of mappings, indices of arrays."""
MARK = "¦"
"""Stands in a piece of a file for the place that is meant: right behind it."""


class Place(NamedTuple):
    """Where something stands: in a file, behind the mark in a piece of its text that is there once."""

    file: str
    around: str

    def resolve(self) -> str:
        """As the product should write it: ``file:line:column``."""
        before, _, after = self.around.partition(MARK)
        text = Path(self.file).read_text(encoding="utf-8")
        assert text.count(before + after) == 1, f"{self.file} has {before + after!r} {text.count(before + after)} times"
        lines = text[: text.index(before + after) + len(before)].split("\n")
        return f"{self.file}:{len(lines)}:{len(lines[-1]) + 1}"


class Entry(NamedTuple):
    """What one layer says of a key. ``at`` is the layer's name where nothing has a place: a default, the program's values."""

    value: Any
    at: Place | str
    live: bool = True


class Mistake(NamedTuple):
    """An edit that is wrong: ``new`` stands in the place of ``old``, and its mark is where the problem is.

    A rule that several keys break has neither a key nor a place.
    """

    file: str
    old: str
    new: str
    key: str
    code: Code
    message: str
    in_schema: bool = True
    """Whether an editor that has the schema marks it too."""

    def said(self, place: str) -> str:
        """The first line about it."""
        return f"{place}  {self.key}: {self.message}" if self.key else self.message


Texts = Sequence[tuple[str, str]]
"""Each old text with the new one."""


class Edit(NamedTuple):
    """An edit of a live process's files: texts with their new ones, the whole text of a file, or None, which removes it."""

    files: Mapping[str, Texts | str | None]
    keys: frozenset[str]
    values: Mapping[Steps, Any]
    inside: Mapping[str, tuple[Any, Any]]
    """What somebody who watches is shown: each leaf with its old and new value."""
    waits: frozenset[str] = frozenset()
    """Keys that wait for a restart afterwards."""


class Difference(NamedTuple):
    """An edit of the layers; ``inside`` is what ``diff`` says of it."""

    files: Mapping[str, Texts]
    inside: Mapping[str, tuple[Any, Any]]
    restart: frozenset[str] = frozenset()
    """Those keys that only a new process applies."""


@dataclass(frozen=True, kw_only=True)
class Application:
    """One application, and what is expected of it."""

    name: str
    settings: type[Any]
    layers: Callable[[], Sequence[FileLayer | FolderLayer | ValuesLayer]]
    loaded: Mapping[Steps, Any]
    """Values of the settings, at every kind of nesting."""
    explained: Mapping[str, Sequence[Entry]]
    summary: str
    """The first line of a check."""
    warnings: Sequence[tuple[Code, str, Place | str]] = ()
    mistakes: Sequence[Mistake]
    shown: Sequence[str]
    """Lines of ``show``."""
    secrets: Mapping[Steps, str]
    """What is declared secret, as the files have it."""
    masked: Mapping[Steps, Any]
    """What ``show`` leaves out: the secrets, and whatever else a secret layer says, as TOML has it."""
    differing: Difference
    rows: Sequence[str]
    """Rows of the reference."""
    edits: Sequence[Edit]
    new_secrets: Sequence[str] = ()
    """Secrets that edits and mistakes bring."""
    mounted: bool = False
    """Whether the folder of secrets is a Kubernetes volume."""

    @property
    def command_class(self) -> str:
        return f"{self.settings.__module__}:{self.settings.__qualname__}"

    @property
    def options(self) -> list[str]:
        """The layers for a command. Values that the program has are beyond it."""
        named = [layer for layer in self.layers() if not isinstance(layer, ValuesLayer)]
        return [
            word
            for each in named
            for word in ("--layer", os.path.relpath(each.path) + (",secret" if each.secret else ""))
        ]

    @property
    def planted(self) -> list[Planted]:
        """Every secret, as something that no output may show."""
        keys = {text: str(path[-1]) for path, text in self.secrets.items()}
        texts = [*self.secrets.values(), *self.new_secrets]
        return [Planted(keys.get(text, "?"), text, _credentials(text), shape=self.name) for text in texts]


def _credentials(secret: str) -> tuple[str, ...]:
    """What of a secret proves who is calling: of a URL only the login, of a key only what is between its armour."""
    if found := re.search(r"://([^@\s]*)@", secret):
        return (found[1],)
    return tuple(line for line in secret.splitlines() if not line.startswith("-----"))


def load(application: Application) -> BaseSettings:
    settings: BaseSettings = application.settings(layers=application.layers())
    return settings


def value_at(value: Any, steps: Steps) -> Any:
    """Follow fields, keys and indices."""
    for step in steps:
        value = value[step] if isinstance(value, Mapping | tuple) else getattr(value, str(step))
    return value


def put(table: Any, steps: Steps, value: Any) -> None:
    """Set what a path leads to in plain TOML values; tables on the way are made."""
    for step in steps[:-1]:
        table = table.setdefault(step, {}) if isinstance(table, dict) else table[step]
    table[steps[-1]] = value


def edit(files: Mapping[str, Texts | str | None], volume: Volume | None = None) -> None:
    """Edit files as an editor does: a new one is renamed over the old one. Those in a volume are swapped together."""
    texts = {
        name: change if change is None or isinstance(change, str) else replaced(Path(name), change)
        for name, change in files.items()
    }
    if volume is not None and any(Path(name).parent.name == volume.folder.name for name in texts):
        inside = {f"secrets/{path.name}": path.read_text(encoding="utf-8") for path in volume.folder.glob("[!.]*")}
        volume.publish({Path(name).name: text for name, text in {**inside, **texts}.items() if text is not None})
        return
    for name, text in texts.items():
        path = Path(name)
        if text is None:
            path.unlink()
        else:
            beside = path.with_name(f".{path.name}~")
            beside.write_text(text, encoding="utf-8")
            os.replace(beside, path)


@contextmanager
def mistaken(mistake: Mistake, volume: Volume | None = None) -> Iterator[str]:
    """Make the mistake, and undo it. Give its place."""
    before = Path(mistake.file).read_text(encoding="utf-8")
    edit({mistake.file: [(mistake.old, mistake.new.replace(MARK, ""))]}, volume)
    yield Place(mistake.file, mistake.new).resolve() if mistake.key else ""
    edit({mistake.file: before}, volume)


def replaced(path: Path, texts: Texts) -> str:
    """The text of a file with these texts replaced."""
    text = path.read_text(encoding="utf-8")
    for old, new in texts:
        assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    return text


def toml_files() -> list[Path]:
    return sorted(Path().glob("*.toml"))


def toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
