"""Everything that belongs to a live object, started and ended together in one event loop."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from .._concurrency.tasks import background_tasks
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
from .forks import told_of_forks
from .live import Live
from .reload.reloader import Reloader, first_load
from .signals import checked_signal, reload_at
from .snapshot import Snapshot

_KINDS: dict[type[Layer], str] = {FileLayer: "file", FolderLayer: "folder", StoreLayer: "key"}


class Options(Struct, frozen=True):
    """What is followed, and how. Seconds, as in ``Settings.watch``."""

    schema: Schema
    layers: Sequence[Layer]
    settle: float
    rescan_interval: float
    prepare_timeout: float
    watcher: Kind

    def check(self) -> None:
        """Raise ValueError for seconds that mean nothing."""
        if not self.settle >= 0:
            raise ValueError(f"settle must be 0 seconds or more, not {self.settle}")
        for name in ("rescan_interval", "prepare_timeout"):
            if not (seconds := getattr(self, name)) > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {seconds}")


class Following(NamedTuple):
    """A live object, and the state that its parts share."""

    live: Live[Any]
    core: Core[Any]


@asynccontextmanager
async def following(
    options: Options,
    *,
    before: Core[Any] | None,
    in_fork: Callable[[Core[Any]], None],
    reload_signal: int | None = None,
) -> AsyncGenerator[Following, None]:
    """Load the layers, and keep a live object up to date until the block ends.

    Raises LayerError, InvalidSettings or ValueError where the block begins.

    Args:
        options: What is followed, and how.
        before: What was live in the process from which this one was forked. It stays live until the layers say
            something else.
        in_fork: Called in a process that is forked from this one, where nothing of this goes on.
        reload_signal: A signal that means ``reload()``, received in this thread.
    """
    options.check()
    schema, layers = options.schema, list(map(_fixed, options.layers))
    stores = dict.fromkeys(layer.store for layer in layers if isinstance(layer, StoreLayer))
    watching = Watcher(schema, layers, options.settle, options.rescan_interval, options.watcher)
    redactor = Redactor(schema) if before is None else before.redactor
    failure: SettingsError | None = None
    async with AsyncExitStack() as stack, background_tasks() as tasks:
        stack.callback(watching.close)
        tasks.start_soon(watching.run)
        try:
            for store in stores:
                await stack.enter_async_context(store.opened())
                stack.enter_context(store.subscribed(watching.wake))
            if before is None:
                read, loaded = await first_load(schema, redactor, watching)
                contents: Sequence[object] = read.contents
                core: Core[Any] = Core(schema, Snapshot(loaded, 1), tasks, redactor, options.prepare_timeout)
            else:
                contents = ()
                core = before.continued(tasks)
                watching.reader.accepted_before(core.loaded.documents)
        except SettingsError as error:
            failure = error.with_traceback(None)  # its frames hold what the files say
        else:

            def forked() -> None:
                watching.forked()
                for store in stores:
                    store.forked()
                in_fork(core)

            stack.enter_context(told_of_forks(redactor, forked))
            reloader = Reloader(core, watching, contents, options.rescan_interval)
            live = Live(core, reloader)
            tasks.start_soon(reloader.run)
            for store in stores:
                tasks.start_soon(store.accompany, live, lambda: core.loaded)
            if reload_signal is not None:
                await tasks.start(reload_at, checked_signal(reload_signal), live.reload)
            logger.info(
                "following %s; generation %d is live",
                *(", ".join(map(_named, core.loaded.documents)), core.snapshot.generation),
            )
            try:
                yield Following(live, core)
            finally:
                core.close()
                logger.info("the end of following; generation %d was the last", core.snapshot.generation)
    # It is raised outside of the stack, because the stack would put it into a group or keep it as a context.
    if failure is not None:
        raise failure


def _fixed(layer: Layer) -> Layer:
    """Make the path of a layer absolute, because the working directory may change."""
    return replace(layer, path=os.path.abspath(layer.path)) if isinstance(layer, FileLayer | FolderLayer) else layer


def _named(document: Document) -> str:
    kind = next((kind for layer, kind in _KINDS.items() if isinstance(document.layer, layer)), "")
    return (document.layer.label or document.layer.name) + (f" (no such {kind} yet)" if document.missing else "")
