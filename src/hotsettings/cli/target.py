"""What the command is pointed at: a settings class and its three files."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, NoReturn

import typer
from msgspec import Struct

from .._layers.file import FileLayer, file_layers, read
from .._layers.layer import Document
from .._layers.toml.spelling import closest
from .._loading.load import Loaded, assemble, read_all
from .._redaction import Redactor
from .._schema.schema import Schema, schema_of
from ..errors import SettingsError
from ..settings import BaseSettings

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep


class Usage(typer.BadParameter):
    """A mistake in how the command was called: exit code 2."""

    def format_message(self) -> str:
        return self.message


class Files(Struct, frozen=True):
    """The paths of one set of layers."""

    config: str = "config.toml"
    secrets: str = "secrets.toml"
    override: str | None = None

    def layers(self) -> list[FileLayer]:
        return file_layers(self.config, self.secrets, self.override or None)


def load_sides(schema: Schema, sides: Sequence[Files]) -> list[Loaded]:
    """Load sets of layers, and read a file only once that is in several of them. Raises LayerError or InvalidSettings."""
    layers = list(dict.fromkeys(layer for files in sides for layer in files.layers()))
    documents = dict(zip(layers, read_all(schema, layers), strict=True))
    chosen = [tuple(documents[layer] for layer in files.layers()) for files in sides]
    return [Loaded(schema, each, assemble(schema, each)) for each in chosen]


def find_schema(target: str, secrets: str = "secrets.toml") -> Schema:
    """Import ``package.module:Class``. See ``_import`` for where it is looked for.

    A mistake in it is a usage error, and so is a module that cannot be imported: its traceback is printed, without what the
    secrets file says. Raises SettingsError where the module itself loads settings and cannot.
    """
    module_name, colon, class_name = target.partition(":")
    if not colon or not all(module_name.split(".")) or not class_name:
        raise Usage(f"{target!r} does not name a class; write it as package.module:Class")
    here = os.getcwd()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the module prints is no part of the output
            module = _import(module_name, here)
    except SettingsError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            _import_failed(module_name, error, secrets)
        missing = error.name
    except (Exception, SystemExit) as error:
        _import_failed(module_name, error, secrets)
    else:
        return _schema_in(module, class_name)
    raise Usage(f"no module {missing} in {here} or on the Python path; run this where it can be imported")


class _FirstIn:
    """Finds one module in a folder, if it is there."""

    def __init__(self, folder: str, name: str) -> None:
        self._folder = folder
        self._name = name

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [self._folder, *sys.path]) if name == self._name else None


def _import(name: str, here: str) -> Any:
    """Import a module from the working directory if it is there, else from the Python path.

    Only this module is taken from the working directory first. Whatever it imports is looked for there last, so a
    ``rich.py`` or ``json.py`` there shadows nothing. If the module is installed, nothing is imported from the working
    directory.
    """
    top = name.partition(".")[0]
    finder = _FirstIn(here, top)
    known = {*sys.modules, *sys.stdlib_module_names}
    there = None if here in sys.path or top in known else PathFinder.find_spec(top, [here])
    first = finder.find_spec(top)
    # A mere folder of that name does not shadow an installed package.
    if there is None or first is None or first.origin != there.origin:
        return importlib.import_module(name)
    sys.path.append(here)
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)


def _schema_in(module: Any, class_name: str) -> Schema:
    try:
        cls = functools.reduce(getattr, class_name.split("."), module)
    except AttributeError:
        cls = None
    if isinstance(cls, type) and issubclass(cls, BaseSettings) and cls is not BaseSettings:
        try:
            return schema_of(cls)
        except (NameError, TypeError) as error:  # an annotation that is not defined, or turned out to be mutable
            problem = f"{module.__name__}:{class_name}: {error}"
    else:
        candidates = [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, BaseSettings) and value is not BaseSettings
        ]
        near = closest(class_name, candidates) or next(iter(candidates), None)
        what = f"{module.__name__} has no class {class_name}" if cls is None else f"{class_name} is no settings class"
        problem = what + (f"; did you mean {module.__name__}:{near}?" if near else "")
    raise Usage(problem)


def _import_failed(module: str, error: BaseException, secrets: str) -> NoReturn:
    """Print the traceback, without our own frames and without local variables, and stop."""
    report = traceback.TracebackException.from_exception(error)
    _drop_our_frames(report)
    text = "".join(report.format()) + f"hotsettings: {module} cannot be imported\n"
    layer = read(FileLayer(secrets, name="secrets", required=False, secret=True))
    documents = [layer] if isinstance(layer, Document) else []
    sys.stderr.write(Redactor(schema_of(BaseSettings), documents).redact(text))
    raise typer.Exit(2)


def _drop_our_frames(report: traceback.TracebackException) -> None:
    report.stack[:] = [
        frame
        for frame in report.stack
        if not frame.filename.startswith((_OURS, "<frozen importlib")) and frame.filename != importlib.__file__
    ]
    for other in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if other is not None:
            _drop_our_frames(other)
