"""Finds and imports the settings class that the command line names."""

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

from .._layers.default_layers import CONFIG_FILE, SECRETS_FILE, file_layers
from .._layers.layer import Document, Layer
from .._layers.toml.spelling import closest
from .._loading.documents import whole
from .._redaction import Redactor
from .._schema.schema import Schema, schema_of
from ..errors import SettingsError
from ..settings import BaseSettings
from . import output

_DEFAULT = file_layers(CONFIG_FILE, SECRETS_FILE, None)
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep


class Usage(typer.BadParameter):
    """A mistake in how the command was called. Exits with 2."""

    def format_message(self) -> str:
        return self.message


def schema_or_exit(settings_class: str, layers: Sequence[Layer] = _DEFAULT) -> Schema:
    """Import the class. Report what is wrong, and exit with 1 if the module loads settings and cannot."""
    try:
        return import_schema(settings_class, layers)
    except SettingsError as error:
        output.fail(error)


def import_schema(settings_class: str, layers: Sequence[Layer] = _DEFAULT) -> Schema:
    """Import ``package.module:Class``. ``_import`` says where it is looked for.

    A wrong name is a usage error, and so is a module that cannot be imported: then its traceback is printed, without the
    values of the secret layers. Raises SettingsError if the module loads settings itself and cannot.
    """
    module_name, colon, class_name = settings_class.partition(":")
    if os.sep in module_name or module_name.endswith(".py") or os.path.isfile(module_name):
        meant = f"{_as_module(module_name)}:{class_name or 'Class'}"
        raise Usage(
            f"{module_name!r} is a path; " + (f"did you mean {meant}?" if class_name else f"write it as {meant}")
        )
    if not colon or not all(module_name.split(".")) or not class_name:
        raise Usage(f"{settings_class!r} does not name a class; {_guess(settings_class)}")
    here = os.getcwd()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the module prints does not belong to the output
            module = _import(module_name, here)
    except SettingsError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            _import_failed(module_name, error, layers)
        missing = error.name
    except (Exception, SystemExit) as error:
        _import_failed(module_name, error, layers)
    else:
        return _schema_in(module, class_name)
    raise Usage(f"no module {missing} in {here} or on the Python path; run this where it can be imported")


def _guess(dotted: str) -> str:
    """Say what a name with a dot in place of the colon means: ``app.Settings`` is a class by its capital letter."""
    parts = dotted.split(".")
    at = next((at for at, part in enumerate(parts) if part[:1].isupper()), 0)
    if not at or ":" in dotted or not all(parts):
        return "write it as package.module:Class"
    return f"did you mean {'.'.join(parts[:at])}:{'.'.join(parts[at:])}?"


def _as_module(path: str) -> str:
    """Return the module that is in a file, if it can be imported from the working directory or the Python path."""
    file = os.path.abspath(path).removesuffix(".py").removesuffix(f"{os.sep}__init__")
    roots = [root for root in map(os.path.abspath, ["", *sys.path]) if file.startswith(root + os.sep)]
    return os.path.relpath(file, max(roots, key=len)).replace(os.sep, ".") if roots else "package.module"


class _FirstIn:
    """Finds one module in a folder first, and then on the Python path."""

    def __init__(self, folder: str, name: str) -> None:
        self._folder = folder
        self._name = name

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [self._folder, *sys.path]) if name == self._name else None


def _import(name: str, here: str) -> Any:
    """Import a module from the working directory if it is there, else from the Python path.

    Only this module is looked for in the working directory first. What it imports is looked for there last, so that a
    ``rich.py`` or ``json.py`` there shadows nothing. If the module is not there, nothing is imported from the working
    directory.
    """
    top = name.partition(".")[0]
    finder = _FirstIn(here, top)
    known = {*sys.modules, *sys.stdlib_module_names}
    there = None if here in sys.path or top in known else PathFinder.find_spec(top, [here])
    first = finder.find_spec(top)
    # A folder of that name without any code does not shadow an installed package.
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
        what = (
            f"{module.__name__} has no class {class_name}" if cls is None else f"{class_name} is not a settings class"
        )
        problem = what + (f"; did you mean {module.__name__}:{near}?" if near else "")
    raise Usage(problem)


def _import_failed(module: str, error: BaseException, layers: Sequence[Layer]) -> NoReturn:
    """Print the traceback without our own frames and without local variables, and exit with 2."""
    report = traceback.TracebackException.from_exception(error)
    _drop_our_frames(report)
    text = "".join(report.format()) + f"hotsettings: {module} cannot be imported\n"
    redactor = Redactor(schema_of(BaseSettings))
    redactor.learn(found for layer in layers if layer.secret and isinstance(found := whole(layer), Document))
    sys.stderr.write(redactor.redact(text))
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
