"""The task that keeps a live object up to date: it looks when woken, and decides what becomes of what it sees."""

from __future__ import annotations

import datetime
import time
from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

import anyio
from msgspec.structs import replace

from ..._boundary import guarded, places_of, type_and_place, unforeseen
from ..._concurrency.backoff import Backoff
from ..._concurrency.tasks import failure_of, sheltered
from ..._layers.layer import Document, Unreadable
from ..._layers.status import PATIENCE, LayerStatus
from ..._loading.load import Loaded, assemble, readable
from ..._log import AS_EVENT, logger
from ..._redaction import Redactor
from ..._schema.schema import Schema
from ..._watching.bind_mounts import ADVICE, ADVICE_FOR_FOLDERS, single_file_mounts
from ..._watching.consistent_read import Read, Unsettled
from ..._watching.watcher import Watcher
from ...errors import LayerError, Origin, Problem, Rejected, SettingsError, UnforeseenError
from ..core import Hub
from ..snapshot import Snapshot, changed_keys
from ..status import Applied, Rejection, Status
from .restart import keep_first
from .transaction import Vetoed, apply

S = TypeVar("S")

_FRAMES = 20
"""Places in this package that the log names for an unexpected exception, which may be an endless recursion."""


_HASTY = 10.0
"""Seconds after which the start takes a file that has stood still for ``settle``, even if somebody has it open for writing. A
file that its writer never closes would keep the process from starting for ever."""
_GIVES_UP = 20.0
"""Seconds after which the start fails, because a file has not even stood still for that long."""


class _Candidate:
    """A transaction under way."""

    def __init__(self, loaded: Loaded, keys: frozenset[str], requested: bool) -> None:
        self.loaded = loaded
        self.keys = keys
        self.requested = requested
        """Somebody has asked for it, before the backoff was over."""
        self.scope = anyio.CancelScope()
        self.done = anyio.Event()


class _Request:
    """Somebody who waits in ``reload()``."""

    def __init__(self) -> None:
        self.answered = anyio.Event()
        self.looked = False
        """There was a look since it was asked, and what is being tried is what was there then."""
        self.tried = False
        """What was there has been tried since it was asked, or is being tried: a try that had begun before does not count."""
        self.rejection: Rejected | None = None


class Runtime(Generic[S]):
    """Keeps the hub's snapshot what the files say."""

    def __init__(self, schema: Schema, watcher: Watcher, rescan: float) -> None:
        self._schema = schema
        self._watcher = watcher
        self._rescan = rescan
        self._hub: Hub[S]
        self.redactor = Redactor(schema)
        self.loaded: Loaded
        self._first: Loaded | None = None
        self._contents: tuple[object, ...] = ()
        self._good: Loaded | None = None
        self._learnt: Sequence[Document] = ()
        """The documents whose secrets were learnt last."""
        self._rejection: Rejected | None = None
        self._told: Rejection | None = None
        self._error: str | None = None
        self._failures = 0
        self._attempted_at = _now()
        self._candidate: _Candidate | None = None
        self._look_at = 0.0
        self._retry_at: float | None = None
        self._backoff = Backoff()
        self._requests: list[_Request] = []
        self._stale: set[str] = set()
        self._fault: UnforeseenError | None = None
        """The unexpected failure of the last attempt to read and judge the layers; None after a success."""

    async def first(self) -> Loaded:
        """Read the files for the first time, once they stand still. Raises SettingsError, also if they never do."""
        began, warned = time.monotonic(), False
        gives_up = _GIVES_UP + self._watcher.settle
        while True:
            hasty = time.monotonic() - began >= _HASTY
            try:
                seen = await self._watcher.observe(self._judged, _warn_at_first, accept_open=hasty)
            except Exception as error:
                failure: SettingsError = unforeseen(error, self._origins())
                break
            if isinstance(seen, tuple):
                return self._begin(*seen)
            waited, writing = time.monotonic() - began, self._watcher.writing()
            if waited >= gives_up:
                failure = self._never_still(writing, waited)
                break
            if waited >= PATIENCE and writing and not warned:
                warned = True
                logger.warning(
                    "the start waits for layer %s, which somebody is still writing; after %g s it takes what is there "
                    "as soon as that stands still for %g s, and after %g s it fails",
                    ", ".join(writing),
                    _HASTY,
                    self._watcher.settle,
                    gives_up,
                )
            ahead = [seconds - waited for seconds in (PATIENCE, _HASTY, gives_up) if seconds > waited]
            await self._watcher.woken(min(seen.seconds if isinstance(seen, Unsettled) else 0.0, *ahead))
        raise failure

    def _never_still(self, writing: Collection[str], waited: float) -> LayerError:
        message = f"it was written to without a pause for {waited:.0f} s, so it is not known to be complete"
        return LayerError(
            [
                Problem("", message, origin, "write a new file, and rename it over this one", "still-written")
                for origin in self._origins()
                if origin.layer in writing or not writing
            ]
        )

    def _begin(self, read: Read, outcome: Loaded | SettingsError) -> Loaded:
        if isinstance(outcome, SettingsError):
            raise outcome
        self._contents, self._good = read.contents, outcome
        self.loaded = self._first = outcome
        self._watcher.accepted()
        return outcome

    def follow(self, hub: Hub[S]) -> None:
        """Take the hub to keep up to date; its snapshot is what was read first."""
        self._hub = hub
        hub.waits.refresh = lambda: hub.waits.only("writing", self._watcher.writing())
        self._attempted_at = hub.head.snapshot.loaded_at

    async def run(self) -> None:
        """Keep the hub up to date until cancelled."""
        self._warn_of_mounts()
        try:
            while True:
                deadlines = [self._look_at] + ([self._retry_at] if self._retry_at is not None else [])
                await self._watcher.woken(min(deadlines) - time.monotonic())
                try:
                    await self._step()
                except BaseException as error:
                    self._fail(failure_of(error))
        finally:
            self._answer(self._requests, None)

    async def reload(self, timeout: float | None) -> None:  # noqa: ASYNC109 - the error names what is waited for
        """Look now, and return when what is there is live. Raises Rejected if it cannot be, or TimeoutError."""
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be 0 seconds or more, or None, not {timeout!r}")
        if self._hub.closing:
            return
        request = _Request()
        self._requests.append(request)
        self._watcher.wake()
        try:
            with anyio.move_on_after(timeout):
                await request.answered.wait()
        finally:
            self._requests = [other for other in self._requests if other is not request]
        if not request.answered.is_set():
            waits = ", ".join(map(str, self._hub.waits.all(long=False))) or "the files"
            raise TimeoutError(f"reload() gave up after {timeout:g} s, waiting for {waits}")
        if request.rejection is not None:
            raise Rejected(request.rejection.reason, request.rejection.by)

    def status(self) -> Status:
        """How everything stands."""
        snapshot = self._hub.head.snapshot
        layers = self._layers()
        down = any(resource.failed for resource in self._hub.resources)
        return Status(
            generation=snapshot.generation,
            healthy=self._error is None
            and self._fault is None
            and not down
            and all(layer.state in ("read", "missing", "writing") for layer in layers),
            loaded_at=snapshot.loaded_at,
            last_attempt_at=self._attempted_at,
            last_error=str(self._fault) if self._fault is not None else self._error,
            consecutive_failures=self._failures,
            pending_restart=self.loaded.pending,
            layers=layers,
            callback_failures=self._hub.callback_failures,
            waiting_for=self._hub.waits.all(long=True),
            rejection=self._told,
        )

    def _layers(self) -> tuple[LayerStatus, ...]:
        held_up = {wait.name: wait for wait in self._hub.waits.all(long=True) if wait.kind in ("writing", "reading")}
        return tuple(
            replace(layer, state=wait.kind, since=wait.since) if (wait := held_up.get(layer.name)) else layer
            for layer in self._watcher.statuses()
        )

    def _warn_of_hanging(self, layers: Sequence[str]) -> None:
        """A look has not come back for a while."""
        for name in layers:
            self._hub.waits.begin("reading", name, PATIENCE)

    async def _step(self) -> None:
        asked, before = self._requests[:], self._candidate
        try:
            seen = await self._watcher.observe(self._evaluate, self._warn_of_hanging)
        finally:
            self._hub.waits.only("reading", {})
        now = time.monotonic()
        self._hub.waits.refresh()
        if isinstance(seen, Unsettled):
            self._look_in(min(seen.seconds, self._rescan))
            return
        self._look_at = now + self._rescan
        self._warn_of_stale()
        if self._fault is not None and self._error is None:
            self._error = str(self._fault)  # until what was read is judged
        if isinstance(seen, tuple) and seen[1] is not None:
            await self._take(seen[0], seen[1])
        elif self._retry_at is not None and (now >= self._retry_at or not all(request.tried for request in asked)):
            self._propose(requested=now < self._retry_at)
        if self._candidate is None and not self._watcher.writing():  # whoever asks wants to know of all layers
            self._answer(asked, self._rejection)
        for request in asked:
            request.looked = True
            request.tried = request.tried or self._candidate is not before
        self._fault = None

    def _look_in(self, seconds: float) -> None:
        """Look again after so many seconds, and try nothing before that."""
        self._look_at = time.monotonic() + seconds
        if self._retry_at is not None:
            self._retry_at = max(self._retry_at, self._look_at)

    def _fail(self, error: BaseException) -> None:
        """Report an unexpected failure, once for as long as it repeats, and have all layers read again later."""
        failed = unforeseen(error, self._origins())
        if self._fault is None or self._fault.problems != failed.problems:
            self._attempted_at = _now()
            self._failures += 1
            # The message of the exception stays out of the log: it may quote what was read.
            way = ", ".join(places_of(error)[-_FRAMES:])
            logger.error("looking for new settings failed; the old ones serve: %s (%s)", type_and_place(error), way)
            self._told = Rejection.of(Rejected(failed), self._attempted_at, str(failed), self._failures)
            self._hub.log.tell(self._told)
        self._fault = failed
        self._contents = ()
        self._watcher.invalidate()
        self._look_in(self._rescan)
        self._answer(self._requests, Rejected(failed))

    def _origins(self) -> list[Origin]:
        return [Origin(layer.name, layer.file) for layer in self._watcher.statuses()]

    def _evaluate(self, read: Read) -> Loaded | SettingsError | None:
        """Decode what was read; None if that is what was judged last. Runs in a worker thread."""
        return None if read.contents == self._contents else self._judged(read)

    def _judged(self, read: Read) -> Loaded | SettingsError:
        try:
            return guarded(self._origins(), self._loaded, read.documents)
        except SettingsError as error:
            return error.with_traceback(None)

    def _loaded(self, parts: Sequence[Document | Unreadable]) -> Loaded:
        learnt, self._learnt = self._learnt, ()
        if self._first is not None and learnt is not self.loaded.documents:
            # However many candidates are rejected, the live secrets stay known.
            self.redactor.learn(self.loaded.documents, self.loaded.settings if self.loaded.pending else None)
        documents = readable(self._schema, parts, self.redactor)
        loaded = Loaded(self._schema, documents, assemble(self._schema, documents, self.redactor))
        loaded = keep_first(self._first or loaded, loaded, self.redactor)
        self.redactor.learn(documents, loaded.settings if loaded.pending else None)
        self._learnt = documents
        return loaded

    async def _take(self, read: Read, outcome: Loaded | SettingsError) -> None:
        """The files say something new: whatever was under way for older content is over."""
        if self._candidate is not None:
            self._candidate.scope.cancel()
            await self._candidate.done.wait()
        self._contents = read.contents
        self._retry_at = None
        self._backoff.reset()
        if isinstance(outcome, SettingsError):
            self._good = None
            self._reject(Rejected(outcome), str(outcome))
        else:
            self._good = outcome
            self._propose()

    def _propose(self, *, requested: bool = False) -> None:
        """Start the transaction that makes the newest good state live, if it differs from what is."""
        assert self._good is not None
        self._attempted_at, self._retry_at = _now(), None
        keys = changed_keys(self._schema, self._hub.head.current, self._good.settings)
        if keys:
            self._candidate = _Candidate(self._good, keys, requested)
            self._hub.tasks.start_soon(sheltered, self._transact, self._candidate)
        else:
            self._accept(self._good, keys)

    async def _transact(self, candidate: _Candidate) -> None:
        hub, loaded = self._hub, candidate.loaded
        try:
            with candidate.scope:
                snapshot: Snapshot[S] = Snapshot(loaded, hub.head.snapshot.generation + 1)
                await apply(hub, snapshot, candidate.keys)
                self._accept(loaded, candidate.keys)
        except BaseException as error:
            veto = error if isinstance(error, Vetoed) else self._mishap(failure_of(error))
            # Who asks again and again is answered again and again, but does not make the next try by itself any later.
            delay = (candidate.requested and self._backoff.delay) or self._backoff.next()
            text = f"{veto.by}: {self.redactor.describe(veto.reason)}"
            self._reject(Rejected(veto.reason, veto.by), text, f"; trying again in {delay:g} s")
            self._retry_at = time.monotonic() + delay
        finally:
            self._candidate = None
            candidate.done.set()
        # If it was cancelled, what has taken its place will answer. If a layer is being written, the look after that will.
        if not candidate.scope.cancel_called and not self._watcher.writing():
            rejected = self._retry_at is not None
            heard = [each for each in self._requests if each.tried or (each.looked and not rejected)]
            self._answer(heard, self._rejection)
        if self._retry_at is not None:
            self._watcher.wake()  # it waits for something later, or somebody has asked meanwhile

    def _mishap(self, error: BaseException) -> Vetoed:
        """What nobody has thought of ends no process either: it is tried again, like what a hook has refused."""
        logger.error("making new settings live failed:\n%s", self.redactor.trace(error))
        return Vetoed("hotsettings", self.redactor.redacted(error))

    def _accept(self, loaded: Loaded, keys: frozenset[str]) -> None:
        """What the files say is live now, as far as it can be."""
        generation = self._hub.head.snapshot.generation
        if keys:
            logger.info("generation %d is live: %s", generation, ", ".join(sorted(keys)))
        elif self._error is not None:
            logger.info("the files are good again, generation %d is what they say", generation)
        if loaded.pending - self.loaded.pending:
            logger.warning("waiting for a restart: %s", ", ".join(sorted(loaded.pending)), extra=AS_EVENT)
        if keys or self._error is not None or loaded.pending != self.loaded.pending:
            self._hub.log.tell(Applied(_now(), generation, keys, loaded.pending))
        self.loaded = loaded
        self._rejection, self._told, self._error, self._failures = None, None, None, 0
        self._watcher.accepted()

    def _reject(self, rejection: Rejected, text: str, outlook: str = "") -> None:
        self._attempted_at = _now()
        self._rejection, self._error = rejection, text
        self._failures += 1
        generation = self._hub.head.snapshot.generation
        logger.warning("reload rejected, generation %d stays live: %s%s", generation, text, outlook, extra=AS_EVENT)
        self._told = Rejection.of(rejection, self._attempted_at, text, self._failures)
        self._hub.log.tell(self._told)

    def _answer(self, requests: Sequence[_Request], rejection: Rejected | None) -> None:
        for request in requests:
            request.rejection = rejection
            request.answered.set()
        self._requests = [request for request in self._requests if not request.answered.is_set()]

    def _warn_of_mounts(self) -> None:
        for target in single_file_mounts(self._watcher.targets):
            logger.warning(
                "%s is a mount of a single file: edits that replace the file outside never arrive; %s", target, ADVICE
            )

    def _warn_of_stale(self) -> None:
        stale, targets = self._watcher.stale_mounts, self._watcher.targets
        for point, label in stale.items():
            if point in self._stale:
                continue
            if point in targets:
                logger.warning("%s was replaced outside of its mount: no edit arrives here any more; %s", label, ADVICE)
            else:
                logger.warning(
                    "the folder that is mounted at %s was renamed or removed outside: edits under its old path do not "
                    "arrive here any more; %s",
                    point,
                    ADVICE_FOR_FOLDERS,
                )
        self._stale = set(stale)


def _warn_at_first(layers: Sequence[str]) -> None:
    logger.warning("the first look has not come back for over %g s: layer %s", PATIENCE, ", ".join(layers))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
