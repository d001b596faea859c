"""Help pages: arguments and files first, then options and examples, in colour on a terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup

from . import output

# Contexts and parameters are typed as Any: depending on its version, typer takes their classes from click or brings its own.


class Command(TyperCommand):
    """A command with such a page."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [str(param.metavar) for param in self.get_params(ctx) if param.param_type_name == "argument"]
        return [*arguments, "[OPTIONS]"]

    def get_short_help_str(self, limit: int = 45) -> str:
        """What a shell shows beside the command, whole: our first lines are short."""
        return str(self.help).partition("\n")[0]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(_page(self, ctx, self.epilog))


class Group(TyperGroup):
    """A group of commands with such a page."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["COMMAND", "CLASS", "[OPTIONS]"]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, str(command.help).partition("\n")[0]) for name, command in self.commands.items()]
        formatter.write(_page(self, ctx, self.epilog, {"Commands": commands}))


def _page(command: Any, ctx: Any, epilog: str | None, extra: dict[str, list[tuple[str, str]]] | None = None) -> str:
    tables: dict[str, list[tuple[str, str]]] = {
        "Arguments": [],
        "Files": [],
        "Store": [],
        **(extra or {}),
        "Options": [],
    }
    for param in command.get_params(ctx):
        panel = "Arguments" if param.param_type_name == "argument" else param.rich_help_panel or "Options"
        tables.setdefault(panel, []).append(_row(param))
    width = min(shutil.get_terminal_size((100, 24)).columns, 100) if output.interactive() else 100
    usage = f"{ctx.command_path} {' '.join(command.collect_usage_pieces(ctx))}"
    parts = [f"{_heading('Usage:')} {usage}", *_paragraphs(str(command.help), width)]
    parts += [f"{_heading(f'{title}:')}\n{_table(rows, width)}" for title, rows in tables.items() if rows]
    if epilog:
        parts.append(f"{_heading('Examples:')}\n{textwrap.indent(textwrap.dedent(epilog).strip(), '  ')}")
    return "\n\n".join(parts) + "\n"


def _heading(text: str) -> str:
    console = output.console()
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() and console.color_system else text


def _row(param: Any) -> tuple[str, str]:
    names = param.metavar if param.param_type_name == "argument" else ", ".join(sorted(param.opts, key=len))
    takes_value = param.param_type_name == "option" and param.metavar
    default = param.default if isinstance(param.default, str) else None
    return f"{names} {param.metavar}" if takes_value else names, f"{param.help} [{default}]" if default else param.help


def _paragraphs(text: str, width: int) -> Iterable[str]:
    return (textwrap.fill(" ".join(each.split()), width) for each in text.split("\n\n"))


def _table(rows: list[tuple[str, str]], width: int) -> str:
    first = max(len(names) for names, _ in rows) + 4
    return "\n".join(
        textwrap.fill(
            about,
            width,
            initial_indent=f"  {names:<{first - 2}}",
            subsequent_indent=" " * first,
            break_on_hyphens=False,
        )
        for names, about in rows
    )
