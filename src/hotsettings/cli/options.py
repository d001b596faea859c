"""Arguments and options that several commands take."""

from __future__ import annotations

import functools
import inspect
import os
from collections import Counter
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Annotated, Any, get_type_hints

import typer
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields, replace

from .._layers.default_layers import CONFIG_FILE, SECRETS_FILE, file_layers
from .._layers.file import FileLayer
from .._layers.folder import FolderLayer
from .._loading.load import Loaded, assemble, read_all
from ..errors import SettingsError
from . import completion, output
from .settings_class import Usage, import_schema

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
    return typer.Option(
        option,
        metavar="FILE",
        help=about,
        rich_help_panel="Files",
        callback=None if may_be_empty else _not_empty,
        show_default=False,
        autocompletion=completion.paths,
    )


_LAYER = "A file or a folder of keys, with ,secret or ,optional behind it, instead of the above. Repeatable."


class Files(Struct, frozen=True):
    """One set of layers: three files, or the ones in a list."""

    config: Annotated[str | None, file_option("--config", f"The base file. By default {CONFIG_FILE}.")] = None
    secrets: Annotated[
        str | None, file_option("--secrets", f"The secrets file. By default {SECRETS_FILE}, which may be missing.")
    ] = None
    override: Annotated[str | None, file_option("--override", "A file that overrides both.")] = None
    layer: Annotated[list[str] | None, file_option("--layer", _LAYER)] = None

    def layers(self) -> list[FileLayer | FolderLayer]:
        """The layers, in rising precedence. A wrong option is a usage error."""
        if not self.layer:
            return [*file_layers(self.config or CONFIG_FILE, self.secrets or SECRETS_FILE, self.override)]
        for option, value in (("--config", self.config), ("--secrets", self.secrets), ("--override", self.override)):
            if value is not None:
                raise Usage(f"--layer and {option} exclude each other: name that file with --layer too")
        layers = [layer_of(text) for text in self.layer]
        names = Counter(layer.name for layer in layers)
        layers = [replace(each, name=each.label) if names[each.name] > 1 else each for each in layers]
        for label, number in Counter(layer.label for layer in layers).items():
            if number > 1:
                raise Usage(f"--layer {label} is named {number} times")
        return layers


def layer_of(text: str) -> FileLayer | FolderLayer:
    """Return the layer that ``PATH[,secret][,optional]`` means. What is no word for a layer is a usage error."""
    path, marks = text, set[str]()
    while not os.path.exists(path) and path.endswith((",secret", ",optional")):
        path, _, mark = path.rpartition(",")
        marks.add(mark)
    if not path:
        raise Usage(f"--layer {text}: the path is empty")
    if "," in path and not os.path.exists(path):
        raise Usage(f"--layer {text}: write it as PATH, PATH,secret or PATH,secret,optional")
    return path_layer(path, secret="secret" in marks, required="optional" not in marks)


def path_layer(path: str, *, secret: bool = False, required: bool = True) -> FileLayer | FolderLayer:
    """Return the layer at a path: a folder, if there is one or the path ends in a slash, or else a file."""
    kind = FolderLayer if os.path.isdir(path) or path.endswith(os.sep) else FileLayer
    return kind(path, secret=secret, required=required)


def load_or_exit(settings_class: str, *sides: Files, json: bool) -> list[Loaded]:
    """Import the class and load each set of files. Report what is wrong, and exit with 1.

    A file that is in several sets is read only once.
    """
    sets = [files.layers() for files in sides]
    try:
        schema = import_schema(settings_class, sets[0])
        layers = list(dict.fromkeys(layer for each in sets for layer in each))
        documents = dict(zip(layers, read_all(schema, layers), strict=True))
        chosen = [tuple(documents[layer] for layer in each) for each in sets]
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
