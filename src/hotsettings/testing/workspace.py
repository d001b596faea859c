"""A folder with the three files, for tests that need real ones."""

from __future__ import annotations

import datetime
import enum
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from .._layers.default_layers import CONFIG_FILE, SECRETS_FILE
from .._layers.toml.keys import Path as KeyPath
from .._layers.toml.keys import dotted, written
from .._layers.toml.values import toml
from .._schema.schema import as_values


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
        """Replace the content of the layers that are given, each atomically.

        Values are written as TOML: durations, Enums, decimals, UUIDs, paths, bytes and types with decoders as what settings
        are read from, sets as arrays, Structs as tables. A field of a Struct that is None, and is so by default, is left out.

        Raises:
            ValueError: A value is None, which TOML does not have. The error names the key.
            TypeError: TOML cannot express a value or a key. The error names it.
        """
        layers = ((self.config, config), (self.secrets, secrets), (self.override, override))
        texts = {
            path: given if isinstance(given, str) else _document(given) for path, given in layers if given is not None
        }
        for path, text in texts.items():
            new = path.with_name(path.name + "~")
            new.touch(mode=0o600)
            new.write_text(text, encoding="utf-8")
            os.replace(new, path)


def _document(values: Mapping[str, Any]) -> str:
    return "".join(f"{written(key)} = {toml(item)}\n" for key, item in _table(values, ()).items())


def _plain(value: Any, path: KeyPath) -> Any:
    """Return a value as tables, arrays and scalars of TOML. Raises ValueError or TypeError, naming the key, if it is none."""
    match value:
        case None:
            raise ValueError(f"{dotted(path)}: TOML has no null; leave the key out")
        case Struct():
            return _struct(value, path)
        case Mapping():
            return _table(value, path)
        case list() | tuple() | set() | frozenset():
            return [_plain(item, (*path, index)) for index, item in enumerate(value)]
        case datetime.time() if value.tzinfo is not None:
            raise ValueError(f"{dotted(path)}: TOML has no time with an offset; leave it out")
        case enum.Enum():
            return value.value
        case str() | int() | float() | datetime.date() | datetime.time():
            return value
        case _:
            try:
                plain = as_values(value)
            except NotImplementedError:
                raise TypeError(f"{dotted(path)}: {type(value).__name__} cannot be written as TOML") from None
            return plain if isinstance(plain, str) else _plain(plain, path)


def _table(values: Mapping[Any, Any], path: KeyPath) -> dict[str, Any]:
    table = {}
    for key, value in values.items():
        try:
            text = key if type(key) is str else next(iter(msgspec.to_builtins({key: 0}, str_keys=True)))
        except TypeError:
            raise TypeError(f"{dotted(path)}: a key cannot be of type {type(key).__name__}") from None
        table[text] = _plain(value, (*path, text))
    return table


def _struct(value: Struct, path: KeyPath) -> Any:
    """Return the table that a Struct is read from. A field that is None by default is left out if it is None."""
    config = value.__struct_config__
    values = {
        field.encode_name: getattr(value, field.name) for field in fields(value) if not _is_left_out(value, field)
    }
    if config.tag is not None:
        values = {str(config.tag_field): config.tag, **values}
    return _plain(list(values.values()), path) if config.array_like else _table(values, path)


def _is_left_out(value: Struct, field: FieldInfo) -> bool:
    return field.default is None and getattr(value, field.name) is None
