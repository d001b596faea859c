"""Live settings that come from the test itself."""

from __future__ import annotations

import datetime
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import anyio

from .._concurrency.tasks import background_tasks
from .._layers.layer import in_memory
from .._live.live import Live, hub_of
from .._live.reload.restart import keep_first
from .._live.reload.transaction import Vetoed, apply
from .._live.snapshot import Change, Snapshot, changed_keys
from .._live.status import Applied, Rejection, Status
from .._loading.load import Loaded
from .._redaction import Redactor
from .._schema.schema import Schema, as_values, schema_of
from ..errors import InvalidSettings, Rejected

S = TypeVar("S")


class GivenLive(Live[S], Generic[S]):
    """A Live that has what it is given: ``await live.publish(new_settings)``."""

    __slots__ = ()

    _source: _Given

    async def publish(self, settings: S) -> Change[S] | None:
        """Let other settings go live, as a reload would, and return the change; None if nothing differs.

        Hooks are asked and resources replaced; RestartRequired keys keep their first value. Raises Rejected.
        """
        return await self._source.publish(settings)


class _Given:
    """The source of a GivenLive."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.live: GivenLive[Any]
        self._first = loaded
        self._publishing = anyio.Lock()
        self._attempted_at = datetime.datetime.now(datetime.UTC)
        self._rejection: Rejection | None = None
        self._failures = 0

    async def reload(self, timeout: float | None) -> None:  # noqa: ASYNC109 - as Live has it
        """Nothing newer is anywhere."""

    async def publish(self, settings: Any) -> Change[Any] | None:
        """Let other settings go live. Raises Rejected."""
        hub_of(self.live).waits.refuse_inside("publish()", "which it would wait for")
        async with self._publishing:
            return await self._publish(settings)

    async def _publish(self, settings: Any) -> Change[Any] | None:
        live, hub = self.live, hub_of(self.live)
        self._attempted_at = datetime.datetime.now(datetime.UTC)
        try:
            loaded = _loaded(hub.schema, settings)
            hub.redactor.learn(loaded.documents)
            loaded = keep_first(self._first, loaded, hub.redactor)
            keys = changed_keys(hub.schema, live.current, loaded.settings)
            change = None
            if keys:
                change = await apply(hub, Snapshot(loaded, live.snapshot.generation + 1), keys)
        except InvalidSettings as error:
            rejected, text = Rejected(error), str(error)
        except Vetoed as veto:
            rejected = Rejected(veto.reason, veto.by)
            text = f"{veto.by}: {hub.redactor.describe(veto.reason)}"
        else:
            if keys or self._rejection is not None or loaded.pending != self.loaded.pending:
                hub.log.tell(Applied(self._attempted_at, live.snapshot.generation, keys, loaded.pending))
            self.loaded, self._rejection, self._failures = loaded, None, 0
            return change
        self._failures += 1
        self._rejection = Rejection.of(rejected, self._attempted_at, text, self._failures)
        hub.log.tell(self._rejection)
        raise rejected

    def status(self) -> Status:
        """How it stands."""
        hub = hub_of(self.live)
        return Status(
            generation=self.live.snapshot.generation,
            healthy=self._rejection is None and not any(resource.failed for resource in hub.resources),
            loaded_at=self.live.snapshot.loaded_at,
            last_attempt_at=self._attempted_at,
            last_error=None if self._rejection is None else self._rejection.reason,
            consecutive_failures=self._failures,
            pending_restart=self.loaded.pending,
            layers=(),
            callback_failures=hub.callback_failures,
            waiting_for=hub.waits.all(long=True),
            rejection=self._rejection,
        )


@asynccontextmanager
async def live(settings: S, *, prepare_timeout: float = 10.0) -> AsyncGenerator[GivenLive[S], None]:
    """Hold a Live that has these settings and no files, until the block ends."""
    schema = schema_of(type(settings))
    source = _Given(_loaded(schema, settings))
    redactor = Redactor(schema, source.loaded.documents)
    async with background_tasks() as tasks:
        held: GivenLive[S] = GivenLive(schema, Snapshot(source.loaded, 1), tasks, source, prepare_timeout, redactor)
        source.live = held
        try:
            yield held
        finally:
            hub_of(held).close()
    escaped = hub_of(held).escaped
    if escaped is not None:
        raise escaped


def _loaded(schema: Schema, settings: Any) -> Loaded:
    return Loaded(schema, (in_memory(as_values(settings)),), settings)
