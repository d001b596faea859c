"""Builds, replaces, repairs and retires the resources of a live object."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import anyio

from ..._concurrency.tasks import Tasks, sheltered
from ..._log import logger
from ..._redaction import Redactor
from ..holdups import Holdup, Holdups
from ..resource import Instance, Resource, ResourceDown
from ..snapshot import Snapshot, changed_keys

S = TypeVar("S")
Candidates = dict[Resource[Any], Instance[Any]]

_draw = random.SystemRandom().uniform  # of another generator, processes that fork or seed alike would draw the same


class ResourceManager(Generic[S]):
    """The resources of one live object. Those that others were built from come before these.

    What is done to a resource:

    - *begin*: build the first instance. *end*: retire the last one, where the block of the resource ends.
    - *replace*: put a new instance in place, and retire the old one.
    - *take down*: retire the instance of an exclusive resource before the next one is built.
    - *restore*: build exclusive resources again for the settings that they had, since their replacement has failed.
    - *outdate*: note that the instance was built for old settings, or from an instance that has been replaced since.
    - *repair*: *renew* a resource that is outdated or has no instance, and try again until that succeeds.
    - *renew*: build an instance for the newest settings, and replace the old one if there is any.

    What is done to an instance:

    - *build*: enter its context manager, within ``prepare_timeout`` unless it is the first one.
    - *close*: leave its context manager, whoever holds leases.
    - *retire*: close it when its leases have ended, or after the drain timeout.
    """

    def __init__(
        self,
        tasks: Tasks,
        holdups: Holdups,
        redactor: Redactor,
        prepare_timeout: float,
        newest: Callable[[], Snapshot[S]],
    ) -> None:
        self._tasks = tasks
        self._holdups = holdups
        self._redactor = redactor
        self._timeout = prepare_timeout
        self._newest = newest
        self.all: list[Resource[Any]] = []
        self.lock = anyio.Lock()
        """Held by whoever replaces resources."""
        self.rebuilds = 0
        """How often a resource got another instance."""
        self.closing = False

    async def begin(self, resource: Resource[Any]) -> None:
        """Build a resource for the newest settings, and replace it from now on when they change."""
        while resource.instance is None:
            snapshot = self._newest()
            instance = await self._build(resource, snapshot.settings, {})
            if (now := self._newest()) is snapshot or not resource.concerned(_keys_since(snapshot, now)):
                if resource.put_in_place(instance, now.settings) is instance:
                    await instance.close(resource.drain_timeout)
                    raise ResourceDown(f"the block of {resource.name} was left before it had begun")
            else:  # the settings changed meanwhile
                await instance.close(resource.drain_timeout)
        resource.ending = self.closing
        self.all.append(resource)

    async def end(self, resource: Resource[Any]) -> None:
        """Retire a resource, and wait until all of its instances are closed.

        Shielded, unless an instance of it has called this, which could otherwise not be cancelled.
        """
        resource.closed = True
        if resource in self.all:
            self.all.remove(resource)
            last = resource.put_in_place(None, resource.settings)
            if last is not None and not last.ended:
                self._start_to_retire(resource, last)
        for before in list(resource.retiring):
            await before.wait_until_ended(shielded=not resource.called_from_within())

    async def end_all(self) -> None:
        """Retire all resources side by side, each when those that were built from it have ended."""
        ended = {resource: anyio.Event() for resource in self.all}

        async def end(resource: Resource[Any]) -> None:
            for other, event in ended.items():
                if resource in other.needs:
                    await event.wait()
            await self.end(resource)
            ended[resource].set()

        async with anyio.create_task_group() as group:
            for resource in ended:
                group.start_soon(end, resource)

    def stop(self) -> None:
        """Rebuild nothing any more: the live object closes."""
        self.closing = True
        for resource in self.all:
            resource.ending = True
            resource.wake()

    async def build(self, resource: Resource[Any], settings: Any, candidates: Candidates) -> Instance[Any]:
        """Build an instance within ``prepare_timeout``. Call it in tasks of the library only."""
        holdup = self._holdups.begin("build", resource.name)
        return await holdup.within(self._timeout, partial(self._build, resource, settings, candidates, holdup))

    async def _build(
        self, resource: Resource[Any], settings: Any, candidates: Candidates, holdup: Holdup | None = None
    ) -> Instance[Any]:
        """Build an instance for these settings. If it ends while it is in use, the resource is repaired."""

        def on_end(instance: Instance[Any], failure: BaseException | None) -> None:
            if failure is not None:
                why = self._redactor.trace(self._tasks.failure_keeping_ctrl_c(failure))
            else:
                why = "its context manager ended by itself"
            if instance is not resource.instance or instance.retired or self._no_longer_wanted(resource):
                logger.error("resource %s failed:\n%s", resource.name, why)
                return
            delay = resource.backoff.next(instance.seconds_open)
            when = f"in {delay:g} s" if delay else "at once"
            logger.error("resource %s failed; building it anew %s:\n%s", resource.name, when, why)
            resource.put_in_place(None, resource.settings, failed=True)
            self._tasks.start_soon(self._repair, resource, delay)

        context = self._tasks.context.copy()
        if holdup is not None:
            context.run(holdup.enter)
        return await resource.start(settings, self._tasks, context, on_end, candidates)

    async def wait_jitter(self, resources: Sequence[Resource[Any]]) -> None:
        """Wait for the longest of their random delays; stop as soon as any resource has no instance.

        A resource that has lost its instance could not be repaired meanwhile: the repair waits for the lock.
        """
        jitters = [resource.jitter for resource in resources if resource.jitter]
        if not jitters:
            return

        async def stop_when_it_has_none(resource: Resource[Any]) -> None:
            while resource.instance is not None:
                await resource.changed()
            group.cancel_scope.cancel()

        with anyio.move_on_after(max(_draw(0, jitter) for jitter in jitters)):
            async with anyio.create_task_group() as group:
                for resource in self.all:
                    group.start_soon(sheltered, stop_when_it_has_none, resource)

    async def discard(self, resource: Resource[Any], instance: Instance[Any], within: float) -> None:
        """Close an instance, whoever holds it, before anything else goes live."""
        with self._holdups.during("closing", resource.name):
            await self._close(resource, instance, within)

    async def _close(self, resource: Resource[Any], instance: Instance[Any], within: float) -> None:
        if not await instance.close(within):
            logger.warning("resource %s: closing took over %g s and was cancelled", resource.name, within)

    async def _drain(self, resource: Resource[Any], instance: Instance[Any]) -> None:
        """Wait until the leases of an instance have ended, or for the drain timeout."""
        if not await instance.drain(resource.drain_timeout):
            logger.warning(
                "resource %s: closed with %d leases still held after %g s",
                *(resource.name, instance.leases, resource.drain_timeout),
            )

    def replace(self, resource: Resource[Any], instance: Instance[Any], settings: Any) -> None:
        """Put a new instance in place. If it replaces another, that is retired while everything else goes on."""
        self.rebuilds += 1
        before = resource.put_in_place(instance, settings)
        if before is not None:
            self._start_to_retire(resource, before)

    def _start_to_retire(self, resource: Resource[Any], instance: Instance[Any]) -> None:
        async def retiring() -> None:
            await self._drain(resource, instance)
            await self._close(resource, instance, resource.drain_timeout)
            resource.retiring.remove(instance)

        resource.retiring.add(instance)
        self._tasks.start_soon(retiring)

    def with_dependents(self, chosen: Iterable[Resource[Any]]) -> list[Resource[Any]]:
        """Return the chosen resources and all that were built from them, what is needed before what needs it."""
        found = set(chosen)
        for resource in self.all:  # what a build used comes before it
            if resource.needs & found:
                found.add(resource)
        return [resource for resource in self.all if resource in found]

    async def take_down(self, group: Sequence[Resource[Any]]) -> None:
        """Let the leases of exclusive resources end and close them, those that need others first."""
        for resource in reversed(group):
            resource.new_leases_wait = True
            instance = resource.instance
            if instance is not None:
                try:
                    with self._holdups.during("leases", resource.name):
                        await self._drain(resource, instance)
                    await self.discard(resource, instance, resource.drain_timeout)
                finally:
                    if instance.retired:
                        resource.instance = None
                    else:  # cancelled while it drained: the instance is still open
                        resource.put_in_place(instance, resource.settings)

    async def restore(self, group: Sequence[Resource[Any]]) -> None:
        """Build exclusive resources for the settings that they had. One that cannot be built is down, and repaired later.

        It runs in a task of its own, which the end of the block cancels: nobody needs the old ones back then.
        """
        if self.closing:
            return
        done = anyio.Event()

        async def restoring() -> None:
            try:
                await self._restore(group)
            finally:
                done.set()

        self._tasks.start_soon(restoring)
        await done.wait()

    async def _restore(self, group: Sequence[Resource[Any]]) -> None:
        rebuilt: Candidates = {}
        for resource in group:
            if resource.instance is not None or self._no_longer_wanted(resource):
                continue
            try:
                rebuilt[resource] = await self.build(resource, resource.settings, rebuilt)
            except BaseException as error:
                why, delay = self._redactor.trace(self._tasks.failure_keeping_ctrl_c(error)), resource.backoff.next()
                logger.error(
                    "resource %s is down: rebuilding it failed; trying again in %g s:\n%s", resource.name, delay, why
                )
                resource.put_in_place(None, resource.settings, failed=True)
                self._tasks.start_soon(self._repair, resource, delay)
            else:
                self.replace(resource, rebuilt[resource], resource.settings)

    def repair_outdated(self) -> None:
        """Build anew whatever was built from an instance that has been replaced since."""
        for index, resource in enumerate(self.all):
            instance = resource.instance
            if instance is not None and not resource.outdated:
                # What a build used comes before it. Later ones are left out, or two that use each other would outdate
                # each other for ever.
                used = [(instance.needs.get(other), other.instance) for other in self.all[:index]]
                if any(before is not None and now is not None and before is not now for before, now in used):
                    self.outdate(resource)

    def outdate(self, resource: Resource[Any]) -> None:
        """Build a resource anew, soon."""
        resource.outdated = True
        resource.wake()
        self._tasks.start_soon(self._repair, resource)

    async def _repair(self, resource: Resource[Any], delay: float = 0.0) -> None:
        """Build a resource that is down or outdated for the newest settings, after so many seconds; try until that succeeds."""
        if resource.repairing:  # one task is enough: what has made this repair necessary wakes that one
            return
        resource.repairing = True
        try:
            await self._try_to_repair(resource, delay)
        finally:
            resource.repairing = False

    async def _try_to_repair(self, resource: Resource[Any], delay: float) -> None:
        traced = delay > 0  # the log has a traceback of this failure already
        while True:
            if delay:
                with anyio.move_on_after(delay):
                    await resource.changed()
            async with self.lock:
                if self._no_longer_wanted(resource) or (resource.instance is not None and not resource.outdated):
                    return
                try:
                    await self._renew(resource, self._newest().settings)
                except BaseException as error:
                    failure, delay = self._tasks.failure_keeping_ctrl_c(error), resource.backoff.next()
                    # The log gets the traceback once; the message of the exception may change.
                    why = f" {self._redactor.describe(failure)}" if traced else f"\n{self._redactor.trace(failure)}"
                    logger.warning("resource %s could not be built; trying again in %g s:%s", resource.name, delay, why)
                    traced = True
                else:
                    logger.info("resource %s stands again", resource.name)
                    return

    def _no_longer_wanted(self, resource: Resource[Any]) -> bool:
        return self.closing or resource.closed

    async def _renew(self, resource: Resource[Any], settings: Any) -> None:
        if resource.exclusive:
            await self.take_down([resource])
        try:
            instance = await self.build(resource, settings, {})
        except BaseException:
            if resource.instance is None:
                resource.put_in_place(None, settings, failed=True)
            raise
        self.replace(resource, instance, settings)
        self.repair_outdated()


def _keys_since(before: Snapshot[Any], now: Snapshot[Any]) -> frozenset[str]:
    return changed_keys(now.loaded.schema, before.settings, now.settings)
