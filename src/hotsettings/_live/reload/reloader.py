"""How files become the live snapshot.

The reloader checks the layers when woken, and decides what to do with what it read.

The steps of an edit:

1. The watcher wakes the reloader (`Reloader.run`), which has it check all layers. Half-written files wait: the check
   returns `Unsettled`, and the reloader checks again later. What was read is merged and decoded in the watcher's
   worker thread (`evaluate`), since decoding may take long.
2. `_step` compares what was read with what was read before. New content cancels a candidate that is still on its way (`_take`).
   Bad content is a rejection, and waits for other content.
3. If the settings differ from the live ones, a candidate starts (`_propose`): a task of its own, so that the reloader
   goes on checking. It runs the `transaction`. If that vetoes, the same content is tried again after a pause that
   doubles.
4. `Core.accept` and `Core.reject` keep the outcome, log it, and tell it to readers of events.

Callers of ``reload()`` are answered when what they asked about is decided: see `_Request`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

import anyio
from msgspec.structs import replace

from ..._boundary import guarded, places_of, type_and_place, unforeseen
from ..._concurrency.backoff import Backoff
from ..._concurrency.tasks import failure_of
from ..._layers.layer import Document, Unreadable
from ..._layers.status import PATIENCE, LayerStatus
from ..._loading.load import Loaded, assemble, documents_or_error, log_warnings
from ..._log import logger
from ..._redaction import Redactor
from ..._schema.schema import Schema
from ..._watching.bind_mounts import ADVICE, ADVICE_FOR_FOLDERS, single_file_mounts
from ..._watching.consistent_read import Read, Unsettled
from ..._watching.watcher import Evaluated, Watcher
from ...errors import LayerError, Origin, Problem, Rejected, SettingsError, UnforeseenError
from ..core import Core
from ..snapshot import Snapshot, changed_keys
from ..status import Status
from .restart import keep_first
from .transaction import Vetoed, apply

S = TypeVar("S")

_FRAMES = 20
"""Places in this package that the log names for an unexpected exception, which may be an endless recursion."""


_ACCEPT_OPEN_AFTER = 10.0
"""Seconds after which the start accepts a file that has not changed for ``settle``, even if somebody has it open for
writing. Otherwise a writer that never closes its file would keep the process from starting for ever."""
_START_FAILS_AFTER = 20.0
"""Seconds after which the start fails, because somebody writes to a file without a pause of ``settle``."""


class _Candidate:
    """A transaction under way."""

    def __init__(self, loaded: Loaded, keys: frozenset[str], requested: bool) -> None:
        self.loaded = loaded
        self.keys = keys
        self.requested = requested
        """``reload()`` has asked for it before the backoff was over."""
        self.scope = anyio.CancelScope()
        self.done = anyio.Event()


class _Request:
    """Somebody who waits in ``reload()``."""

    def __init__(self) -> None:
        self.answered = anyio.Event()
        self.checked = False
        """The files were checked after this request, so the present candidate is for content at least that new."""
        self.tried = False
        """A transaction has started after this request."""
        self.rejection: Rejected | None = None


async def first_load(schema: Schema, redactor: Redactor, watcher: Watcher) -> tuple[Read, Loaded]:
    """Read the layers for the first time, once no writer is at work on them. Raises SettingsError, also if there always is one."""
    began, warned = time.monotonic(), False
    gives_up = _START_FAILS_AFTER + watcher.settle
    while True:
        accept_open = time.monotonic() - began >= _ACCEPT_OPEN_AFTER
        try:
            result = await watcher.check(
                lambda read: evaluate(schema, redactor, _origins(watcher), read),
                _warn_at_first,
                accept_open=accept_open,
            )
        except Exception as error:
            failure: SettingsError = unforeseen(error, _origins(watcher))
            break
        if isinstance(result, Evaluated):
            read, outcome = result.read, result.outcome
            if isinstance(outcome, SettingsError):
                failure = outcome
                break
            watcher.reader.accepted()
            log_warnings(outcome.warnings)
            return read, outcome
        waited, writing = time.monotonic() - began, watcher.reader.writing()
        if waited >= gives_up:
            failure = _never_still(_origins(watcher), writing, waited)
            break
        if waited >= PATIENCE and writing and not warned:
            warned = True
            logger.warning(
                "the start waits for layer %s, which somebody is still writing; after %g s it takes what is there "
                "as soon as that stands still for %g s, and after %g s it fails",
                ", ".join(writing),
                _ACCEPT_OPEN_AFTER,
                watcher.settle,
                gives_up,
            )
        ahead = [seconds - waited for seconds in (PATIENCE, _ACCEPT_OPEN_AFTER, gives_up) if seconds > waited]
        await watcher.wait_until_woken(min(result.seconds if isinstance(result, Unsettled) else 0.0, *ahead))
    raise failure


def evaluate(
    schema: Schema,
    redactor: Redactor,
    origins: Sequence[Origin],
    read: Read,
    started_with: Loaded | None = None,
    accepted: Loaded | None = None,
) -> Loaded | SettingsError:
    """Merge and decode what was read. Runs in a worker thread.

    Args:
        schema: What the settings class declares.
        redactor: Learns the secrets of what is decoded.
        origins: The layers, for an unexpected exception.
        read: What all layers held at one moment.
        started_with: What the process was started with; its RestartRequired values stay.
        accepted: The live state, to be learnt again because a rejected candidate was learnt after it; None if that is
            not needed.
    """
    try:
        return guarded(origins, _decoded, schema, redactor, read.documents, started_with, accepted)
    except SettingsError as error:
        return error.with_traceback(None)


def _decoded(
    schema: Schema,
    redactor: Redactor,
    parts: Sequence[Document | Unreadable],
    started_with: Loaded | None,
    accepted: Loaded | None,
) -> Loaded:
    if accepted is not None:
        redactor.learn(accepted.documents, accepted.unwritten)
    documents = documents_or_error(schema, parts, redactor)
    loaded = assemble(schema, documents, redactor)
    loaded = keep_first(started_with or loaded, loaded, redactor)
    redactor.learn(documents, loaded.unwritten)
    return loaded


class Reloader(Generic[S]):
    """Keeps a core's snapshot equal to what the layers say.

    Args:
        core: What to keep up to date. Its snapshot is what was read first.
        watcher: Checks the layers.
        contents: The contents of the layers from which the core's snapshot was made. Empty if that is not known.
        rescan: Seconds after which the layers are checked, whatever happens.
    """

    def __init__(self, core: Core[S], watcher: Watcher, contents: Sequence[object], rescan: float) -> None:
        self._core = core
        self._watcher = watcher
        self._rescan = rescan
        self._learnt: Sequence[Document] = core.loaded.documents
        """The documents whose secrets were learnt last. If they are not the live ones, a rejected candidate was learnt
        after the live state, which is to be learnt again."""
        self._warned = core.loaded.warnings
        """What was logged last. The same is not logged again."""
        self._contents = contents
        self._newest_good: Loaded | None = core.loaded
        self._candidate: _Candidate | None = None
        self._check_at = 0.0
        self._retry_at: float | None = None
        self._veto_backoff = Backoff()
        self._requests: list[_Request] = []
        self._stale: set[str] = set()
        self._fault: UnforeseenError | None = None
        """The unexpected failure of the last attempt to read and judge the layers; None after a success."""
        core.holdups.refresh = lambda: core.holdups.only("writing", watcher.reader.writing())

    async def run(self) -> None:
        """Keep the core up to date until cancelled."""
        self._warn_of_mounts()
        try:
            while True:
                deadlines = [self._check_at] + ([self._retry_at] if self._retry_at is not None else [])
                await self._watcher.wait_until_woken(min(deadlines) - time.monotonic())
                try:
                    await self._step()
                except BaseException as error:
                    self._fail(failure_of(error))
        finally:
            self._answer(self._requests, None)

    async def reload(self, timeout: float | None) -> None:  # noqa: ASYNC109 - the error names what is waited for
        """Check now, and return when what is there is live. Raises Rejected if it cannot be, or TimeoutError."""
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be 0 seconds or more, or None, not {timeout!r}")
        if self._core.closing:
            return
        request = _Request()
        self._requests.append(request)
        self._watcher.wake_and_reread()
        try:
            with anyio.move_on_after(timeout):
                await request.answered.wait()
        finally:
            self._requests = [other for other in self._requests if other is not request]
        if not request.answered.is_set():
            waits = ", ".join(map(str, self._core.holdups.all(long=False))) or "the files"
            raise TimeoutError(f"reload() gave up after {timeout:g} s, waiting for {waits}")
        if request.rejection is not None:
            raise Rejected(request.rejection.reason, request.rejection.by)

    def status(self) -> Status:
        """The health of the live object, with the states of the layers."""
        return self._core.status(self._layers(), self._fault)

    def _layers(self) -> tuple[LayerStatus, ...]:
        held_up = {wait.name: wait for wait in self._core.holdups.all(long=True) if wait.kind in ("writing", "reading")}
        return tuple(
            replace(layer, state=wait.kind, since=wait.since) if (wait := held_up.get(layer.name)) else layer
            for layer in self._watcher.reader.statuses()
        )

    def _warn_of_hanging(self, layers: Sequence[str]) -> None:
        """A check has not returned for a while."""
        for name in layers:
            self._core.holdups.begin("reading", name, PATIENCE)

    async def _step(self) -> None:
        asked, before = self._requests[:], self._candidate  # a request that comes during the check is for the next one
        try:
            result = await self._watcher.check(self._evaluate, self._warn_of_hanging)
        finally:
            self._core.holdups.only("reading", {})
        now = time.monotonic()
        self._core.looks += 1
        self._core.reads += isinstance(result, Evaluated)
        self._core.holdups.refresh()
        if isinstance(result, Unsettled):
            self._check_in(min(result.seconds, self._rescan))
            return
        self._check_at = now + self._rescan
        self._warn_of_stale()
        if self._fault is not None and self._core.rejection_text is None:
            # `_fail` reports without `Core.reject`, which would have set the text. With it, `Core.accept` says that the
            # files are good again.
            self._core.rejection_text = str(self._fault)
        retry_is_due = self._retry_at is not None and now >= self._retry_at
        somebody_asks_for_a_retry = self._retry_at is not None and not all(request.tried for request in asked)
        if isinstance(result, Evaluated) and result.outcome is not None:
            await self._take(result.read, result.outcome)
        elif retry_is_due or somebody_asks_for_a_retry:
            self._propose(requested=not retry_is_due)
        if self._candidate is None and not self._watcher.reader.writing():  # whoever asks wants to know of all layers
            self._answer(asked, self._core.rejection)
        for request in asked:
            request.checked = True
            request.tried = request.tried or self._candidate is not before  # this step has proposed another one
        self._fault = None

    def _check_in(self, seconds: float) -> None:
        """Check again after so many seconds, and try nothing before that."""
        self._check_at = time.monotonic() + seconds
        if self._retry_at is not None:
            self._retry_at = max(self._retry_at, self._check_at)

    def _fail(self, error: BaseException) -> None:
        """Report an unexpected failure, once for as long as it repeats, and have all layers read again later."""
        failed = unforeseen(error, _origins(self._watcher))
        if self._fault is None or self._fault.problems != failed.problems:
            # The message of the exception stays out of the log: it may quote what was read.
            way = ", ".join(places_of(error)[-_FRAMES:])
            logger.error(
                "checking the layers failed; the last good settings stay live: %s (%s)", type_and_place(error), way
            )
            self._core.tell_rejection(Rejected(failed), str(failed))
        self._fault = failed
        self._contents = ()
        self._watcher.reader.invalidate()
        self._check_in(self._rescan)
        self._answer(self._requests, Rejected(failed))

    def _evaluate(self, read: Read) -> Loaded | SettingsError | None:
        """Decode what was read; None if it is what `_take` got last. Runs in a worker thread."""
        if read.contents == self._contents:
            return None
        core, learnt, self._learnt = self._core, self._learnt, ()
        accepted = None if learnt is core.loaded.documents else core.loaded
        outcome = evaluate(core.schema, core.redactor, _origins(self._watcher), read, core.started_with, accepted)
        if isinstance(outcome, Loaded):
            self._learnt = outcome.documents
            log_warnings(outcome.warnings, self._warned)
            self._warned = outcome.warnings
        return outcome

    async def _take(self, read: Read, outcome: Loaded | SettingsError) -> None:
        """Act on new content: cancel a candidate for older content, then propose the new state or reject it."""
        if self._candidate is not None:
            self._candidate.scope.cancel()
            await self._candidate.done.wait()
        self._contents = read.contents
        self._retry_at = None
        self._veto_backoff.reset()
        if isinstance(outcome, SettingsError):
            self._newest_good = None
            self._core.reject(Rejected(outcome), str(outcome))
        else:
            self._newest_good = outcome
            self._propose()

    def _propose(self, *, requested: bool = False) -> None:
        """Start the transaction that makes the newest good state live, if it differs from what is."""
        assert self._newest_good is not None
        self._core.attempt()
        self._retry_at = None
        keys = changed_keys(self._core.schema, self._core.snapshot.settings, self._newest_good.settings)
        if keys:
            self._candidate = _Candidate(self._newest_good, keys, requested)
            self._core.tasks.start_soon(self._transact, self._candidate)
        else:
            self._accept(self._newest_good, keys)

    async def _transact(self, candidate: _Candidate) -> None:
        core, loaded = self._core, candidate.loaded
        try:
            with candidate.scope:
                snapshot: Snapshot[S] = Snapshot(loaded, core.snapshot.generation + 1)
                await apply(core, snapshot, candidate.keys)
                self._accept(loaded, candidate.keys)
            # If newer content cancels the scope, the block ends here: nothing was accepted, nothing is rejected.
        except BaseException as error:
            veto = error if isinstance(error, Vetoed) else self._as_veto(failure_of(error))
            if candidate.requested and self._veto_backoff.delay:
                delay = self._veto_backoff.delay  # a try that reload() asked for does not lengthen the pause
            else:
                delay = self._veto_backoff.next()
            text = f"{veto.by}: {self._core.redactor.describe(veto.reason)}"
            self._core.reject(Rejected(veto.reason, veto.by), text, f"; trying again in {delay:g} s")
            self._retry_at = time.monotonic() + delay
        finally:
            self._candidate = None
            candidate.done.set()
        self._answer_after(candidate)
        if self._retry_at is not None:
            self._watcher.wake_and_reread()  # `run` waits for a later moment, or somebody has asked meanwhile

    def _answer_after(self, candidate: _Candidate) -> None:
        """Answer the callers of ``reload()`` for whom the end of this transaction decides.

        A rejection answers only those whose content was tried after they asked; a success also answers those who asked
        while it was tried, if the files were checked since.
        """
        # If it was cancelled, the candidate in its place answers. If a layer is being written, a later check does.
        if candidate.scope.cancel_called or self._watcher.reader.writing():
            return
        rejected = self._retry_at is not None
        answered = [each for each in self._requests if each.tried or (each.checked and not rejected)]
        self._answer(answered, self._core.rejection)

    def _as_veto(self, error: BaseException) -> Vetoed:
        """Treat an unexpected exception like a veto, so that the same content is tried again."""
        logger.error("making new settings live failed:\n%s", self._core.redactor.trace(error))
        return Vetoed("hotsettings", self._core.redactor.redacted(error))

    def _accept(self, loaded: Loaded, keys: frozenset[str]) -> None:
        self._core.accept(loaded, keys)
        self._watcher.reader.accepted()

    def _answer(self, requests: Sequence[_Request], rejection: Rejected | None) -> None:
        for request in requests:
            request.rejection = rejection
            request.answered.set()
        self._requests = [request for request in self._requests if not request.answered.is_set()]

    def _warn_of_mounts(self) -> None:
        for target in single_file_mounts(self._watcher.reader.targets):
            logger.warning(
                "%s is a mount of a single file: edits that replace the file outside never arrive; %s", target, ADVICE
            )

    def _warn_of_stale(self) -> None:
        stale, targets = self._watcher.reader.stale_mounts, self._watcher.reader.targets
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


def _origins(watcher: Watcher) -> list[Origin]:
    return [Origin(layer.name, layer.file) for layer in watcher.reader.statuses()]


def _never_still(origins: Sequence[Origin], writing: Collection[str], waited: float) -> LayerError:
    message = f"it was written to without a pause for {waited:.0f} s, so it is not known to be complete"
    return LayerError(
        [
            Problem("", message, origin, "write a new file, and rename it over this one", "still-written")
            for origin in origins
            if origin.layer in writing or not writing
        ]
    )


def _warn_at_first(layers: Sequence[str]) -> None:
    logger.warning("the first check has not returned for over %g s: layer %s", PATIENCE, ", ".join(layers))
