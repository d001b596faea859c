"""A reload is a transaction: everybody agrees and everything is built, or nothing at all changes.

The candidate is valid by now, and differs from what is live. What is left are the parties that it concerns, by their keys: hooks, which
may veto it, and resources, which have to be built for it. The order follows from one question: what can still be undone?

1. **Hooks and overlapping builds**, side by side, each within ``prepare_timeout``. None of it is visible, so all of it can be undone:
   what was built is closed again. A build that uses another resource waits until that is built, and gets the new instance.
2. **Exclusive resources**, one by one, only if all of 1 has passed, because from here on readers notice. For each: its leases end, the
   old instance is closed, the new one is built. To undo this, the old settings are built anew, which may fail as well: the
   resource is down then, and repaired later. Whatever was built *from* an exclusive resource cannot outlive it, so it is
   replaced with it, in the order of needs.
3. **The swap**, in which nothing can fail and nothing is awaited: new instances are put in place, ``current`` is assigned, subscribers
   are woken. No other task runs in between, so nobody sees the new settings with an old instance.
4. What was replaced is retired in the background, when its leases have ended.

Cancelling is a way to fail like any other: newer files cancel a candidate that has not reached the swap. So every step undoes itself
under a shield. Two transactions never overlap, and neither do a transaction and a repair: both hold ``resources.lock``.

Code that was called may end at any time. An instance that has ended between its build and the swap fails the transaction
(`_refuse_ended`): before step 2, so that no exclusive resource is given up for it, and once more before the swap.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio

from ..._concurrency.tasks import sheltered
from ..._log import logger
from ..callbacks import Handle, called
from ..core import Core
from ..resource import Resource
from ..snapshot import Change, Snapshot
from .resource_manager import Candidates

S = TypeVar("S")
Work = Callable[[], Awaitable[None]]


class Vetoed(Exception):
    """A hook or a build has failed or taken too long. ``reason`` is what it raised, redacted; ``by`` is its name."""

    def __init__(self, by: str, reason: BaseException) -> None:
        super().__init__(by, reason)
        self.by = by
        self.reason = reason


async def apply(core: Core[S], snapshot: Snapshot[S], keys: frozenset[str]) -> Change[S]:
    """Make a candidate live, in which ``keys`` differ.

    Runs the hooks and builds that these keys concern, each within ``prepare_timeout``, then swaps. Raises Vetoed, and
    undoes what was built, if any of them fails; so it does when it is cancelled.
    """
    async with core.resources.lock:
        return await _Transaction(core, snapshot, keys).run()


class _Transaction:
    def __init__(self, core: Core[Any], snapshot: Snapshot[Any], keys: frozenset[str]) -> None:
        self._core = core
        self._resources = core.resources
        self._snapshot = snapshot
        self._change: Change[Any] = Change(core.snapshot.settings, snapshot.settings, keys, snapshot.generation)
        concerned = self._resources.with_dependents(r for r in self._resources.all if r.concerned(keys))
        # What was built from an exclusive resource is replaced with it: the new one is built only when the old one is
        # gone.
        self._exclusive = self._resources.with_dependents(r for r in concerned if r.exclusive)
        self._overlapping = [r for r in concerned if r not in self._exclusive]
        self._built: Candidates = {}
        self._down: list[Resource[Any]] = []

    async def run(self) -> Change[Any]:
        try:
            await self._prepare()
            await self._resources.wait_jitter(self._exclusive)
            self._refuse_ended()  # before exclusive instances are closed for it
            await self._replace_exclusive()
            self._refuse_ended()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._undo()
            raise
        return self._swap()

    async def _prepare(self) -> None:
        """Run hooks and overlapping builds side by side."""
        ready = {resource: anyio.Event() for resource in self._overlapping}

        async def build_one(resource: Resource[Any]) -> None:
            await self._resources.wait_jitter([resource])
            for other in resource.needs & ready.keys():
                await ready[other].wait()
            await self._build(resource)
            ready[resource].set()

        hooks = [hook for hook in self._core.hooks if hook.concerned(self._change.keys)]
        await self._all(
            [(hook.name, partial(self._ask, hook)) for hook in hooks]
            + [(resource.name, partial(build_one, resource)) for resource in self._overlapping]
        )

    async def _replace_exclusive(self) -> None:
        """Replace exclusive resources one by one, each together with those that were built from it."""
        for resource in self._exclusive:
            if resource in self._down:
                continue
            dependents = self._resources.with_dependents([resource])
            group = [r for r in dependents if r in self._exclusive and r not in self._down]
            self._down += group
            await self._resources.take_down(group)
            for each in group:
                await self._all([(each.name, partial(self._build, each))])

    def _refuse_ended(self) -> None:
        """Raise Vetoed if something that was built has ended while the others were not ready yet."""
        for resource, instance in self._built.items():
            if instance.ended:
                raise Vetoed(resource.name, RuntimeError("it has ended before the reload could go live"))

    async def _all(self, works: Sequence[tuple[str, Work]]) -> None:
        """Do all of it side by side, in tasks of our own. The first that fails ends all, and is raised as Vetoed."""
        if not works:  # most changes concern no hook and no resource
            return
        vetoes: list[Vetoed] = []
        pending = [name for name, _ in works]

        async def attempt(name: str, work: Work) -> None:
            try:
                await work()
            except BaseException as error:
                vetoes.append(
                    Vetoed(name, self._core.redactor.redacted(self._core.tasks.failure_keeping_ctrl_c(error)))
                )
                group.cancel_scope.cancel()
            else:
                pending.remove(name)

        async with anyio.create_task_group() as group:
            for name, work in works:
                self._core.tasks.context.copy().run(group.start_soon, sheltered, attempt, name, work)
        if pending:
            # Some work did not finish. There is no veto if other code cancelled the task, because anyio then cancels
            # the whole group.
            cancelled = Vetoed(pending[0], RuntimeError("the task that was to call it was cancelled"))
            raise vetoes[0] if vetoes else cancelled

    async def _ask(self, hook: Handle) -> None:
        holdup = self._core.holdups.begin("hook", hook.name)
        holdup.enter()

        async def ask() -> None:
            with hook.scope():
                returned = await called(hook.function, self._change)
                if returned is not None:
                    logger.warning(
                        "hook %s returned %s, which means nothing: to veto a reload it has to raise",
                        *(hook.name, type(returned).__name__),
                    )

        await holdup.within(self._core.prepare_timeout, ask)

    async def _build(self, resource: Resource[Any]) -> None:
        self._built[resource] = await self._resources.build(resource, self._snapshot.settings, self._built)

    async def _undo(self) -> None:
        for resource, instance in reversed(self._built.items()):
            await self._resources.close(resource, instance, self._core.prepare_timeout)
        if self._down:
            await self._resources.restore(self._down)

    def _swap(self) -> Change[Any]:
        resources = self._resources
        for resource, instance in self._built.items():
            resources.replace(resource, instance, self._snapshot.settings)
        for resource in resources.all:
            if resource not in self._built and resource.concerned(self._change.keys):
                resources.outdate(resource)  # it came after this transaction had begun
        resources.repair_outdated()
        return self._core.publish(self._snapshot, self._change.keys)
