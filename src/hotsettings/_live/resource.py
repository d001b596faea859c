"""What is made from settings and replaced when they change: connections, consumers, pools.

Each instance lives in a task of its own, which enters and leaves the context manager that its build returned.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context, ContextVar
from typing import Any, Generic, TypeVar, cast

import anyio

from .._concurrency.backoff import Backoff
from .._concurrency.tasks import Tasks, failure_of, until
from .._log import name_of
from ..errors import SettingsError

T = TypeVar("T")
Build = Callable[[Any], AbstractAsyncContextManager[T]]
OnEnd = Callable[["Instance[Any]", BaseException | None], None]


class ResourceDown(SettingsError):
    """Raised while a resource has no open instance.

    An exclusive resource is being replaced, or a rebuild has failed, or the block of the resource or of ``watch`` has
    been left.
    """

    __module__ = "hotsettings"


class Instance(Generic[T]):
    """One T, open from when its build has entered it until it is closed. ``leases`` counts who is using it."""

    def __init__(self) -> None:
        self.value: T
        self.needs: dict[Resource[Any], Instance[Any]] = {}
        """Instances of other resources that its build used. When one of them is replaced, this one is rebuilt."""
        self.leases = 0
        self.retired = False
        """It is being closed, or will be."""
        self.failure: BaseException | None = None
        """What its build or its context manager has raised."""
        self._opened_at: float | None = None
        self._built = anyio.Event()
        self._scope = anyio.CancelScope()
        self._retire = anyio.Event()
        self._released = anyio.Event()
        self._ended = anyio.Event()

    async def host(self, build: Build[T], settings: Any, on_end: OnEnd) -> None:
        """Enter what ``build`` returns, keep it open, leave it.

        ``on_end`` is called if nobody has closed it and it ends, or if it raises while it is left.

        Whatever the context manager raises is kept in ``failure``, because raised here it would end all tasks of the
        group.
        """
        try:
            with self._scope:
                async with _opened(build, settings) as self.value:
                    self._opened_at = time.monotonic()
                    self._built.set()
                    if not self._retire.is_set():  # if it is, it was given up during the build, and is left at once
                        await self._retire.wait()
        except BaseException as error:
            self.failure = failure_of(error)
        finally:
            self._ended.set()
            self._built.set()
        if self._opened_at is not None and (self.failure is not None or not self.retired):
            on_end(self, self.failure)

    async def built(self, within: float) -> None:
        """Wait until it is open. Raises what the build raised, or what has ended it since.

        If this is cancelled, the build is cancelled; an instance that is open already gets ``within`` seconds to close.
        """
        try:
            await self._built.wait()
        except BaseException:
            await self.close(0.0 if self._opened_at is None else within)
            raise
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        if self.ended:
            raise ResourceDown(
                "it ended as soon as it was built" if self._opened_at is not None else "the watching has ended"
            )

    @property
    def seconds_open(self) -> float:
        """Seconds since its build succeeded; 0 before that."""
        return 0.0 if self._opened_at is None else time.monotonic() - self._opened_at

    def release(self) -> None:
        """End a lease."""
        self.leases -= 1
        if not self.leases:
            self._released.set()

    async def drain(self, within: float) -> bool:
        """Wait until no lease is left, at most ``within`` seconds; return whether that is so."""
        with anyio.move_on_after(within):
            while self.leases:
                if self._released.is_set():  # several may wait for the same one
                    self._released = anyio.Event()
                await self._released.wait()
        return not self.leases

    async def close(self, within: float) -> bool:
        """Leave the context manager; cancel it if that takes longer than ``within`` seconds, and return False then.

        Shielded: when this returns or is cancelled, the context manager has been left.
        """
        in_time = True

        def late() -> None:
            nonlocal in_time
            in_time = False
            self._scope.cancel()

        self.retired = True
        self._retire.set()
        await until(self._ended, within, late)
        return in_time

    @property
    def ended(self) -> bool:
        """Whether the context manager has been left."""
        return self._ended.is_set()

    async def wait_until_ended(self, *, shielded: bool = True) -> None:
        """Wait until the context manager has been left."""
        if shielded:
            await until(self._ended)
        else:
            await self._ended.wait()


def _opened(build: Build[T], settings: Any) -> AbstractAsyncContextManager[T]:
    made: Any = build(settings)
    if hasattr(type(made), "__aenter__"):
        return cast("AbstractAsyncContextManager[T]", made)
    if inspect.iscoroutine(made):
        made.close()  # or Python warns of one that was never awaited
    raise TypeError(
        f"{name_of(build)} must return an async context manager, not {type(made).__name__}; "
        "decorate it with contextlib.asynccontextmanager"
    )


class Building:
    """A build under way, and the instances that its transaction has already built."""

    def __init__(
        self, resource: Resource[Any], instance: Instance[Any], candidates: dict[Resource[Any], Instance[Any]]
    ) -> None:
        self.resource = resource
        self.instance = instance
        self.candidates = candidates
        self.active = True


_building: ContextVar[Building | None] = ContextVar("_building", default=None)


class Resource(Generic[T]):
    """A T that follows the settings.

    ``current`` is the newest T, for a use that does not wait in between; ``async with lease() as t`` keeps the T open until
    the lease ends, even when it has been replaced meanwhile.
    """

    __module__ = "hotsettings"

    def __init__(
        self, build: Build[T], keys: frozenset[str] | None, exclusive: bool, drain_timeout: float, jitter: float
    ) -> None:
        self.build = build
        self.name = name_of(build)
        self.keys = keys
        self.exclusive = exclusive
        self.drain_timeout = drain_timeout
        self.jitter = jitter
        self.instance: Instance[T] | None = None
        self.settings: Any = None
        self.needs: frozenset[Resource[Any]] = frozenset()
        """Resources that the build of the last instance used."""
        self.backoff = Backoff()
        """How long to wait before it is rebuilt after a failure."""
        self.retiring: set[Instance[T]] = set()
        """Instances that have been replaced and are not closed yet."""
        self.new_leases_wait = False
        """The instance is about to be closed, or its successor is not built yet."""
        self.failed = False
        """There is no instance, because building one has failed."""
        self.outdated = False
        """The instance was built for older settings, or from another instance that has been replaced since."""
        self.repairing = False
        """A task rebuilds it, or waits for the next attempt."""
        self.closed = False
        """The block of the resource has been left."""
        self.ending = False
        """The live object is closing: no further instance is built."""
        self._changed = anyio.Event()

    def __repr__(self) -> str:
        return f"Resource({self.name})"

    def __dir__(self) -> list[str]:
        return ["current", "lease", *(name for name in object.__dir__(self) if name.startswith("_"))]

    @property
    def current(self) -> T:
        """The newest T. Raises ResourceDown while there is none."""
        instance = self._visible()
        if instance is None or (self.ending and instance.ended):
            raise ResourceDown(f"no instance of {self.name} stands")
        return instance.value

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[T, None]:
        """Keep the newest T open for the length of a block; wait while it is being replaced.

        Raises ResourceDown if there is none and building one has failed.
        """
        while (
            (instance := self._visible()) is None
            or (self.new_leases_wait and instance is self.instance)
            or (self.ending and instance.ended)
        ):
            if self.failed or self.closed or self.ending:
                raise ResourceDown(f"no instance of {self.name} stands")
            await self._changed.wait()
        instance.leases += 1
        try:
            yield instance.value
        finally:
            instance.release()

    def _visible(self) -> Instance[T] | None:
        """Return the instance to use. Inside of a build, it is the one that the transaction has built, if it has.

        That the build uses it is noted in ``needs``.
        """
        building = _building.get()
        if building is None or not building.active or building.resource is self:
            return self.instance
        instance = building.candidates.get(self, self.instance)
        if instance is not None:
            building.instance.needs[self] = instance
        return instance

    def called_from_within(self) -> bool:
        """Whether an instance of this resource has called the current code. Then it may end only after this code."""
        building = _building.get()
        return building is not None and building.resource is self

    def concerned(self, keys: frozenset[str]) -> bool:
        """Whether a change of these keys replaces it."""
        return self.keys is None or not self.keys.isdisjoint(keys)

    async def start(
        self,
        settings: Any,
        tasks: Tasks,
        context: Context,
        on_end: OnEnd,
        candidates: dict[Resource[Any], Instance[Any]],
    ) -> Instance[T]:
        """Build an instance for these settings, in this context. Raises what the build raises."""
        instance: Instance[T] = Instance()
        building = Building(self, instance, candidates)
        context.run(_building.set, building)
        try:
            tasks.start_soon(instance.host, self.build, settings, on_end, context=context)
            await instance.built(self.drain_timeout)
        finally:
            building.active = False
        return instance

    def put_in_place(self, instance: Instance[T] | None, settings: Any, *, failed: bool = False) -> Instance[T] | None:
        """Make an instance the one to use (None: there is none), and let waiting leases go on.

        Returns the instance to close now, if any: the one before, or the new one itself if the block has been left
        meanwhile.
        """
        if self.closed and instance is not None:
            return instance
        before, self.instance, self.settings = self.instance, instance, settings
        self.new_leases_wait, self.failed = False, failed
        if instance is not None:
            self.needs = frozenset(instance.needs)
        self.outdated = self.outdated and instance is None and not self.closed
        self.wake()
        return before

    def wake(self) -> None:
        """Wake everybody who waits for a change of the state above."""
        before, self._changed = self._changed, anyio.Event()
        before.set()

    async def changed(self) -> None:
        """Wait until the instance is replaced or outdated, or the live object closes."""
        await self._changed.wait()

    async def caught_up(self) -> None:
        """Wait until the instance is not outdated."""
        while self.outdated:
            await self._changed.wait()
