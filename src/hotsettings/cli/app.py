"""The command line application: every command, with its examples."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from .. import __version__
from .._layers.layer import LARGEST, CollectorPaused
from . import output, unwritable
from .commands.check import check
from .commands.diff import diff
from .commands.explain import explain
from .commands.fleet import fleet
from .commands.history import history
from .commands.publish import publish
from .commands.reference import reference
from .commands.rollback import rollback
from .commands.schema import schema
from .commands.show import show
from .commands.template import template
from .commands.watch import watch
from .options import with_options


def _examples(*lines: str) -> str:
    lines = tuple(line.replace("CLASS", "app.settings:Settings") for line in lines)
    return "\b\nExamples:\n" + "\n".join(f"  hotsettings {line}" for line in lines)  # \b: keep the line breaks


def _is_rich() -> bool:
    """Whether help and usage errors are drawn with rich: in a pipe its boxes would stay, and NO_COLOR leaves bold text."""
    return sys.stdout.isatty() and sys.stderr.isatty() and not os.environ.get("NO_COLOR")


@contextmanager
def _writing() -> Generator[None, None, None]:
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        raise unwritable(error) or error from None


class _Commands(TyperGroup):
    def make_context(self, *args: Any, **kwargs: Any) -> Any:  # prints --help and --version
        with _writing():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _writing():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    help="Settings from layered TOML files: check them, show them, and see where each value comes from.",
    epilog=_examples("check CLASS", "show CLASS --override config.worker.toml", "explain CLASS LOG_LEVEL"),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich" if _is_rich() else None,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and those may hold secrets
)


def _print_version(wanted: bool) -> None:
    if wanted:
        output.line(f"hotsettings {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


class _Command(TyperCommand):
    """A command whose options may each be given once, unless they take several values: of two, one would be ignored."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            _, _, given = self.make_parser(ctx).parse_args(args=list(args))
            for option, times in Counter(given).items():
                if times > 1 and isinstance(option, TyperOption) and not (option.multiple or option.is_flag):
                    ctx.fail(f"Option '{option.opts[0]}' is given {times} times; give it once.")
        return super().parse_args(ctx, args)


class _Once(_Command):
    """A command that prints what large layers say, and ends. The garbage collector would search all of that in vain."""

    def invoke(self, ctx: Any) -> Any:
        with CollectorPaused(LARGEST):
            return super().invoke(ctx)


def _add(command: Callable[..., None], *examples: str, cls: type[_Command] = _Command) -> None:
    name = command.__name__
    paragraphs = (" ".join(paragraph.split()) for paragraph in str(command.__doc__).split("\n\n"))
    epilog = _examples(*(f"{name} {example}".rstrip() for example in examples))
    app.command(name, cls=cls, help="\n\n".join(paragraphs), epilog=epilog)(with_options(command))


_add(check, "CLASS", "CLASS --config config.test.toml", "CLASS --format github", cls=_Once)
_add(show, "CLASS", "CLASS | grep KAFKA", "CLASS --json | jq '.LOG_LEVEL.value'", cls=_Once)
_add(explain, "CLASS LOG_LEVEL", "CLASS db.port --override config.worker.toml", cls=_Once)
_add(diff, "CLASS --to-override config.worker.toml", "CLASS --config deployed.toml --to-config config.toml", cls=_Once)
_add(watch, "CLASS --override config.worker.toml", "CLASS --json | jq .changes")
_add(schema, "CLASS > config.schema.json")
_add(reference, "CLASS > docs/configuration.md")
_add(template, "CLASS > config.toml", "CLASS --secrets > secrets.example.toml")
_add(publish, "CLASS config.toml", "CLASS config.toml --with secrets.toml --wait", "CLASS config.toml --dry-run")
_add(history, "CLASS config.toml")
_add(rollback, "CLASS config.toml 17 --wait")
_add(fleet, "", "--json | jq '.[] | select(.state != \"ok\")'")
