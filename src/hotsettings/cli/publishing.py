"""`publish` and `rollback`: a document is looked at, compared with what the store holds, and written against just that."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer
from msgspec import Struct
from rich.text import Text

from .._schema.schema import Schema
from ..errors import InvalidSettings, LayerError, SettingsError
from . import candidates, output, showing
from .candidates import Candidate
from .store_options import Store, ask, fail

if TYPE_CHECKING:
    from ..nats.bucket import Revision


class Layers(Struct, frozen=True):
    """The files that the processes have besides, in rising precedence."""

    below: tuple[str, ...]
    above: tuple[str, ...]


class Manner(Struct, frozen=True):
    """How to go about it. ``wait`` is in seconds; None for not at all."""

    yes: bool
    dry_run: bool
    wait: float | None
    force_secrets: bool = False
    force: bool = False
    expect: int | None = None


def publish(
    schema: Schema, store: Store, path: str, key: str | None, layers: Layers, manner: Manner, create: int | None
) -> None:
    """Publish a file. ``create`` is the number of replicas of a bucket that may be made for it."""
    try:
        candidate = candidates.from_file(schema, path)
        _judge(schema, candidate, layers, manner)
    except SettingsError as error:
        output.fail(error)
    key = key or os.path.basename(path)
    held = _newest(store, key, create, manner.dry_run)
    _expected(store, key, held, manner.expect)
    _offer(schema, store, key, candidate, held, manner)


def rollback(schema: Schema, store: Store, key: str, number: int, layers: Layers, manner: Manner) -> None:
    """Publish what an old revision said."""
    held, old = _newest_and(store, key, number)
    try:
        candidate = candidates.from_store(schema, store.label(key), number, old.data)
        try:
            _judge(schema, candidate, layers, manner)
        except InvalidSettings as error:
            if not manner.force:
                raise
            output.problems(
                output.console(stderr=True), "Does not fit the class of today", error.problems, "yellow", error.total
            )
    except SettingsError as error:
        output.fail(error)
    _offer(schema, store, key, candidate, held, manner)


def _judge(schema: Schema, candidate: Candidate, layers: Layers, manner: Manner) -> None:
    """Say what is unwise. Raises SettingsError for what must not be published."""
    verdict = candidates.judge(schema, candidate.document, layers.below, layers.above)
    console = output.console(stderr=True)
    if unwise := verdict.warnings.first:
        total = verdict.warnings.total
        output.problems(console, f"Warnings: {total}", unwise, "yellow", total)
    if verdict.exposed:
        output.problems(
            console,
            f"Secrets in what everybody with the bucket can read: {len(verdict.exposed)}",
            verdict.exposed,
            "red",
        )
        if not manner.force_secrets:
            console.print(Text("Not published; --force-secrets does it all the same"))
            raise typer.Exit(1)
    if verdict.problems.total:
        raise InvalidSettings(verdict.problems.first, verdict.problems.total)
    if verdict.unchecked:
        named = ", ".join(verdict.unchecked)
        text = f"{named} must come from other layers; rules across keys are checked once --with FILE names those"
        output.hanging(console, "", Text(text, style="dim"), 2)


def _newest(store: Store, key: str, create: int | None, dry_run: bool) -> Revision | None:
    from ..nats.bucket import NoBucket, reached
    from ..nats.publishing import create_bucket

    async def look() -> Revision | None:
        try:
            async with reached(store.where, store.bucket) as bucket:
                return await bucket.newest(key)
        except NoBucket:
            if create is None:
                raise
        if not dry_run:
            await create_bucket(store.where, store.bucket, create)
            output.line(f"Made the bucket {store.bucket}.")
        return None

    return ask(look)


def _newest_and(store: Store, key: str, number: int) -> tuple[Revision | None, Revision]:
    from ..nats.bucket import reached

    async def look() -> tuple[Revision | None, Revision]:
        async with reached(store.where, store.bucket) as bucket:
            return await bucket.newest(key), await bucket.with_data(key, number)

    return ask(look)


def _expected(store: Store, key: str, held: Revision | None, expect: int | None) -> None:
    from ..nats.publishing import conflict

    if expect is not None and expect != (held.number if held else 0):
        fail(conflict(store.bucket, key, expect, held))


def _offer(schema: Schema, store: Store, key: str, candidate: Candidate, held: Revision | None, manner: Manner) -> None:
    """Show what would differ, ask, write, and wait."""
    number = held.number if held else 0
    if held is not None and held.data == candidate.data:
        output.line(f"Nothing differs: {store.label(key)}@{number} is the same. Nothing was published.")
        revision = number
    else:
        _show(schema, store, key, candidate, held)
        if manner.dry_run:
            return
        _confirm(manner.yes)
        revision = _write(store, key, candidate.data, number)
        output.console().print(Text(f"Published {store.label(key)}@{revision}", style="green"))
        sys.stdout.flush()
    if manner.wait is not None and not manner.dry_run:
        from . import waiting  # what draws bars is slow to import

        waiting.wait(store, key, revision, manner.wait)


def _show(schema: Schema, store: Store, key: str, candidate: Candidate, held: Revision | None) -> None:
    label, number = store.label(key), held.number if held else 0
    try:
        old = candidates.from_store(schema, label, number, held.data if held else None)
    except LayerError as error:
        output.problems(output.console(stderr=True), "Cannot be compared", error.problems, "yellow")
        old = candidates.from_store(schema, label, number, None)
    changes = candidates.differences(schema, old.document, candidate.document)
    if changes or held is None:
        showing.changes_as_text(changes)
    else:
        output.line("No key differs, but the text does.")


def _confirm(yes: bool) -> None:
    if yes or not (sys.stdin.isatty() and output.interactive()):
        return
    if not typer.confirm("Publish?"):
        output.line("Nothing was published.")
        raise typer.Exit(1)


def _write(store: Store, key: str, data: bytes, expected: int) -> int:
    from ..nats.publishing import publish

    async def write() -> int:
        return await publish(store.where, store.bucket, key, data, expected)

    try:
        return ask(write)
    except KeyboardInterrupt:
        label = store.label(key)
        sys.stderr.write(f"Interrupted: {label} may have been published; hotsettings history shows whether.\n")
        raise typer.Exit(1) from None
