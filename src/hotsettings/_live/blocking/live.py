"""The live object of programs without an event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack, asynccontextmanager, suppress
from functools import wraps
from typing import Any, Generic, Literal, NoReturn, Protocol, TypeVar, overload
from weakref import WeakSet

import anyio

from ..._boundary import type_and_place, without_frames
from ..._concurrency.loop_calls import thread_context
from ..._concurrency.loop_thread import Ended, LoopThread
from ..._concurrency.worker_thread import Workers
from ..._layers.status import PATIENCE
from ..._log import logger, name_of
from ..callbacks import Handle
from ..core import Core
from ..following import Following
from ..live import Live, Readable
from ..registering import registering
from ..signals import Bursts, checked_signal, received
from ..snapshot import Change
from ..status import Status
from .functions import InOneThread, InThreads
from .iterators import BlockingChanges, BlockingEvents
from .resource import BlockingResource, BlockingResourceBlock

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])

_CALLS_AT_ONCE = 40
"""How many callbacks and hooks run at the same time. One that takes longer than ``PATIENCE`` no longer counts."""


class Follow(Protocol):
    """Follows the layers in an event loop: `following` with all but this argument."""

    def __call__(self, *, before: Core[Any] | None) -> AbstractAsyncContextManager[Following]: ...


class BlockingHandle:
    """A registered callback or hook. ``failures`` counts how often a callback has raised."""

    def __init__(self, live: BlockingLive[Any], inner: Handle) -> None:
        self._live = live
        self._inner = inner

    def __dir__(self) -> list[str]:
        return ["cancel", "failures", *(name for name in object.__dir__(self) if name.startswith("_"))]

    @property
    def failures(self) -> int:
        """How often it has raised."""
        return self._inner.failures

    def cancel(self) -> None:
        """End it: it is not called again. Nobody waits for a call under way any more, but it goes on."""
        with suppress(Ended):
            self._live.ask(lambda _: self._inner.cancel())


class BlockingLive(Readable[S], Generic[S]):
    """The running object that holds the current snapshot and notifies subscribers, for programs without an event loop.

    All members may be called from any thread. One background thread watches and reloads. Callbacks, hooks and builds
    run in threads of their own, and may block. Keys are exact (``db.port``), tables (``db``) or globs (``KAFKA_*``);
    none at all means every key. A pattern that matches no key raises ValueError.

    In a process that is forked, it goes on without being asked: in a new thread, with the same subscribers. Resources
    are rebuilt there at their first use.

    Attributes:
        current: The newest settings. A plain slot, so reading it costs one attribute load.
    """

    __module__ = "hotsettings"

    __slots__ = (
        "__weakref__",
        "_bursts",
        "_context",
        "_dead",
        "_follow",
        "_follow_forks",
        "_is_child",
        "_iterators",
        "_on_stop",
        "_signal",
        "_stopping",
        "_workers",
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
        self.resources: dict[BlockingResource[Any], None] = {}
        self.inner: Live[S]
        self.thread: LoopThread[Following]
        self._bursts: Bursts
        self._is_child = False
        self._stopping = False
        self._signal = None if reload_signal is None else checked_signal(reload_signal)
        self._begin(None)
        try:
            self.thread.wait_until_entered()
            if self._signal is not None:
                self._on_stop.enter_context(received(self._signal, self._call_soon, self._signalled))
        except BaseException:  # Ctrl-C, or what entering it raises
            self.thread.begin_to_stop()
            raise

    def __repr__(self) -> str:
        return f"BlockingLive({self.snapshot!r})" if hasattr(self, "_core") else "BlockingLive()"

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if name in _SHOWN or name.startswith("__")]

    def __aenter__(self) -> NoReturn:
        raise TypeError(
            "this is a blocking watch that runs already; with an event loop, use `async with Settings.watch()`"
        )

    __aexit__ = __aenter__  # or Python says that it is missing

    def __reduce__(self) -> NoReturn:
        raise TypeError("a live object cannot be sent to another process: watch there; its settings can be sent")

    def _begin(self, before: Core[S] | None) -> None:
        self.thread = LoopThread(
            "hotsettings",
            self._held(before),
            self._context.copy(),
            on_entered=self._entered,
            on_failure=self._failed,
            on_fork=self._forked,
            still_open=self._still_open,
        )
        self.thread.start()

    @asynccontextmanager
    async def _held(self, before: Core[S] | None) -> AsyncGenerator[Following, None]:
        """Follow, and at the end leave the resources, which nobody could cancel in their threads."""
        async with self._follow(before=before) as following:
            try:
                yield following
            finally:
                following.core.close()
                await following.core.resources.end_all()

    def _still_open(self) -> list[str]:
        return [f"resource {resource.name}" for resource in list(self.resources) if resource.is_open]

    def _entered(self, following: Following) -> None:
        """Take over a live object that has just begun to follow. Called in its event loop, before anybody uses it."""
        self.inner, self._core = following
        self._workers = Workers("hotsettings: call", _CALLS_AT_ONCE, PATIENCE)
        self.current = self.inner.current
        self._core.keep_current(self)
        if self._signal is not None:
            self._bursts = Bursts()
            self._core.tasks.start_soon(self._bursts.answer, self.inner.reload)

    def _call_soon(self, function: Callable[[], object]) -> None:
        self.thread.call_soon(function)  # looked up at each signal: after a fork it is another thread

    def _signalled(self) -> None:
        self._bursts.receive()

    def stop(self) -> None:
        """End the watching, and return when everything is closed: iterators end, resources are drained and closed.

        If a callback has raised what is no Exception, such as SystemExit, this raises it. A second call does nothing.
        """
        self._stopping = True
        self._on_stop.close()
        if self._dead is None:
            self.thread.stop()
            self._workers.close()
            self.thread.raise_failure()

    def call(self, work: Callable[[], Awaitable[R]]) -> R:
        """Run an async function in the event loop. Raises Ended when the watching has ended."""
        if self._dead is None:
            try:
                return self.thread.call(work)
            except Ended:
                if self._dead is None:
                    raise
        raise RuntimeError(self._dead)

    def ask(self, function: Callable[[Live[S]], R]) -> R:
        """Call a function in the event loop, with the live object that is there."""

        async def ask() -> R:
            return function(self.inner)

        return self.call(ask)

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
            timeout: Seconds without a change after which the iterator raises TimeoutError. Then you may go on with it:
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
            function = self._in_threads("on_change", callback)
            return BlockingHandle(self, self.ask(lambda live: live.on_change(function, *keys)))

        return registering("on_change", register, arguments)

    @overload
    def prepare(self, hook: Callable[[Change[S]], None], /, *keys: str) -> BlockingHandle: ...

    @overload
    def prepare(self, *keys: str) -> Callable[[F], F]: ...

    def prepare(self, *arguments: Any) -> Any:
        """Ask ``hook``, in a thread, before a change of these keys goes live: ``change.new`` is the candidate.

        ``live.prepare(hook, "KAFKA_*")`` returns a handle whose ``cancel()`` ends it. ``@live.prepare("KAFKA_*")`` above a function
        returns that function.

        Raising vetoes the reload, and so does taking longer than ``prepare_timeout``; the message is the reason. A hook
        that takes longer goes on in its thread, and vetoes further reloads until it has returned. What is vetoed is
        tried again, after 1 to 60 seconds. A hook returns None. Anything else, such as False, is no veto: the log warns
        of the mistake.
        """

        def register(hook: Callable[[Change[S]], object], keys: tuple[str, ...]) -> BlockingHandle:
            function = self._in_threads("prepare", hook)
            return BlockingHandle(self, self.ask(lambda live: live.prepare(function, *keys)))

        return registering("prepare", register, arguments)

    def _in_threads(self, call: str, function: Callable[[Change[S]], object]) -> InThreads:
        return InThreads(lambda: self._workers, call, function)

    def resource(
        self,
        build: Callable[[S], AbstractContextManager[T]],
        *keys: str,
        replace: Literal["overlap", "exclusive"] = "overlap",
        drain_timeout: float = 30.0,
        jitter: float = 0.0,
    ) -> AbstractContextManager[BlockingResource[T]]:
        """Hold what ``build(settings)`` makes, and replace it whenever one of these keys changes.

        What the first build raises is raised where the block begins. If a later one fails, the reload is rejected. Each
        instance has a thread of its own, which calls ``build``, and enters and leaves the context manager. A build that
        takes longer than ``prepare_timeout`` rejects the reload; when it succeeds later, its thread leaves it again.

        In a forked process, a new instance is built at the first use. An exclusive resource raises ResourceDown there,
        because it cannot exist twice.

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

        self.ask(block)  # raises here what is wrong with the arguments, and not where the block is entered
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

    def _forked(self) -> None:
        """Go on in a process that was forked from the one in which this runs. Called there, by the only thread."""
        if not hasattr(self, "_core"):  # another thread starts it, and nobody has it yet
            return
        core = self._core  # of the parent, until that of this process has begun
        self._is_child = True
        for owned in (*self.resources, *self._iterators):
            owned.forked()
        for handle in (*core.hooks, *core.callbacks.following):
            assert isinstance(handle.function, InThreads)
            if handle.function.forked():
                handle.drop()  # called here too, it would fork again, and so on
        if self._stopping:
            return
        if self._follow_forks:
            try:
                self._begin(core)
            except Exception as error:  # there is no thread or descriptor left
                self._failed(error)
        else:
            self._die("this process was forked from the one that watches, with follow_forks=False: watch in it anew")

    def _failed(self, failure: BaseException) -> None:
        """It has ended by itself. In the process where it was started, `start` raises the failure."""
        if self._is_child:
            self._die(f"following in this forked process has failed: {type_and_place(failure)}")
            logger.error("%s", self._dead)

    def _die(self, why: str) -> None:
        self._dead = why
        self._core.leave_behind(why)


_SHOWN = {
    *("current", "snapshot", "status", "stop", "changes", "events", "on_change", "prepare", "resource", "reload"),
    *("wait_applied", "explain", "statistics"),
}


def _seconds(timeout: float | None) -> float | None:
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout must be 0 seconds or more, or None, not {timeout!r}")
    return timeout
