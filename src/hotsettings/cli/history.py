"""`history`: the revisions of a key, and what each of them changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from rich.text import Text

from .._layers.layer import Document
from .._layers.toml.values import toml
from .._schema.schema import Schema
from ..errors import LayerError, Problem
from . import candidates, output
from .showing import Change
from .store_options import Store, ask

if TYPE_CHECKING:
    from ..nats.bucket import Revision


class Written(Struct, frozen=True):
    """A revision. ``changes`` is None for the oldest one that is kept, since what was before is not known."""

    revision: Revision
    changes: Sequence[Change] | None
    problem: Problem | None


def show(schema: Schema, store: Store, key: str, json: bool) -> None:
    """Print the revisions that the bucket keeps, the newest first."""
    from ..nats.bucket import NoRevision, reached

    async def look() -> list[Revision]:
        async with reached(store.where, store.bucket) as bucket:
            found = await bucket.history(key)
            if not found:
                hint = f"hotsettings publish CLASS {key} writes it"
                raise NoRevision(
                    Problem("", "nothing was ever published there", bucket.origin(key), hint, "missing-key")
                )
            return found

    revisions = _written(schema, store.label(key), ask(look, json=json))
    (_as_json if json else _as_text)(revisions)


def _written(schema: Schema, label: str, revisions: Sequence[Revision]) -> list[Written]:
    found: list[Written] = []
    before: Document | None = None
    for number, revision in enumerate(reversed(revisions)):
        problem: Problem | None = None
        try:
            document = candidates.from_store(schema, label, revision.number, revision.data).document
        except LayerError as error:
            problem = error.problems[0]
            document = candidates.from_store(schema, label, revision.number, None).document
        known = number > 0 and before is not None and problem is None
        changes = candidates.differences(schema, before, document) if known and before is not None else None
        found.append(Written(revision, changes, problem))
        before = document if problem is None else None
    return found[::-1]


def _as_text(revisions: Sequence[Written]) -> None:
    console = output.console()
    for number, each in enumerate(revisions):
        written = each.revision
        at = f"{written.at:%Y-%m-%d %H:%M:%S} UTC" if written.at is not None else ""
        size = "deleted" if written.data is None else f"{len(written.data)} bytes"
        oldest = "  (the oldest that is kept)" if number == len(revisions) - 1 else ""
        console.print(Text.assemble((str(written.number), "bold"), f"  {at}  {size}", (oldest, "dim")))
        if each.problem is not None:
            output.hanging(console, "    ", Text(f"cannot be read: {each.problem}", style="red"), 6)
        for change in each.changes or ():
            sides = (_value(change.old.value), "red"), (" → ", ""), (_value(change.new.value), "green")
            output.hanging(console, f"    {change.new.leaf.key}  ", Text.assemble(*sides), 6)
        if each.changes is not None and not each.changes and written.data is not None:
            console.print(Text("    no key differs", style="dim"))


def _as_json(revisions: Sequence[Written]) -> None:
    output.json([_json(each) for each in revisions])


def _json(each: Written) -> dict[str, Any]:
    written = each.revision
    changes = None
    if each.changes is not None:
        changes = {change.new.leaf.key: {"old": change.old.value, "new": change.new.value} for change in each.changes}
    return {
        "revision": written.number,
        "at": written.at,
        "operation": written.operation,
        "size": None if written.data is None else len(written.data),
        "changes": changes,
        "problem": None if each.problem is None else output.problem_json(each.problem),
    }


def _value(value: Any) -> str:
    return "not set" if value is None else toml(value)
