"""Building, replacing and mending the resources of a live object."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio

from ..._concurrency.tasks import failure_of
from ..._log import logger
from ..core import Hub
from ..resource import Instance, Resource
from ..waits import Turn

T = TypeVar("T")
Candidates = dict[Resource[Any], Instance[Any]]

_draw = random.SystemRandom().uniform  # of another generator, processes that fork or seed alike would draw the same


async def build(
    hub: Hub[Any], resource: Resource[Any], settings: Any, candidates: Candidates, turn: Turn | None = None
) -> Instance[Any]:
    """Build an instance for these settings; one that dies while it stands is mended."""

    def ended(instance: Instance[Any], failure: BaseException | None) -> None:
        why = hub.redactor.trace(failure) if failure is not None else "its context manager ended by itself"
        if instance is not resource.instance or instance.retired or _over(hub, resource):
            logger.error("resource %s failed:\n%s", resource.name, why)
            return
        delay = resource.backoff.next(instance.stood)
        when = f"in {delay:g} s" if delay else "at once"
        logger.error("resource %s failed; building it anew %s:\n%s", resource.name, when, why)
        resource.stand(None, resource.settings, failed=True)
        hub.tasks.start_soon(mend, hub, resource, delay)

    context = hub.context.copy()
    if turn is not None:
        context.run(turn.enter)
    return await resource.start(settings, hub.tasks, context, ended, candidates)


async def build_in_time(hub: Hub[Any], resource: Resource[Any], settings: Any, candidates: Candidates) -> Instance[Any]:
    """Build within ``prepare_timeout``. For tasks of our own."""
    turn = hub.waits.begin("build", resource.name)
    return await in_time(hub, turn, partial(build, hub, resource, settings, candidates, turn))


async def in_time(hub: Hub[Any], turn: Turn, work: Callable[[], Awaitable[T]]) -> T:
    """Raise TimeoutError if this takes longer than ``prepare_timeout``. For tasks of our own."""
    try:
        with anyio.move_on_after(hub.prepare_timeout):
            return await work()
        raise TimeoutError(f"{turn.wait.name} did not finish within {hub.prepare_timeout:g} s")
    finally:
        hub.waits.end(turn)


async def linger(hub: Hub[Any], resources: Sequence[Resource[Any]]) -> None:
    """Wait before these are replaced: for the longest of their draws, but no longer than every resource stands.

    What has fallen could not be mended meanwhile: its task waits for the lock.
    """
    jitters = [resource.jitter for resource in resources if resource.jitter]
    if not jitters:
        return

    async def fallen(resource: Resource[Any]) -> None:
        while resource.instance is not None:
            await resource.changed()
        tasks.cancel_scope.cancel()

    with anyio.move_on_after(max(_draw(0, jitter) for jitter in jitters)):
        async with anyio.create_task_group() as tasks:
            for resource in hub.resources:
                tasks.start_soon(fallen, resource)


async def close(resource: Resource[Any], instance: Instance[Any], within: float) -> None:
    """Close an instance, whoever holds it."""
    if not await instance.close(within):
        logger.warning("resource %s: closing took over %g s and was cancelled", resource.name, within)


async def retire(resource: Resource[Any], instance: Instance[Any]) -> None:
    """Close an instance when its leases have ended, or after the drain timeout anyway."""
    if not await instance.drain(resource.drain_timeout):
        logger.warning(
            "resource %s: closed with %d leases still held after %g s",
            *(resource.name, instance.leases, resource.drain_timeout),
        )
    await close(resource, instance, resource.drain_timeout)


def let_go(hub: Hub[Any], resource: Resource[Any], instance: Instance[Any] | None) -> None:
    """Retire what has been replaced, if anything was, while everything else goes on."""

    async def retiring(instance: Instance[Any]) -> None:
        await retire(resource, instance)
        resource.retiring.remove(instance)

    if instance is not None:
        resource.retiring.add(instance)
        hub.tasks.start_soon(retiring, instance)


def with_dependents(chosen: Iterable[Resource[Any]], known: Sequence[Resource[Any]]) -> list[Resource[Any]]:
    """Return the chosen resources and all that were built from them, what is needed before what needs it."""
    found = set(chosen)
    for resource in known:  # in the order of their first builds: what a build used stood before it
        if resource.needs & found:
            found.add(resource)
    return [resource for resource in known if resource in found]


async def take_down(hub: Hub[Any], group: Sequence[Resource[Any]]) -> None:
    """Let the leases of exclusive resources end and close them, those that need others first."""
    for resource in reversed(group):
        resource.gate()
        instance = resource.instance
        if instance is not None:
            turn = hub.waits.begin("leases", resource.name)
            try:
                await retire(resource, instance)
            finally:
                hub.waits.end(turn)
                if instance.retired:
                    resource.instance = None
                else:
                    resource.stand(instance, resource.settings)  # given up while it drained: nothing has happened


async def put_back(hub: Hub[Any], group: Sequence[Resource[Any]]) -> None:
    """Build exclusive resources for the settings that they had. One that cannot be built is down, and mended later."""
    rebuilt: Candidates = {}
    for resource in group:
        if resource.instance is not None or _over(hub, resource):
            continue
        try:
            rebuilt[resource] = await build_in_time(hub, resource, resource.settings, rebuilt)
        except BaseException as error:
            why, delay = hub.redactor.trace(failure_of(error)), resource.backoff.next()
            logger.error(
                "resource %s is down: rebuilding it failed; trying again in %g s:\n%s", resource.name, delay, why
            )
            resource.stand(None, resource.settings, failed=True)
            hub.tasks.start_soon(mend, hub, resource, delay)
        else:
            let_go(hub, resource, resource.stand(rebuilt[resource], resource.settings))


def mend_outdated(hub: Hub[Any]) -> None:
    """Build anew whatever was built from an instance that has been replaced since."""
    for index, resource in enumerate(hub.resources):
        instance = resource.instance
        if instance is not None and not resource.outdated:
            # What a build uses stood before it; to look only there keeps two that use each other from going round.
            used = [(instance.needs.get(other), other.instance) for other in hub.resources[:index]]
            if any(before is not None and now is not None and before is not now for before, now in used):
                outdate(hub, resource)


def outdate(hub: Hub[Any], resource: Resource[Any]) -> None:
    """Build a resource anew, soon."""
    resource.outdated = True
    resource.wake()
    hub.tasks.start_soon(mend, hub, resource)


async def mend(hub: Hub[Any], resource: Resource[Any], delay: float = 0.0) -> None:
    """Build a resource that is down or outdated for the newest settings, after so many seconds; try until that succeeds."""
    if resource.mending:  # since an earlier attempt; each reload that fails would add one more
        return  # the other is woken by what has made this one necessary
    resource.mending = True
    try:
        await _mend(hub, resource, delay)
    finally:
        resource.mending = False


async def _mend(hub: Hub[Any], resource: Resource[Any], delay: float) -> None:
    told = delay > 0  # where it failed, with its traceback
    while True:
        if delay:
            with anyio.move_on_after(delay):
                await resource.changed()
        async with hub.lock:
            if _over(hub, resource) or (resource.instance is not None and not resource.outdated):
                return
            try:
                await _renew(hub, resource, hub.head.current)
            except BaseException as error:
                failure, delay = failure_of(error), resource.backoff.next()
                # Where it failed is told once; what it says may change.
                why = f" {hub.redactor.describe(failure)}" if told else f"\n{hub.redactor.trace(failure)}"
                logger.warning("resource %s could not be built; trying again in %g s:%s", resource.name, delay, why)
                told = True
            else:
                logger.info("resource %s stands again", resource.name)
                return


def _over(hub: Hub[Any], resource: Resource[Any]) -> bool:
    return hub.closing or resource.closed


async def _renew(hub: Hub[Any], resource: Resource[Any], settings: Any) -> None:
    if resource.exclusive:
        await take_down(hub, [resource])
    try:
        instance = await build_in_time(hub, resource, settings, {})
    except BaseException:
        if resource.instance is None:
            resource.stand(None, settings, failed=True)
        raise
    let_go(hub, resource, resource.stand(instance, settings))
    mend_outdated(hub)
