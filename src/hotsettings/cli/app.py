"""The commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from .. import __version__
from ..errors import SettingsError
from ..explain import effective, explain
from ..load import Loaded
from ..schema import Schema
from . import checking, documents, output, showing
from .target import Files, find_schema

app = typer.Typer(
    name="hotsettings",
    help="Settings from layered TOML files: check them, show them, and say where each value comes from.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and those may hold secrets
)

Target = Annotated[
    str, typer.Argument(metavar="CLASS", help="The settings class, as package.module:Class.", show_default=False)
]
Config = Annotated[str, typer.Option("--config", metavar="FILE", help="The base file.")]
Secrets = Annotated[str, typer.Option("--secrets", metavar="FILE", help="The secrets file; it may be missing.")]
Override = Annotated[
    str | None, typer.Option("--override", metavar="FILE", help="A third file that overrides both.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Format(StrEnum):
    """How `check` reports."""

    text = "text"
    json = "json"
    github = "github"


def _version(wanted: bool) -> None:
    if wanted:
        output.line(f"hotsettings {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def check(
    target: Target,
    config: Config = "config.toml",
    secrets: Secrets = "secrets.toml",
    override: Override = None,
    report: Annotated[Format, typer.Option("--format", help="How to report.")] = Format.text,
) -> None:
    """Validate the files and report every problem at once.

    Also warns of secrets in a file that others can read, that git tracks or that is not meant for them. The exit code is 1
    if there are problems; warnings alone leave it at 0.
    """
    found = checking.check(find_schema(target), Files(config, secrets, override))
    {Format.text: checking.as_text, Format.json: checking.as_json, Format.github: checking.as_github}[report](found)
    raise typer.Exit(1 if found.problems else 0)


@app.command()
def show(
    target: Target,
    config: Config = "config.toml",
    secrets: Secrets = "secrets.toml",
    override: Override = None,
    json: Json = False,
) -> None:
    """Show the effective settings and where each one is written.

    Secrets are masked. In a pipe the output is TOML, with the origin of each value as a comment.
    """
    loaded = _load(find_schema(target), Files(config, secrets, override))
    settings = effective(loaded)
    if json:
        showing.as_json(settings)
    elif output.console().is_terminal:
        showing.as_table(settings)
    else:
        showing.as_toml(settings)


@app.command(name="explain")
def explain_key(
    target: Target,
    key: Annotated[str, typer.Argument(help="A dotted key, such as db.port.", show_default=False)],
    config: Config = "config.toml",
    secrets: Secrets = "secrets.toml",
    override: Override = None,
    json: Json = False,
) -> None:
    """Show what every file says about one key, the winner first."""
    schema = find_schema(target)
    loaded = _load(schema, Files(config, secrets, override))
    try:
        explanation = explain(loaded, key)
    except ValueError as error:
        problem = str(error)
    except KeyError as error:
        _fail(error.args[0])
    else:
        (showing.explanation_as_json if json else showing.explanation)(explanation)
        return
    raise typer.BadParameter(problem, param_hint="KEY")


@app.command()
def diff(
    target: Target,
    config: Config = "config.toml",
    secrets: Secrets = "secrets.toml",
    override: Override = None,
    to_config: Annotated[str | None, typer.Option(metavar="FILE", help="The base file of the other side.")] = None,
    to_secrets: Annotated[str | None, typer.Option(metavar="FILE", help="The secrets file of the other side.")] = None,
    to_override: Annotated[str | None, typer.Option(metavar="FILE", help="The override of the other side.")] = None,
    json: Json = False,
) -> None:
    """Show what would differ between two sets of files.

    The other side uses the same files, but for those named with --to-...: `diff CLASS --to-override config.worker.toml` shows
    what the override changes.
    """
    schema = find_schema(target)
    old = _load(schema, Files(config, secrets, override))
    new = _load(schema, Files(to_config or config, to_secrets or secrets, to_override or override))
    changes = showing.changes(old, new)
    (showing.changes_as_json if json else showing.changes_as_text)(changes)


@app.command()
def schema(target: Target) -> None:
    """Print the JSON Schema of the TOML files, for editors that complete and check them."""
    output.line(documents.json_schema(find_schema(target)))


@app.command()
def reference(target: Target) -> None:
    """Print the configuration reference in Markdown."""
    output.line(documents.reference(find_schema(target)))


@app.command()
def template(
    target: Target,
    secrets: Annotated[bool, typer.Option("--secrets", help="Print a secrets.example.toml instead.")] = False,
) -> None:
    """Print a commented config.toml to start from."""
    found = find_schema(target)
    output.line(documents.secrets_template(found) if secrets else documents.template(found))


def _load(schema: Schema, files: Files) -> Loaded:
    try:
        return files.load(schema)
    except SettingsError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    Console(stderr=True, highlight=False, soft_wrap=True).print(message, style="red", markup=False)
    raise typer.Exit(1)
