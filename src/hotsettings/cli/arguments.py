"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from .._schema.schema import Schema
from ..errors import SettingsError
from . import output
from .target import find_schema

Target = Annotated[
    str, typer.Argument(metavar="CLASS", help="The settings class, as package.module:Class.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def find(target: str) -> Schema:
    """The class that is named, or the end of the command."""
    try:
        return find_schema(target)
    except SettingsError as error:  # the module loads settings as it is imported
        output.fail(error)
