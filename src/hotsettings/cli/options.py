"""Arguments and options that several commands take."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Annotated, Any, get_type_hints

import typer
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from .._layers.default_layers import CONFIG_FILE, SECRETS_FILE, file_layers
from .._layers.file import FileLayer
from .._loading.load import Loaded, assemble, read_all
from ..errors import SettingsError
from . import output
from .settings_class import import_schema

SettingsClass = Annotated[
    str, typer.Argument(metavar="CLASS", help="The settings class, as package.module:Class.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _not_empty(value: Any) -> Any:
    if "" in (value if isinstance(value, list) else [value]):
        raise typer.BadParameter("the name is empty; name a file, or leave the option out")
    return value


def file_option(option: str, about: str, *, may_be_empty: bool = False) -> Any:
    """An option that takes the name of a file."""
    callback = None if may_be_empty else _not_empty
    return typer.Option(option, metavar="FILE", help=about, rich_help_panel="Files", callback=callback)


class Files(Struct, frozen=True):
    """The three files of one set of layers."""

    config: Annotated[str, file_option("--config", "The base file.")] = CONFIG_FILE
    secrets: Annotated[str, file_option("--secrets", "The secrets file. It may be missing.")] = SECRETS_FILE
    override: Annotated[str | None, file_option("--override", "A file that overrides both.")] = None

    def layers(self) -> list[FileLayer]:
        """The files as layers, in rising precedence."""
        return file_layers(self.config, self.secrets, self.override)


def load_or_exit(settings_class: str, *sides: Files, json: bool) -> list[Loaded]:
    """Import the class and load each set of files. Report what is wrong, and exit with 1.

    A file that is in several sets is read only once.
    """
    try:
        schema = import_schema(settings_class, sides[0].secrets)
        layers = list(dict.fromkeys(layer for files in sides for layer in files.layers()))
        documents = dict(zip(layers, read_all(schema, layers), strict=True))
        chosen = [tuple(documents[layer] for layer in files.layers()) for files in sides]
        return [assemble(schema, each) for each in chosen]
    except SettingsError as error:
        output.fail(error, json=json)


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Make a command of a function: a parameter whose type is a Struct becomes one option for each of its fields."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    structs = {each.name: each.annotation for each in parameters if isinstance(each.annotation, type(Struct))}

    @functools.wraps(function)
    def command(**values: Any) -> None:
        for name, struct in structs.items():
            values[name] = struct(**{field: values.pop(field) for field in struct.__struct_fields__})
        function(**values)

    expanded: list[Parameter] = []
    for each in parameters:
        if each.name in structs:
            expanded += _parameters(structs[each.name])
        else:
            expanded.append(each.replace(kind=Parameter.KEYWORD_ONLY))
    command.__dict__["__signature__"] = Signature(expanded)
    command.__annotations__ = {each.name: each.annotation for each in expanded}
    return command


def _parameters(struct: type[Struct]) -> list[Parameter]:
    types = get_type_hints(struct, include_extras=True)
    defaults = {each.name: Parameter.empty if each.default is NODEFAULT else each.default for each in fields(struct)}
    return [
        Parameter(name, Parameter.KEYWORD_ONLY, default=defaults[name], annotation=types[name])
        for name in struct.__struct_fields__
    ]
