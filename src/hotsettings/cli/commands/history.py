"""`history`: the revisions of a key, and what each of them changed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct
from rich.text import Text

from ..._layers.layer import Document
from ..._schema.schema import Schema
from ...errors import LayerError, Origin, Problem
from .. import changes, output
from ..changes import KeyChange
from ..draft import stored_document
from ..options import Json, SettingsClass
from ..settings_class import schema_or_exit
from ..store_access import StoreOptions, ask_bucket, fail

if TYPE_CHECKING:
    from ...nats.bucket import Revision

Key = Annotated[
    str, typer.Argument(metavar="KEY", help="A key of the bucket, such as config.toml.", show_default=False)
]


def history(settings_class: SettingsClass, key: Key, store: StoreOptions, json: Json = False) -> None:
    """Show the revisions of a key.

    The newest comes first. Each one shows what it changed. Secrets are masked.
    """
    address = store.address()
    schema = schema_or_exit(settings_class)
    revisions = ask_bucket(address, lambda bucket: bucket.history(key), json=json)
    if not revisions:
        from ...nats.bucket import NoRevision

        hint = f"to publish it: hotsettings publish {shlex.quote(settings_class)} {shlex.quote(key)}"
        origin = Origin("store", address.label(key))
        what = "nothing was ever published under this key"
        fail(NoRevision(Problem("", what, origin, hint, "missing-key")), json=json)
    steps = _steps(schema, address.label(key), revisions)
    if json:
        output.json(list(map(_step_json, steps)))
    else:
        _as_text(steps)


class _Step(Struct, frozen=True):
    """A revision, and what it changed: None if that is not known, as for the oldest revision that is kept."""

    revision: Revision
    changes: Sequence[KeyChange] | None
    problem: Problem | None


def _steps(schema: Schema, label: str, revisions: Sequence[Revision]) -> list[_Step]:
    """Compare each revision with the one before it. ``revisions`` begin with the newest, and so does the result."""
    steps: list[_Step] = []
    before: Document | None = None
    for revision in reversed(revisions):
        try:
            document = stored_document(schema, label, revision.number, revision.data)
        except LayerError as error:
            steps.append(_Step(revision, None, error.problems[0]))
            before = None
        else:
            found = None if before is None else changes.between_documents(schema, before, document)
            steps.append(_Step(revision, found, None))
            before = document
    return steps[::-1]


def _as_text(steps: Sequence[_Step]) -> None:
    console = output.console()
    for number, step in enumerate(steps, start=1):
        revision = step.revision
        at = f"{revision.at:%Y-%m-%d %H:%M:%S} UTC" if revision.at is not None else ""
        size = "deleted" if revision.data is None else f"{len(revision.data)} bytes"
        oldest = "  (the oldest that is kept)" if number == len(steps) else ""
        console.print(Text.assemble((str(revision.number), "bold"), f"  {at}  {size}", (oldest, "dim")))
        if step.problem is not None:
            output.hanging(console, "    ", Text(f"cannot be read: {step.problem}", style="red"), 6)
        for change in step.changes or ():
            old, new = change.old.text, change.new.text
            output.hanging(console, f"    {change.key}  ", Text.assemble((old, "red"), " → ", (new, "green")), 6)
        if step.changes == [] and revision.data is not None:
            console.print(Text("    no key differs", style="dim"))


def _step_json(step: _Step) -> dict[str, Any]:
    changed = None
    if step.changes is not None:
        changed = {change.key: {"old": change.old.value, "new": change.new.value} for change in step.changes}
    return {
        "revision": step.revision.number,
        "at": step.revision.at,
        "operation": step.revision.operation,
        "size": None if step.revision.data is None else len(step.revision.data),
        "changes": changed,
        "problem": None if step.problem is None else output.problem_json(step.problem),
    }
