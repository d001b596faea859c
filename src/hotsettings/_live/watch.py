"""Settings.watch: everything that belongs to a live object, started and ended together."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from msgspec.structs import replace

from .._concurrency.tasks import background_tasks, hosted
from .._layers.file import FileLayer
from .._layers.folder import FolderLayer
from .._layers.layer import Document, Layer
from .._layers.store import StoreLayer
from .._log import logger
from .._redaction import Redactor
from .._schema.schema import Schema
from .._watching.events import Kind
from .._watching.watcher import Watcher
from ..errors import SettingsError
from .core import Core
from .live import Live
from .reload.reloader import Reloader, first_load
from .signals import checked_signal, reload_at
from .snapshot import Snapshot

_KINDS: dict[type[Layer], str] = {FileLayer: "file", FolderLayer: "folder", StoreLayer: "key"}


def watch_layers(
    schema: Schema,
    layers: Sequence[Layer],
    *,
    settle: float,
    rescan_interval: float,
    prepare_timeout: float,
    reload_signal: int | None,
    watcher: Kind,
) -> AbstractAsyncContextManager[Live[Any]]:
    """Watch layers and hold the live object that follows them. Raises LayerError, InvalidSettings or ValueError at the start.

    Raises ValueError at the call where signals cannot be received.
    """
    if reload_signal is not None:
        checked_signal(reload_signal)
    return hosted(_watched(schema, layers, settle, rescan_interval, prepare_timeout, reload_signal, watcher))


@asynccontextmanager
async def _watched(
    schema: Schema,
    layers: Sequence[Layer],
    settle: float,
    rescan_interval: float,
    prepare_timeout: float,
    reload_signal: int | None,
    watcher: Kind,
) -> AsyncGenerator[Live[Any], None]:
    if not settle >= 0:
        raise ValueError(f"settle must be 0 seconds or more, not {settle}")
    for name, seconds in (("rescan_interval", rescan_interval), ("prepare_timeout", prepare_timeout)):
        if not seconds > 0:
            raise ValueError(f"{name} must be more than 0 seconds, not {seconds}")
    layers = list(map(_fixed, layers))
    stores = dict.fromkeys(layer.store for layer in layers if isinstance(layer, StoreLayer))
    watching, redactor = Watcher(schema, layers, settle, rescan_interval, watcher), Redactor(schema)
    failure: SettingsError | None = None
    async with AsyncExitStack() as stack, background_tasks() as tasks:
        stack.callback(watching.close)
        tasks.start_soon(watching.run)
        try:
            for store in stores:
                await stack.enter_async_context(store.opened())
                stack.enter_context(store.subscribed(watching.wake))
            read, loaded = await first_load(schema, redactor, watching)
        except SettingsError as error:
            failure = error.with_traceback(None)  # its frames hold what the files say
        else:
            core: Core[Any] = Core(schema, Snapshot(loaded, 1), tasks, redactor, prepare_timeout)
            reloader = Reloader(core, watching, read, rescan_interval)
            live = Live(core, reloader)
            tasks.start_soon(reloader.run)
            for store in stores:
                tasks.start_soon(store.accompany, live, lambda: core.loaded)
            if reload_signal is not None:
                await tasks.start(reload_at, checked_signal(reload_signal), live.reload)
            logger.info("following %s; generation 1 is live", ", ".join(map(_named, loaded.documents)))
            try:
                yield live
            finally:
                core.close()
                logger.info("the end of following; generation %d was the last", core.snapshot.generation)
    # It is raised outside of the stack, because the stack would put it into a group or keep it as a context.
    if failure is not None:
        raise failure


def _fixed(layer: Layer) -> Layer:
    """Return a layer that does not depend on the working directory, which may change."""
    return replace(layer, path=os.path.abspath(layer.path)) if isinstance(layer, FileLayer | FolderLayer) else layer


def _named(document: Document) -> str:
    kind = next((kind for layer, kind in _KINDS.items() if isinstance(document.layer, layer)), "")
    return (document.layer.label or document.layer.name) + (f" (no such {kind} yet)" if document.missing else "")
