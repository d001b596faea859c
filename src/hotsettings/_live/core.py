"""The state of a live object that its parts share."""

from __future__ import annotations

import datetime
import os
from typing import Generic, TypeVar

from .._concurrency.loop_calls import running_loop
from .._concurrency.tasks import Tasks
from .._layers.status import LayerStatus
from .._loading.load import Loaded
from .._log import AS_EVENT, logger
from .._redaction import Redactor
from .._schema.schema import Schema
from ..errors import Rejected, SettingsError
from .callbacks import Callbacks, Handle
from .changes import Subscribers
from .events import EventLog
from .holdups import Holdups
from .reload.resource_manager import ResourceManager
from .snapshot import Change, Snapshot
from .statistics import Statistics
from .status import Applied, Rejection, Status

S = TypeVar("S")


class CurrentSlot(Generic[S]):
    """Holds ``current``, the newest settings, in a plain slot, so that reading it costs one attribute load."""

    __slots__ = ("current",)

    def __init__(self, settings: S) -> None:
        self.current: S = settings


class Core(Generic[S]):
    """The newest snapshot, its subscribers, and the outcome of the last reload. It belongs to one event loop.

    It knows no files and no clock. A source (`Reloader` for files, `testing` for tests) makes snapshots go live.
    """

    def __init__(
        self, schema: Schema, first: Snapshot[S], tasks: Tasks, redactor: Redactor, prepare_timeout: float
    ) -> None:
        self.schema = schema
        self.tasks = tasks
        self.redactor = redactor
        self.prepare_timeout = prepare_timeout
        self.subscribers: Subscribers[S] = Subscribers(schema, first)
        self.events = EventLog()
        self.holdups = Holdups(tasks)
        self.callbacks = Callbacks(tasks, redactor)
        self.hooks: dict[Handle, None] = {}
        self.resources: ResourceManager[S] = ResourceManager(
            tasks, self.holdups, redactor, prepare_timeout, lambda: self.snapshot
        )
        self.loop = running_loop()
        self.started_with = first.loaded
        """What the process was started with; its RestartRequired values stay."""
        self.loaded = first.loaded
        """What the layers said when they were accepted last: newer than the snapshot if no value has changed since."""
        self.rejection: Rejected | None = None
        """Why the last reload was rejected; None if it was accepted."""
        self.rejection_text: str | None = None
        """The same as a text, for people and for the log."""
        self.rejection_event: Rejection | None = None
        """The same as the event that readers of ``events()`` got."""
        self.attempted_at = first.loaded_at
        self.failures = 0
        """Rejections in a row."""
        self.accepted_count = 1
        """Reloads that were accepted, the first load included."""
        self.looks = self.reads = 1
        """Checks of the layers, and those that read something."""
        self.closing = False
        self.left_behind: str | None = None
        """Why nothing new goes live, in a process that was forked."""
        self._slots: list[CurrentSlot[S]] = []

    @property
    def snapshot(self) -> Snapshot[S]:
        """The newest snapshot."""
        return self.subscribers.snapshot

    def continued(self, tasks: Tasks) -> Core[S]:
        """Return a core for a process that was forked from this one. It has no subscribers yet, and no resources."""
        core = Core(self.schema, self.snapshot, tasks, self.redactor, self.prepare_timeout)
        core.started_with, core.loaded = self.started_with, self.loaded
        return core

    def leave_behind(self) -> None:
        """Note in a forked process that nothing new goes live here any more."""
        self.left_behind = (
            f"this process ({os.getpid()}) was forked from the one that watches, whose event loop is not here: "
            "nothing new goes live. Watch in this process anew, or use `with Settings.watch()`, which goes on after a fork"
        )
        logger.warning("%s", self.left_behind)

    def refuse_elsewhere(self, call: str) -> None:
        """Raise RuntimeError unless the current code runs in the event loop that watches. The error names ``call``."""
        if self.left_behind is not None:
            raise RuntimeError(self.left_behind)
        if running_loop() is not self.loop:
            raise RuntimeError(
                f"{call} was called outside of the event loop that watches: call it there, by `anyio.from_thread.run` "
                "for one. Programs without an event loop use `with Settings.watch() as live`"
            )

    def keep_current(self, slot: CurrentSlot[S]) -> None:
        """Keep ``current`` of this slot up to date."""
        self._slots.append(slot)

    def publish(self, snapshot: Snapshot[S], keys: frozenset[str]) -> Change[S]:
        """Swap: readers see the new settings from the next read on."""
        for slot in self._slots:
            slot.current = snapshot.settings
        return self.subscribers.publish(snapshot, keys)

    def attempt(self) -> None:
        """Note that a reload is being tried now."""
        self.attempted_at = now()

    def accept(self, loaded: Loaded, keys: frozenset[str]) -> None:
        """Note that what the layers say is live now, except values that wait for a restart.

        Args:
            loaded: What the layers say.
            keys: The keys that differ in this generation.
        """
        generation = self.snapshot.generation
        if keys:
            logger.info("generation %d is live: %s", generation, ", ".join(sorted(keys)))
        elif self.rejection_text is not None:
            logger.info("the files are good again, generation %d is what they say", generation)
        if loaded.pending - self.loaded.pending:
            logger.warning("waiting for a restart: %s", ", ".join(sorted(loaded.pending)), extra=AS_EVENT)
        if keys or self.rejection_text is not None or loaded.pending != self.loaded.pending:
            self.events.tell(Applied(now(), generation, keys, loaded.pending))
        self.loaded = loaded
        self.accepted_count += 1
        self.rejection, self.rejection_event, self.rejection_text, self.failures = None, None, None, 0

    def reject(self, rejection: Rejected, text: str, outlook: str = "") -> None:
        """Note that a reload was not applied. ``outlook`` says in the log what happens next."""
        self.rejection, self.rejection_text = rejection, text
        logger.warning(
            "reload rejected, generation %d stays live: %s%s", self.snapshot.generation, text, outlook, extra=AS_EVENT
        )
        self.tell_rejection(rejection, text)

    def tell_rejection(self, rejection: Rejected, text: str) -> None:
        """Count a failed attempt, and tell those who read events."""
        self.attempt()
        self.failures += 1
        self.rejection_event = Rejection.of(rejection, self.attempted_at, text, self.failures)
        self.events.tell(self.rejection_event)

    def status(self, layers: tuple[LayerStatus, ...] = (), fault: SettingsError | None = None) -> Status:
        """Return the health of all parts. ``fault`` is why the layers could not be read or evaluated, if so."""
        snapshot = self.snapshot
        return Status(
            generation=snapshot.generation,
            healthy=self.rejection_text is None
            and fault is None
            and self.left_behind is None
            and not any(resource.failed for resource in self.resources.all)
            and all(layer.state in ("read", "missing", "writing") for layer in layers),
            loaded_at=snapshot.loaded_at,
            last_attempt_at=self.attempted_at,
            last_error=self.left_behind or (str(fault) if fault is not None else self.rejection_text),
            consecutive_failures=self.failures,
            pending_restart=self.loaded.pending,
            layers=layers,
            callback_failures=self.callbacks.failures,
            waiting_for=self.holdups.all(long=True),
            rejection=self.rejection_event,
        )

    def statistics(self) -> Statistics:
        """Count. From any thread."""
        subscribers, behind = self.subscribers.counts()
        snapshot = self.snapshot
        return Statistics(
            generation=snapshot.generation,
            accepted=self.accepted_count,
            accepted_at=self.events.accepted_at or snapshot.loaded_at,
            rejections=self.events.rejections,
            subscribers=subscribers,
            subscribers_behind=behind,
            callback_failures=self.callbacks.failures,
            resources=len(self.resources.all),
            rebuilds=self.resources.rebuilds,
            looks=self.looks,
            reads=self.reads,
            watching=not self.closing,
        )

    def close(self) -> None:
        """End all iterators; no resource is rebuilt any more."""
        self.closing = True
        self.holdups.refresh = lambda: None
        self.resources.stop()
        self.subscribers.close()
        self.events.close()


def now() -> datetime.datetime:
    """The time, in UTC."""
    return datetime.datetime.now(datetime.UTC)
