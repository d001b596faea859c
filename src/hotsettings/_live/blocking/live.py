"""The live object of programs without an event loop."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack, asynccontextmanager, suppress
from functools import wraps
from typing import Any, Generic, Literal, NoReturn, Protocol, TypeVar, overload
from weakref import WeakSet

import anyio

from ..._boundary import without_frames
from ..._concurrency.loop_calls import thread_context
from ..._concurrency.loop_thread import Ended, LoopThread
from ..._concurrency.worker_thread import Workers
from ..._layers.status import PATIENCE
from ..._loading.explain import Explanation
from ..._log import name_of
from ..callbacks import Handle
from ..core import Core, CurrentSlot
from ..following import Following
from ..live import Live
from ..registering import registering
from ..signals import Bursts, checked_signal, received
from ..snapshot import Change, Snapshot
from ..statistics import Described, Statistics
from ..status import Status
from .functions import InOneThread, in_threads
from .iterators import BlockingChanges, BlockingEvents
from .resource import BlockingResource, BlockingResourceBlock

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])

_CALLS_AT_ONCE = 40
"""Callbacks and hooks that run at the same time; one that takes over 2 seconds no longer counts."""


class Follow(Protocol):
    """Follows the layers in an event loop: `following` with all but these arguments."""

    def __call__(
        self, *, before: Core[Any] | None, in_fork: Callable[[Core[Any]], None]
    ) -> AbstractAsyncContextManager[Following]: ...


class BlockingHandle:
    """A registered callback or hook. ``failures`` counts how often a callback has raised."""

    def __init__(self, live: BlockingLive[Any], register: Callable[[Live[Any], Workers], Handle]) -> None:
        self._live = live
        self._register = register
        self._inner: Handle

    def __dir__(self) -> list[str]:
        return ["cancel", "failures", *(name for name in object.__dir__(self) if name.startswith("_"))]

    @property
    def failures(self) -> int:
        """How often it has raised."""
        return self._inner.failures

    def cancel(self) -> None:
        """End it: it is not called again. Nobody waits for a call under way any more, but it goes on."""
        self._live.handles.pop(self, None)
        with suppress(Ended):
            self._live.ask(lambda _: self._inner.cancel())

    def register(self, live: Live[Any], workers: Workers) -> None:
        """Register with the live object in the event loop. Called there."""
        self._inner = self._register(live, workers)


class BlockingLive(CurrentSlot[S], Generic[S]):
    """The running object that holds the current snapshot and notifies subscribers, for programs without an event loop.

    All members may be called from any thread. What it does happens in one background thread; callbacks, hooks and builds run in threads
    of their own, and may block. Keys are exact (``db.port``), tables (``db``) or globs (``KAFKA_*``); none at all means every
    key. A pattern that matches no key raises ValueError.

    A process that is forked goes on following by itself: in a new thread, with the same subscribers. Resources are
    built anew there at their first use.

    Attributes:
        current: The newest settings. A plain slot, so reading it costs one attribute load.
    """

    __module__ = "hotsettings"

    __slots__ = (
        "__weakref__",
        "_bursts",
        "_context",
        "_core",
        "_dead",
        "_follow",
        "_follow_forks",
        "_iterators",
        "_on_stop",
        "_workers",
        "handles",
        "inner",
        "resources",
        "thread",
    )

    def __init__(self, follow: Follow, reload_signal: int | None, *, follow_forks: bool) -> None:
        self._follow = follow
        self._follow_forks = follow_forks
        self._context = thread_context()
        self._on_stop = ExitStack()
        self._dead: str | None = None
        self._iterators: WeakSet[BlockingChanges[S] | BlockingEvents] = WeakSet()
        self.handles: dict[BlockingHandle, None] = {}
        self.resources: dict[BlockingResource[Any], None] = {}
        self.inner: Live[S]
        self.thread: LoopThread[Following]
        self._bursts: Bursts | None = None
        number = None if reload_signal is None else checked_signal(reload_signal)
        self._begin(None)
        try:
            self.thread.wait_until_entered()
            if number is not None:
                self.ask(self._answer_bursts)
                self._on_stop.enter_context(received(number, self._call_soon, self._signalled))
        except BaseException:  # Ctrl-C, or what entering it raises
            self.thread.begin_to_stop()
            raise

    def __repr__(self) -> str:
        return f"BlockingLive({self.snapshot!r})"

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if name in _SHOWN or name.startswith("__")]

    def __aenter__(self) -> NoReturn:
        raise TypeError(
            "this is a blocking watch that runs already; with an event loop, use `async with Settings.watch()`"
        )

    __aexit__ = __aenter__  # or Python says that it is missing

    def _begin(self, before: Core[S] | None) -> None:
        self.thread = LoopThread(
            "hotsettings", self._held(before), self._context.copy(), self._entered, self._still_open
        )
        self.thread.start()

    @asynccontextmanager
    async def _held(self, before: Core[S] | None) -> AsyncGenerator[Following, None]:
        """Follow, and at the end leave the resources, which nobody could cancel in their threads."""
        async with self._follow(before=before, in_fork=self._forked) as following:
            try:
                yield following
            finally:
                following.core.close()
                await following.core.resources.end_all()

    def _still_open(self) -> list[str]:
        return [f"resource {resource.name}" for resource in list(self.resources) if resource.is_open]

    def _entered(self, following: Following) -> None:
        """Take over what follows the layers now. Called in the event loop, before anybody uses it."""
        self.inner, self._core = following
        live = self.inner
        self._workers = Workers("hotsettings: call", _CALLS_AT_ONCE, PATIENCE)
        self.current = live.current
        self._core.keep_current(self)
        for handle in self.handles:
            handle.register(live, self._workers)
        for iterator in list(self._iterators):
            iterator.go_on(self._core)
        if self._bursts is not None:
            self._answer_bursts(live)

    def _answer_bursts(self, live: Live[S]) -> None:
        self._bursts = Bursts()
        self._core.tasks.start_soon(self._bursts.answer, live.reload)

    def _call_soon(self, function: Callable[[], object]) -> None:
        self.thread.call_soon(function)  # the one of this process

    def _signalled(self) -> None:
        assert self._bursts is not None
        self._bursts.receive()

    def stop(self) -> None:
        """End the watching. Returns when everything is closed: iterators end, resources are drained and left.

        Raises what is no Exception and was raised by a callback, such as SystemExit. Does nothing if it has ended.
        """
        self._on_stop.close()
        if self._dead is None:
            self.thread.stop()
            self._workers.close()
            self.thread.raise_failure()

    def call(self, work: Callable[[], Awaitable[R]]) -> R:
        """Run an async function in the event loop. Raises Ended when the watching has ended."""
        if self._dead is not None:
            raise RuntimeError(self._dead)
        return self.thread.call(work)

    def ask(self, function: Callable[[Live[S]], R]) -> R:
        """Call a function with the live object of the event loop, in it."""

        async def ask() -> R:
            return function(self.inner)

        return self.call(ask)

    @property
    def snapshot(self) -> Snapshot[S]:
        """The newest snapshot, of which ``current`` are the settings."""
        return self.inner.snapshot

    @property
    def status(self) -> Status:
        """Generation, health, the last error, what waits for a restart."""
        if self._dead is None and not self.thread.is_current:
            with suppress(Ended):
                return self.ask(lambda live: live.status)
        return self.inner.status

    def changes(self, *keys: str, timeout: float | None = None) -> BlockingChanges[S]:
        """Iterate over changes of these keys, newest state only, from this call on. It ends with the watching.

        Args:
            keys: Names or patterns of keys; none at all means every key.
            timeout: Seconds without a change, after which the iterator raises TimeoutError. It can be asked again:
                nothing is lost.
        """
        seconds = _seconds(timeout)
        try:
            inner = self.ask(lambda live: live.changes(*keys))
        except Ended:
            inner = self._core.subscribers.changes(None)  # which has ended
        changes: BlockingChanges[S] = BlockingChanges(self, inner, seconds)
        self._iterators.add(changes)
        return changes

    def events(self, *, timeout: float | None = None) -> BlockingEvents:
        """Iterate over every Applied and Rejection from this call on, for the record. ``timeout`` as in ``changes``."""
        seconds = _seconds(timeout)
        try:
            inner = self.ask(lambda live: live.events())
        except Ended:
            inner = self._core.events.read()  # which has ended
        events = BlockingEvents(self, inner, seconds)
        self._iterators.add(events)
        return events

    @overload
    def on_change(self, callback: Callable[[Change[S]], object], /, *keys: str) -> BlockingHandle: ...

    @overload
    def on_change(self, *keys: str) -> Callable[[F], F]: ...

    def on_change(self, *arguments: Any) -> Any:
        """Call back, in a thread, after changes of these keys. A slow one gets the newest change only.

        ``live.on_change(callback, "KAFKA_*")`` returns a handle whose ``cancel()`` ends it. ``@live.on_change("KAFKA_*")`` above a
        function returns that function.

        What it raises is logged and counted; what is no Exception (``SystemExit``) is raised again by ``stop`` or where
        the block ends. It runs in a copy of the context in which ``watch`` was entered.
        """

        def register(callback: Callable[[Change[S]], object], keys: tuple[str, ...]) -> BlockingHandle:
            return self._registered(
                lambda live, workers: live.on_change(in_threads(workers, "on_change", callback), *keys)
            )

        return registering("on_change", register, arguments)

    @overload
    def prepare(self, hook: Callable[[Change[S]], None], /, *keys: str) -> BlockingHandle: ...

    @overload
    def prepare(self, *keys: str) -> Callable[[F], F]: ...

    def prepare(self, *arguments: Any) -> Any:
        """Ask ``hook``, in a thread, before a change of these keys goes live: ``change.new`` is the candidate.

        ``live.prepare(hook, "KAFKA_*")`` returns a handle whose ``cancel()`` ends it. ``@live.prepare("KAFKA_*")`` above a function
        returns that function.

        Raising vetoes the reload, and so does taking longer than ``prepare_timeout``; the message is the reason. A hook that has
        taken longer goes on in its thread, and vetoes further reloads until it has returned. What is vetoed is tried
        again, after 1 to 60 seconds. A hook returns None: anything else, such as False, is a mistake that the log tells,
        and no veto.
        """

        def register(hook: Callable[[Change[S]], object], keys: tuple[str, ...]) -> BlockingHandle:
            return self._registered(lambda live, workers: live.prepare(in_threads(workers, "prepare", hook), *keys))

        return registering("prepare", register, arguments)

    def _registered(self, register: Callable[[Live[S], Workers], Handle]) -> BlockingHandle:
        handle = BlockingHandle(self, register)
        self.ask(lambda live: handle.register(live, self._workers))
        self.handles[handle] = None
        return handle

    def resource(
        self,
        build: Callable[[S], AbstractContextManager[T]],
        *keys: str,
        replace: Literal["overlap", "exclusive"] = "overlap",
        drain_timeout: float = 30.0,
        jitter: float = 0.0,
    ) -> AbstractContextManager[BlockingResource[T]]:
        """Hold what ``build(settings)`` makes, and replace it whenever one of these keys changes.

        The first build raises here what it raises. If a later one fails, the reload is rejected. Each instance has a thread, in which
        ``build`` is called and its context manager is entered and left. A build that takes longer than ``prepare_timeout``
        rejects the reload; if it comes late, it is left again in its thread.

        In a forked process an instance is built at the first use. An exclusive resource raises ResourceDown there, since it
        cannot exist twice.

        Args:
            build: Returns a context manager for these settings.
            keys: Names or patterns of keys; none at all means every key.
            replace: "overlap" builds the new instance beside the old one, and closes the old one when its leases have ended.
                "exclusive" drains and closes the old instance first, for what cannot exist twice.
            drain_timeout: Seconds after which the old instance is closed even if leases are still held.
            jitter: A reload waits for a random part of so many seconds before it replaces the instance, so that processes
                which follow the same files do not all do so at once. Nothing changes until then.

        Raises:
            ValueError: A pattern matches no key, or an option is wrong.
        """
        name = name_of(build)

        @wraps(build)
        def built(settings: S) -> AbstractAsyncContextManager[T]:
            return InOneThread(name, lambda: build(settings))

        def block(live: Live[Any]) -> AbstractAsyncContextManager[Any]:
            return live.resource(built, *keys, replace=replace, drain_timeout=drain_timeout, jitter=jitter)

        self.ask(block)  # refuses what is wrong here, and not where the block is entered
        return BlockingResourceBlock(self, BlockingResource(self, name, block, exclusive=replace == "exclusive"))

    @without_frames
    def reload(self, timeout: float | None = None) -> Change[S] | None:
        """Wait until the writers have finished, check the layers, and apply what they say.

        Returns what has changed since the call, or None. An edit that a hook has vetoed is tried again at once. All callers who
        come while an attempt is running share the next one.

        Args:
            timeout: Give up after so many seconds. None waits for as long as it takes, such as for a writer to close its file.

        Raises:
            Rejected: The new state cannot go live.
            TimeoutError: It takes longer than ``timeout``. The message says what it waits for.
            RuntimeError: A hook or a build has called this, and would wait for itself.
        """
        with suppress(Ended):
            return self.call(lambda: self.inner.reload(timeout))
        return None

    def wait_applied(self, generation: int | None = None, timeout: float | None = None) -> None:
        """Return when every subscriber has finished with that generation (the newest by default).

        It waits for subscribers, not for files. Immediately after an edit, the newest generation is still the old one: wait for
        the edit with ``reload()``.

        Raises:
            TimeoutError: It takes longer than ``timeout`` seconds.
            RuntimeError: A hook or a build waits for what can only come after it.
        """
        seconds = _seconds(timeout)

        async def wait() -> None:
            with anyio.move_on_after(seconds) as scope:
                await self.inner.wait_applied(generation)
            if scope.cancelled_caught:
                raise TimeoutError(f"not every subscriber has finished within {seconds:g} s")

        with suppress(Ended):
            self.call(wait)

    @without_frames
    def explain(self, key: str) -> Explanation:
        """Every layer's value for a key, the winner first. Raises ValueError for an unknown key."""
        return self.inner.explain(key)

    @without_frames
    def describe(self) -> tuple[Described, ...]:
        """Every setting as it may be shown, in the order of the class: value, origin, default, what waits for a restart."""
        return self.inner.describe()

    def statistics(self) -> Statistics:
        """Counts for metrics."""
        return self.inner.statistics()

    def redact(self, text: str) -> str:
        """Mask every secret of these settings in a text, those of former settings too."""
        return self.inner.redact(text)

    def _forked(self, core: Core[S]) -> None:
        """Go on in a process that was forked from the one in which this runs. Called there, by the only thread."""
        self.thread.abandon()
        for resource in self.resources:
            resource.forked()
        if self._follow_forks:
            self._begin(core)
        else:
            core.leave_behind()
            self._dead = (
                f"this process ({os.getpid()}) was forked from the one that watches, with follow_forks=False: "
                "watch in this process anew"
            )


_SHOWN = {
    *("current", "snapshot", "status", "stop", "changes", "events", "on_change", "prepare", "resource", "reload"),
    *("wait_applied", "explain", "statistics"),
}


def _seconds(timeout: float | None) -> float | None:
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout must be 0 seconds or more, or None, not {timeout!r}")
    return timeout
