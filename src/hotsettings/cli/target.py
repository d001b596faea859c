"""What the command is pointed at: a settings class and its three files."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import typer
from msgspec import Struct

from ..keys import closest
from ..layers import Layer
from ..load import Loaded, load
from ..schema import Schema
from ..settings import BaseSettings, file_layers, schema_of


class Files(Struct, frozen=True):
    """The paths of one set of layers."""

    config: str = "config.toml"
    secrets: str = "secrets.toml"
    override: str | None = None

    def layers(self, schema: Schema) -> list[Layer]:
        return file_layers(schema, self.config, self.secrets, self.override)

    def load(self, schema: Schema) -> Loaded:
        """Load them. Raises LayerError or InvalidSettings."""
        return load(schema, self.layers(schema))


def find_schema(target: str) -> Schema:
    """Import ``package.module:Class``, the working directory first. A mistake in it is a usage error (exit code 2)."""
    module_name, colon, class_name = target.partition(":")
    if not colon or not module_name or not class_name:
        raise typer.BadParameter(f"{target!r} does not name a class; write it as package.module:Class")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise  # a module that the target itself imports: the user needs the traceback
        problem = f"no module named {error.name} from {here}; run the command where it can be imported"
    else:
        return _schema_in(module, class_name)
    raise typer.BadParameter(problem)


def _schema_in(module: Any, class_name: str) -> Schema:
    cls = getattr(module, class_name, None)
    if isinstance(cls, type) and issubclass(cls, BaseSettings):
        return schema_of(cls)
    candidates = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, BaseSettings) and value is not BaseSettings
    ]
    near = closest(class_name, candidates) or ", ".join(candidates)
    hint = f"; did you mean {module.__name__}:{near}?" if near else ""
    what = f"{module.__name__} has no class {class_name}" if cls is None else f"{class_name} is not a settings class"
    raise typer.BadParameter(what + hint)
