"""`rollback`: an old revision is published again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InvalidSettings, SettingsError
from .. import output
from ..draft import Draft, stored_document
from ..options import SettingsClass
from ..settings_class import schema_or_exit
from ..store_access import StoreOptions, ask_bucket
from .history import Key
from .publish import OtherLayers, WriteOptions, report, write

if TYPE_CHECKING:
    from ...nats.bucket import Bucket, Revision


def rollback(
    settings_class: SettingsClass,
    key: Key,
    revision: Annotated[
        int, typer.Argument(metavar="REVISION", min=1, help="The revision to publish again.", show_default=False)
    ],
    layers: OtherLayers,
    options: WriteOptions,
    store: StoreOptions,
    force: Annotated[bool, typer.Option("--force", help="Publish it even if the class no longer accepts it.")] = False,
) -> None:
    """Publish an old revision again.

    It is validated and shown as `publish` does it, and becomes a new revision. The history keeps the revision that it
    replaces.
    """
    address = store.address()
    schema = schema_or_exit(settings_class)

    async def newest_and_old(bucket: Bucket) -> tuple[Revision | None, Revision]:
        return await bucket.newest(key), await bucket.with_data(key, revision)

    newest, old = ask_bucket(address, newest_and_old)
    try:
        draft = Draft(stored_document(schema, address.label(key), revision, old.data), old.data or b"")
        try:
            report(layers.verdict(schema, draft), force_secrets=True)
        except InvalidSettings as error:
            if not force:
                raise
            title = "The class no longer accepts this revision"
            output.problems(output.console(stderr=True), title, output.problems_of(error), "yellow")
    except SettingsError as error:
        output.fail(error)
    write(schema, address, key, draft, newest, options)
