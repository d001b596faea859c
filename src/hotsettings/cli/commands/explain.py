"""`explain`: what every file says about one key."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from ..._loading.explain import NOT_SET, Entry, Explanation, UnknownKey, columns
from ..._loading.explain import explain as explain_key
from ..._schema.schema import Schema
from ...errors import NOWHERE, InvalidSettings, Problem
from .. import completion, output
from ..options import Files, Json, SettingsClass, load_or_exit
from ..settings_class import Usage

Key = Annotated[
    str,
    typer.Argument(
        metavar="KEY",
        help="A key. Dotted if it is in a table, such as db.port.",
        autocompletion=completion.keys,
        show_default=False,
    ),
]


def explain(settings_class: SettingsClass, key: Key, files: Files, json: Json = False) -> None:
    """Show what each file says about one key.

    The value that counts comes first.
    """
    [loaded] = load_or_exit(settings_class, files, json=json)
    try:
        explanation = explain_key(loaded, key)
    except UnknownKey as error:
        near = _similar(loaded.schema, key)[:5] if error.near is None else []
        raise Usage(str(error) + (f"; did you mean {' or '.join(near)}?" if near else "")) from None
    except KeyError:
        output.fail(InvalidSettings([Problem(key, NOT_SET, NOWHERE, code="not-set")]), json=json)
    (as_json if json else as_text)(explanation)


def _similar(schema: Schema, key: str) -> list[str]:
    """The keys that contain every word of this one."""
    words = key.casefold().replace(".", "_").split("_")
    return [leaf.key for leaf in schema.leaves if any(words) and all(word in leaf.key.casefold() for word in words)]


def as_text(explanation: Explanation) -> None:
    """Print in columns what each layer says, the winner first."""
    console = output.console()
    value_width = min(40, max(len(entry.text) for entry in explanation.entries))
    layer_width = max(len(columns(entry.origin)[0]) for entry in explanation.entries)
    console.print(Text(explanation.key, style="bold"))
    for entry in explanation.entries:
        layer, place = columns(entry.origin)
        text = f"{entry.text:<{value_width}}  {layer:<{layer_width}}  {place}".rstrip()
        mark = "  → " if entry.live else "    "
        output.hanging(console, mark, Text(text, style="green" if entry.live else "dim"), 6)


def as_json(explanation: Explanation) -> None:
    """Print the key and its entries, the winner first."""

    def entry_json(entry: Entry) -> dict[str, Any]:
        return {"value": entry.value, "live": entry.live, **output.origin_json(entry.origin)}

    output.json({"key": explanation.key, "entries": [entry_json(entry) for entry in explanation.entries]})
