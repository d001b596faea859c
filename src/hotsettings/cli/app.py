"""The commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from .. import __version__
from .._layers.layer import LARGEST, CollectorPaused
from .._loading.explain import NOT_SET, UnknownKey, effective, explain
from .._loading.load import Loaded
from ..errors import NOWHERE, InvalidSettings, Problem, SettingsError
from . import checking, completion, documents, output, showing, store_commands, templates, watching
from .arguments import Json, Target, find
from .help import Command, Group
from .target import Files, Usage, find_schema, load_sides

app = typer.Typer(
    name="hotsettings",
    cls=Group,
    help="Settings from layered TOML files: check them, show them, and say where each value comes from.",
    epilog="""
        hotsettings check app.settings:Settings
        hotsettings show app.settings:Settings --override config.worker.toml
        hotsettings explain app.settings:Settings LOG_LEVEL
    """,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and those may hold secrets
)

Config = Annotated[str, typer.Option("--config", metavar="FILE", help="The base file.", rich_help_panel="Files")]
Secrets = Annotated[
    str,
    typer.Option("--secrets", metavar="FILE", help="The secrets file; it may be missing.", rich_help_panel="Files"),
]
Override = Annotated[
    str | None,
    typer.Option("--override", metavar="FILE", help="A file that overrides both.", rich_help_panel="Files"),
]


def _other(name: str, about: str) -> Any:
    return typer.Option(f"--to-{name}", metavar="FILE", help=f"The other side's {about}.", rich_help_panel="Files")


class _Once(Command):
    """A command that prints what large layers hold, and ends: the garbage collector would look at all of that in vain."""

    def invoke(self, ctx: Any) -> Any:
        with CollectorPaused(LARGEST):
            return super().invoke(ctx)


class Format(StrEnum):
    """How `check` reports."""

    text = "text"
    json = "json"
    github = "github"


class Watcher(StrEnum):
    """How `watch` is told of changes."""

    auto = "auto"
    inotify = "inotify"
    watchfiles = "watchfiles"
    poll = "poll"


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


@app.command(
    cls=_Once,
    epilog="""
        hotsettings check app.settings:Settings
        hotsettings check app.settings:Settings --config config.test.toml
        hotsettings check app.settings:Settings --format github
    """,
)
def check(
    target: Target,
    config: Config = "config.toml",
    secrets: Secrets = "secrets.toml",
    override: Override = None,
    report: Annotated[
        Format, typer.Option("--format", metavar="text|json|github", help="How to report.")
    ] = Format.text,
) -> None:
    """Validate the files and report every problem at once.

    Also warns of secrets in a file that others can read, that git tracks or that is not meant for them. Exits with 1 if
    there are problems; warnings alone leave it at 0.
    """
    found = checking.check(target, Files(config, secrets, override))
    {Format.text: checking.as_text, Format.json: checking.as_json, Format.github: checking.as_github}[report](found)
    raise typer.Exit(1 if found.problems.total else 0)


@app.command(
    cls=_Once,
    epilog="""
        hotsettings show app.settings:Settings
        hotsettings show app.settings:Settings | grep KAFKA
        hotsettings show app.settings:Settings --json | jq '.LOG_LEVEL.value'
    """,
)
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
    [loaded] = _load(target, json, Files(config, secrets, override))
    settings = effective(loaded)
    if json:
        showing.as_json(settings)
    elif output.interactive():
        showing.as_table(settings)
    else:
        showing.as_toml(settings)


@app.command(
    name="explain",
    cls=_Once,
    epilog="""
        hotsettings explain app.settings:Settings LOG_LEVEL
        hotsettings explain app.settings:Settings db.port --override config.worker.toml
    """,
)
def explain_key(
    target: Target,
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY",
            help="A key; dotted if it stands in a table, such as db.port.",
            autocompletion=completion.keys,
            show_default=False,
        ),
    ],
    config: Config = "config.toml",
    secrets: Secrets = "secrets.toml",
    override: Override = None,
    json: Json = False,
) -> None:
    """Show what every file says about one key, the winner first."""
    [loaded] = _load(target, json, Files(config, secrets, override))
    try:
        explanation = explain(loaded, key)
    except UnknownKey as error:
        near = completion.similar(loaded.schema, key)[:5] if error.near is None else []
        problem = str(error) + (f"; did you mean {' or '.join(near)}?" if near else "")
    except KeyError:
        output.fail(InvalidSettings([Problem(key, NOT_SET, NOWHERE, code="not-set")]), json=json)
    else:
        (showing.explanation_as_json if json else showing.explanation)(explanation)
        return
    raise Usage(problem)


@app.command(
    cls=_Once,
    epilog="""
        hotsettings diff app.settings:Settings --to-override config.worker.toml
        hotsettings diff app.settings:Settings --to-config config.test.toml
        hotsettings diff app.settings:Settings --config deployed.toml --to-config config.toml
    """,
)
def diff(
    target: Target,
    config: Config = "config.toml",
    secrets: Secrets = "secrets.toml",
    override: Override = None,
    to_config: Annotated[str | None, _other("config", "base file")] = None,
    to_secrets: Annotated[str | None, _other("secrets", "secrets file")] = None,
    to_override: Annotated[str | None, _other("override", "override; '' for none")] = None,
    json: Json = False,
) -> None:
    """Show what would differ between two sets of files.

    The other side has the same files, but for those named with --to-...
    """
    other = Files(to_config or config, to_secrets or secrets, override if to_override is None else to_override)
    changes = showing.changes(*_load(target, json, Files(config, secrets, override), other))
    (showing.changes_as_json if json else showing.changes_as_text)(changes)


@app.command(
    cls=Command,
    epilog="""
        hotsettings watch app.settings:Settings --override config.worker.toml
        hotsettings watch app.settings:Settings --json | jq .changes
    """,
)
def watch(
    target: Target,
    config: Config = "config.toml",
    secrets: Secrets = "secrets.toml",
    override: Override = None,
    watcher: Annotated[
        Watcher, typer.Option("--watcher", metavar="|".join(Watcher), help="How to be told of changes.")
    ] = Watcher.auto,
    json: Json = False,
) -> None:
    """Stay, and print each change and each rejection as it happens.

    A change shows its keys with their old and new values, where the new ones are written, and what waits for a restart. In a
    pipe each event is one line.
    """
    watching.run(find(target), Files(config, secrets, override), watcher.value, json)


@app.command(cls=Command, epilog="hotsettings schema app.settings:Settings > config.schema.json")
def schema(target: Target) -> None:
    """Print the JSON Schema of the TOML files, for editors that complete and check them."""
    output.line(documents.json_schema(find(target)))


@app.command(cls=Command, epilog="hotsettings reference app.settings:Settings > docs/configuration.md")
def reference(target: Target) -> None:
    """Print the configuration reference in Markdown."""
    output.line(documents.reference(find(target)))


@app.command(
    cls=Command,
    epilog="""
        hotsettings template app.settings:Settings > config.toml
        hotsettings template app.settings:Settings --secrets > secrets.example.toml
    """,
)
def template(
    target: Target,
    secrets: Annotated[bool, typer.Option("--secrets", help="Print a secrets.example.toml instead.")] = False,
) -> None:
    """Print a commented config.toml to start from."""
    found = find(target)
    output.line(templates.secrets(found) if secrets else templates.config(found))


def _load(target: str, json: bool, *sides: Files) -> list[Loaded]:
    try:
        return load_sides(find_schema(target, sides[0].secrets), sides)
    except SettingsError as error:
        output.fail(error, json=json)


store_commands.register(app)
