"""Live settings that come from the test itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, TypeVar

import anyio

from .._concurrency.tasks import background_tasks, hosted
from .._layers.layer import in_memory
from .._live.core import Core
from .._live.live import Live
from .._live.reload.restart import keep_first
from .._live.reload.transaction import Vetoed, apply
from .._live.snapshot import Change, Snapshot, changed_keys
from .._live.status import Status
from .._loading.load import Loaded
from .._redaction import Redactor
from .._schema.schema import Schema, as_values, schema_of
from ..errors import InvalidSettings, Rejected

S = TypeVar("S")


class InMemoryLive(Live[S], Generic[S]):
    """A Live without files: ``await live.publish(new_settings)``."""

    __slots__ = ("_memory",)

    def __init__(self, core: Core[S], memory: _Memory[S]) -> None:
        super().__init__(core, memory)
        self._memory = memory

    async def publish(self, settings: S) -> Change[S] | None:
        """Let other settings go live, as a reload would, and return the change; None if nothing differs.

        Hooks are asked and resources replaced; RestartRequired keys keep their first value. Raises Rejected.
        """
        return await self._memory.publish(settings)


class _Memory(Generic[S]):
    """The source of an InMemoryLive."""

    def __init__(self, core: Core[S]) -> None:
        self._core = core
        self._publishing = anyio.Lock()

    def status(self) -> Status:
        """How everything stands."""
        return self._core.status()

    async def reload(self, timeout: float | None) -> None:  # noqa: ASYNC109 - as Live has it
        """Nothing newer is anywhere."""

    async def publish(self, settings: S) -> Change[S] | None:
        """Let other settings go live. Raises Rejected."""
        self._core.holdups.refuse_inside("publish()", "which it would wait for")
        async with self._publishing:
            return await self._publish(settings)

    async def _publish(self, settings: S) -> Change[S] | None:
        core = self._core
        core.attempt()
        try:
            loaded = _loaded(core.schema, settings)
            core.redactor.learn(loaded.documents, loaded.unwritten)
            loaded = keep_first(core.started_with, loaded, core.redactor)
            keys = changed_keys(core.schema, core.snapshot.settings, loaded.settings)
            change = None
            if keys:
                change = await apply(core, Snapshot(loaded, core.snapshot.generation + 1), keys)
        except InvalidSettings as error:
            rejected, text = Rejected(error), str(error)
        except Vetoed as veto:
            rejected, text = Rejected(veto.reason, veto.by), f"{veto.by}: {core.redactor.describe(veto.reason)}"
        else:
            core.accept(loaded, keys)
            return change
        core.reject(rejected, text)
        raise rejected


def live(settings: S, *, prepare_timeout: float = 10.0) -> AbstractAsyncContextManager[InMemoryLive[S]]:
    """Hold a Live that has these settings and no files, until the block ends."""
    return hosted(_held(settings, prepare_timeout))


@asynccontextmanager
async def _held(settings: S, prepare_timeout: float) -> AsyncGenerator[InMemoryLive[S], None]:
    schema = schema_of(type(settings))
    loaded = _loaded(schema, settings)
    async with background_tasks() as tasks:
        redactor = Redactor(schema, loaded.documents)
        core: Core[S] = Core(schema, Snapshot(loaded, 1), tasks, redactor, prepare_timeout)
        try:
            yield InMemoryLive(core, _Memory(core))
        finally:
            core.close()


def _loaded(schema: Schema, settings: Any) -> Loaded:
    return Loaded(schema, (in_memory(as_values(settings)),), settings)
