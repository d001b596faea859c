"""Live: the current settings of a running process, for those who read them and those who follow changes."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Literal, Protocol, TypeVar, overload

from .._boundary import without_frames
from .._loading.explain import Explanation, explain
from .._schema.key_patterns import select
from .callbacks import Handle
from .changes import Changes
from .core import Core, CurrentSlot
from .events import Events
from .registering import registering
from .reload.resource_manager import ResourceManager
from .resource import Resource
from .snapshot import Change, Snapshot
from .statistics import Described, Statistics, describe
from .status import Status

S = TypeVar("S")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])


class Source(Protocol):
    """What makes snapshots go live."""

    def status(self) -> Status:
        """The health of the live object."""
        ...

    async def reload(self, timeout: float | None) -> None:  # noqa: ASYNC109 - the error names what is waited for
        """Wait until writers have finished, then check the files.

        Raises Rejected, or TimeoutError after so many seconds.
        """
        ...


class _ResourceBlock(AbstractAsyncContextManager[Resource[T]], Generic[T]):
    """The block of a resource. It is no generator, because an event loop that ends closes generators from outside."""

    def __init__(self, manager: ResourceManager[Any], resource: Resource[T]) -> None:
        self._manager = manager
        self._resource = resource
        self._entered = False

    async def __aenter__(self) -> Resource[T]:
        if self._entered:
            raise RuntimeError("this block has been entered already: call resource() again")
        self._entered = True
        await self._manager.begin(self._resource)
        return self._resource

    async def __aexit__(self, *_: object) -> None:
        if not self._entered:
            raise RuntimeError("this block has not been entered")
        await self._manager.end(self._resource)


class Readable(CurrentSlot[S], Generic[S]):
    """What can be read of a live object from any thread, with an event loop and without one."""

    __slots__ = ("_core",)

    _core: Core[S]

    @property
    def snapshot(self) -> Snapshot[S]:
        """The newest snapshot, of which ``current`` are the settings."""
        return self._core.snapshot

    @without_frames
    def explain(self, key: str) -> Explanation:
        """Every layer's value for a key, the winner first. Raises ValueError for an unknown key."""
        return explain(self._core.loaded, key)

    @without_frames
    def describe(self) -> tuple[Described, ...]:
        """Every setting as it may be shown, in the order of the class: value, origin, default, what waits for a restart."""
        return describe(self._core.loaded)

    def statistics(self) -> Statistics:
        """Counts for metrics. Call it from any thread."""
        return self._core.statistics()

    def redact(self, text: str) -> str:
        """Mask every secret of these settings in a text, those of former settings too."""
        return self._core.redactor.redact(text)


class Live(Readable[S], Generic[S]):
    """The running object that holds the current snapshot and notifies subscribers.

    Read ``current`` and ``snapshot`` from any thread, at any time. Use everything else on the event loop that it was made in. Keys
    are exact (``db.port``), tables (``db``) or globs (``KAFKA_*``); none at all means every key. A pattern that matches no key
    raises ValueError.

    Attributes:
        current: The newest settings. A plain slot, so reading it costs one attribute load.
    """

    __module__ = "hotsettings"

    __slots__ = ("__weakref__", "_source")

    def __init__(self, core: Core[S], source: Source) -> None:
        super().__init__(core.snapshot.settings)
        self._core = core
        self._source = source
        core.keep_current(self)

    def __repr__(self) -> str:
        return f"Live({self.snapshot!r})"

    def __dir__(self) -> list[str]:  # what only integrations need is no help to whoever completes a name
        return [name for name in object.__dir__(self) if name not in ("accompany", "describe", "redact")]

    @property
    def status(self) -> Status:
        """Generation, health, the last error, what waits for a restart."""
        return self._source.status()

    def changes(self, *keys: str) -> Changes[S]:
        """Iterate over changes of these keys, newest state only, from this call on.

        It ends when the block of ``watch`` ends. You may cancel ``anext``, such as by a timeout, and call it again:
        nothing is lost.
        """
        return self._core.subscribers.changes(self._keys("changes()", keys))

    @overload
    def on_change(self, callback: Callable[[Change[S]], Awaitable[object] | object], /, *keys: str) -> Handle: ...

    @overload
    def on_change(self, *keys: str) -> Callable[[F], F]: ...

    def on_change(self, *arguments: Any) -> Any:
        """Call back, sync or async, after changes of these keys. A slow one gets the newest change only.

        ``live.on_change(callback, "KAFKA_*")`` returns a handle whose ``cancel()`` ends it. ``@live.on_change("KAFKA_*")`` above a
        function returns that function.

        What it raises is logged and counted; what is no Exception (``SystemExit``) is raised again where the block of
        ``watch`` ends. A sync callback runs on the event loop and must not block it. It runs in a copy of the context in
        which ``watch`` was entered, which it keeps from call to call.
        """
        return registering("on_change", self._on_change, arguments)

    def _on_change(self, callback: Callable[[Change[S]], object], keys: tuple[str, ...]) -> Handle:
        chosen = self._keys("on_change()", keys)
        handle = Handle(callback, chosen, lambda _: None)
        self._core.callbacks.start(handle, self._core.subscribers.changes(chosen))
        return handle

    @overload
    def prepare(self, hook: Callable[[Change[S]], Awaitable[None] | None], /, *keys: str) -> Handle: ...

    @overload
    def prepare(self, *keys: str) -> Callable[[F], F]: ...

    def prepare(self, *arguments: Any) -> Any:
        """Ask ``hook`` before a change of these keys goes live: ``change.new`` is the candidate.

        ``live.prepare(hook, "KAFKA_*")`` returns a handle whose ``cancel()`` ends it. ``@live.prepare("KAFKA_*")`` above a function
        returns that function.

        Raising vetoes the reload, and so does taking longer than ``prepare_timeout``; the message is the reason. What is
        vetoed is tried again, after 1 to 60 seconds. A hook returns None. Anything else, such as False, is no veto: the
        log warns of the mistake. The hook is not asked about the settings that are live already. It runs in a copy of
        the context in which ``watch`` was entered.
        """
        return registering("prepare", self._prepare, arguments)

    def _prepare(self, hook: Callable[[Change[S]], object], keys: tuple[str, ...]) -> Handle:
        hooks = self._core.hooks
        handle = Handle(hook, self._keys("prepare()", keys), lambda handle: hooks.pop(handle, None))
        hooks[handle] = None
        return handle

    def resource(
        self,
        build: Callable[[S], AbstractAsyncContextManager[T]],
        *keys: str,
        replace: Literal["overlap", "exclusive"] = "overlap",
        drain_timeout: float = 30.0,
        jitter: float = 0.0,
    ) -> AbstractAsyncContextManager[Resource[T]]:
        """Hold what ``build(settings)`` makes, and replace it whenever one of these keys changes.

        What the first build raises is raised where the block begins. If a later one fails, the reload is rejected. If
        the context manager of an instance raises while it is held, the instance is rebuilt: at once if it has lasted
        for a minute, else after 1 to 60 seconds. The delay doubles as long as instances fail sooner than that. Every
        build runs in a copy of the context in which ``watch`` was entered.

        Args:
            build: Returns an async context manager for these settings.
            keys: Names or patterns of keys; none at all means every key.
            replace: "overlap" builds the new instance beside the old one, and closes the old one when its leases have ended.
                "exclusive" drains and closes the old instance first, for what cannot exist twice.
            drain_timeout: Seconds after which the old instance is closed even if leases are still held.
            jitter: A reload waits for a random part of so many seconds before it replaces the instance, so that processes
                which follow the same files do not all do so at once. Nothing changes until then.

        Raises:
            ValueError: A pattern matches no key, or an option is wrong.
        """
        if replace not in ("overlap", "exclusive"):
            raise ValueError(f"replace must be 'overlap' or 'exclusive', not {replace!r}")
        if not 0 <= jitter < math.inf:
            raise ValueError(f"jitter must be 0 seconds or more, and finite, not {jitter!r}")
        resource: Resource[T] = Resource(
            build, self._keys("resource()", keys), replace == "exclusive", drain_timeout, jitter
        )
        return _ResourceBlock(self._core.resources, resource)

    def events(self) -> Events:
        """Iterate over every Applied and Rejection from this call on, for the record."""
        self._core.refuse_elsewhere("events()")
        return self._core.events.read()

    async def reload(self, timeout: float | None = None) -> Change[S] | None:  # noqa: ASYNC109 - as above
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
        self._core.refuse_elsewhere("reload()")
        self._core.holdups.refuse_inside("reload()", "which it would wait for")
        before = self.snapshot
        await self._source.reload(timeout)
        if self.snapshot is before:
            return None
        change = self._core.subscribers.change_since(before)
        return change if change.keys else None

    async def wait_applied(self, generation: int | None = None) -> None:
        """Return when every subscriber has finished with that generation (the newest by default).

        It waits for subscribers, not for files. Immediately after an edit, the newest generation is still the old one: wait for
        the edit with ``reload()``.

        A callback has finished when it has returned, an iterator when its next change is asked for, and a resource when it has
        swapped. Iterators that were closed, cancelled or collected do not count. If you call this inside the loop of an
        iterator, that iterator does not count either.

        Raises:
            RuntimeError: A hook or a build waits for what can only come after it.
        """
        core = self._core
        core.refuse_elsewhere("wait_applied()")
        if (generation or 0) > self.snapshot.generation or any(resource.outdated for resource in core.resources.all):
            core.holdups.refuse_inside("wait_applied()", "which has to return before that can be applied")
        await core.subscribers.barrier.wait(generation)
        for resource in list(core.resources.all):
            await resource.caught_up()

    def accompany(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run an async function beside this live object; at the end of the block it is cancelled.

        What it raises is logged, and counted with the failures of callbacks.
        """
        self._core.callbacks.accompany(work)

    def _keys(self, call: str, patterns: tuple[str, ...]) -> frozenset[str] | None:
        self._core.refuse_elsewhere(call)
        return select(self._core.schema.followed, patterns) if patterns else None
