"""`publish`: a file is validated, compared with what the bucket holds, and written on top of just that revision.

`rollback` does the same with a document of an old revision.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct
from rich.text import Text

from ..._schema.schema import Schema
from ...errors import InvalidSettings, LayerError, SettingsError
from .. import changes, output
from ..draft import Draft, Verdict, draft_of_file, stored_document, validate
from ..options import SettingsClass, file_option
from ..settings_class import schema_or_exit
from ..store_access import BucketAddress, StoreOptions, ask, fail

if TYPE_CHECKING:
    from ...nats.bucket import Revision

_WITH = (
    "A file or folder that the processes lay over this one, such as their secrets. Repeatable. No value of it is shown."
)
_OVER = "A file or folder that the processes lay under this one. Repeatable. No value of it is shown."


class OtherLayers(Struct, frozen=True):
    """The other files that the processes read, each in rising precedence."""

    above: Annotated[list[str] | None, file_option("--with", _WITH)] = None
    below: Annotated[list[str] | None, file_option("--over", _OVER)] = None

    def verdict(self, schema: Schema, draft: Draft) -> Verdict:
        """Validate a draft among them. Raises LayerError for those that cannot be read."""
        return validate(schema, draft.document, self.below or (), self.above or ())


class WriteOptions(Struct, frozen=True):
    """How a draft is written."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Validate and show, but write nothing.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. In a pipe nothing is asked.")] = False
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every instance with this key has applied it.")] = (
        False
    )
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Wait no longer than this.")] = (
        60
    )


def publish(
    settings_class: SettingsClass,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The TOML file to publish.", show_default=False)],
    layers: OtherLayers,
    options: WriteOptions,
    store: StoreOptions,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="The key to write. By default, the name of the file.")
    ] = None,
    expect: Annotated[
        int | None,
        typer.Option("--expect", metavar="REVISION", min=0, help="Write only on top of this revision. 0: a new key."),
    ] = None,
    force_secrets: Annotated[
        bool, typer.Option("--force-secrets", help="Publish even keys that are declared Secret.")
    ] = False,
    create_bucket: Annotated[bool, typer.Option("--create-bucket", help="Make the bucket if there is none.")] = False,
    replicas: Annotated[
        int, typer.Option("--replicas", metavar="NUMBER", min=1, max=5, help="How many servers keep a new bucket.")
    ] = 1,
) -> None:
    """Validate a file and publish it.

    Shows first what changes. The file is written only on top of the revision that it was compared with: if two people publish
    at the same time, the second one gets an error that names the other revision. Required keys may be left to other layers,
    unless --with or --over names those.
    """
    address = store.address()
    schema = schema_or_exit(settings_class)
    try:
        draft = draft_of_file(schema, file)
        report(layers.verdict(schema, draft), force_secrets=force_secrets)
    except SettingsError as error:
        output.fail(error)
    key = key or os.path.basename(file)
    newest = _newest(address, key, replicas if create_bucket else None, options.dry_run)
    if expect is not None and expect != (newest.number if newest else 0):
        from ...nats.publishing import conflict

        fail(conflict(address.name, key, expect, newest))
    write(schema, address, key, draft, newest, options)


def report(verdict: Verdict, *, force_secrets: bool) -> None:
    """Print what is unwise. Raises InvalidSettings for what is wrong, and exits with 1 for secrets."""
    console = output.console(stderr=True)
    if verdict.warnings.total:
        output.problems(console, f"Warnings: {verdict.warnings.total}", verdict.warnings, "yellow")
    if exposed := verdict.exposed.total:
        title = f"Secrets that everybody with access to the bucket could read: {exposed}"
        output.problems(console, title, verdict.exposed, "red")
        if not force_secrets:
            console.print(Text("Not published. To publish them all the same: --force-secrets"))
            raise typer.Exit(1)
    if verdict.problems.total:
        raise InvalidSettings(verdict.problems.first, verdict.problems.total)
    if verdict.unchecked:
        named = ", ".join(verdict.unchecked)
        text = f"{named} must come from other layers. To check rules across keys too, name those: --with FILE"
        output.hanging(console, "", Text(text, style="dim"), 2)


def _newest(address: BucketAddress, key: str, replicas: int | None, dry_run: bool) -> Revision | None:
    """Return the newest revision. Make the bucket if ``replicas`` says on how many servers it may be made."""
    from ...nats.bucket import NoBucket, reached
    from ...nats.publishing import create_bucket

    async def look() -> Revision | None:
        try:
            async with reached(address.servers, address.name) as bucket:
                return await bucket.newest(key)
        except NoBucket:
            if replicas is None:
                raise
        if not dry_run:
            await create_bucket(address.servers, address.name, replicas)
            output.line(f"Made the bucket {address.name}.")
        return None

    return ask(look)


def write(
    schema: Schema, address: BucketAddress, key: str, draft: Draft, newest: Revision | None, options: WriteOptions
) -> None:
    """Show what changes, ask, write on top of the newest revision, and wait for the rollout."""
    number = newest.number if newest else 0
    if newest is not None and newest.data == draft.data:
        output.line(f"Nothing differs from {address.label(key)}@{number}. Nothing was published.")
    else:
        _show_changes(schema, address.label(key), draft, newest)
        if options.dry_run:
            return
        _confirm(options.yes)
        number = _put(address, key, draft.data, number)
        output.console().print(Text(f"Published {address.label(key)}@{number}", style="green"))
        sys.stdout.flush()
    if options.wait and not options.dry_run:
        from ..rollout import wait  # draws progress bars, which are slow to import

        wait(address, key, number, options.timeout)


def _show_changes(schema: Schema, label: str, draft: Draft, newest: Revision | None) -> None:
    number, data = (newest.number, newest.data) if newest else (0, None)
    try:
        old = stored_document(schema, label, number, data)
    except LayerError as error:
        output.problems(output.console(stderr=True), "Cannot be compared", output.problems_of(error), "yellow")
        old = stored_document(schema, label, number, None)
    found = changes.between_documents(schema, old, draft.document)
    if found or newest is None:
        changes.as_text(found)
    else:
        output.line("No key differs, but the text does.")


def _confirm(yes: bool) -> None:
    if yes or not (sys.stdin.isatty() and output.interactive()):
        return
    if not typer.confirm("Publish?"):
        output.line("Nothing was published.")
        raise typer.Exit(1)


def _put(address: BucketAddress, key: str, data: bytes, expected: int) -> int:
    from ...nats.publishing import publish

    async def put() -> int:
        return await publish(address.servers, address.name, key, data, expected)

    try:
        return ask(put)
    except KeyboardInterrupt:
        label = address.label(key)
        sys.stderr.write(f"Interrupted. {label} may have been published; hotsettings history shows whether it was.\n")
        raise typer.Exit(1) from None
