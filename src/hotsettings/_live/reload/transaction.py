"""A reload is a transaction: everybody agrees and everything is built, or nothing at all changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio

from ..._concurrency.tasks import failure_of, sheltered
from ..core import Handle, Hub, called
from ..resource import Resource
from ..snapshot import Change, Snapshot
from .resource_manager import (
    Candidates,
    build_in_time,
    close,
    in_time,
    let_go,
    linger,
    mend_outdated,
    outdate,
    put_back,
    take_down,
    with_dependents,
)

S = TypeVar("S")
Work = Callable[[], Awaitable[None]]


class Vetoed(Exception):
    """A hook or a build said no, or took too long. ``reason`` is what it raised, cleared of secrets; ``by`` its name."""

    def __init__(self, by: str, reason: BaseException) -> None:
        super().__init__(by, reason)
        self.by = by
        self.reason = reason


async def apply(hub: Hub[S], snapshot: Snapshot[S], keys: frozenset[str]) -> Change[S]:
    """Make a candidate live, in which ``keys`` differ.

    Runs the hooks and builds that these keys concern, each within ``prepare_timeout``, then swaps. Raises Vetoed, and
    undoes what was built, if any of them fails; so it does when it is cancelled.
    """
    async with hub.lock:
        return await _Transaction(hub, snapshot, keys).run()


class _Transaction:
    def __init__(self, hub: Hub[Any], snapshot: Snapshot[Any], keys: frozenset[str]) -> None:
        self._hub = hub
        self._snapshot = snapshot
        self._change: Change[Any] = Change(hub.head.current, snapshot.settings, keys, snapshot.generation)
        concerned = with_dependents([r for r in hub.resources if r.concerned(keys)], hub.resources)
        # What needs an exclusive resource cannot stand beside its successor, since that comes only when the old one is gone.
        self._exclusive = with_dependents([r for r in concerned if r.exclusive], hub.resources)
        self._overlapping = [r for r in concerned if r not in self._exclusive]
        self._built: Candidates = {}
        self._down: list[Resource[Any]] = []

    async def run(self) -> Change[Any]:
        try:
            await self._prepare()
            await linger(self._hub, self._exclusive)
            self._refuse_dead()  # before what stands is taken down for it
            await self._replace_exclusive()
            self._refuse_dead()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._undo()
            raise
        return self._swap()

    async def _prepare(self) -> None:
        """Run hooks and overlapping builds side by side."""
        ready = {resource: anyio.Event() for resource in self._overlapping}

        async def build_one(resource: Resource[Any]) -> None:
            await linger(self._hub, [resource])
            for other in resource.needs & ready.keys():
                await ready[other].wait()
            await self._build(resource)
            ready[resource].set()

        await self._all(
            [(hook.name, partial(self._ask, hook)) for hook in self._hub.hooks if self._concerns(hook)]
            + [(resource.name, partial(build_one, resource)) for resource in self._overlapping]
        )

    async def _replace_exclusive(self) -> None:
        """Replace exclusive resources one by one, each together with those that were built from it."""
        for resource in self._exclusive:
            if resource in self._down:
                continue
            group = [r for r in with_dependents([resource], self._exclusive) if r not in self._down]
            self._down += group
            await take_down(self._hub, group)
            for each in group:
                await self._all([(each.name, partial(self._build, each))])

    def _refuse_dead(self) -> None:
        """Raise Vetoed if something that was built has ended while the others were not ready yet."""
        for resource, instance in self._built.items():
            if instance.over:
                raise Vetoed(resource.name, RuntimeError("it has ended before the reload could go live"))

    async def _all(self, works: Sequence[tuple[str, Work]]) -> None:
        """Do all of it side by side, in tasks of our own. The first that fails ends all, and is raised as Vetoed."""
        if not works:  # as a rule: most changes concern no hook and no resource
            return
        vetoes: list[Vetoed] = []
        pending = [name for name, _ in works]

        async def attempt(name: str, work: Work) -> None:
            try:
                await work()
            except BaseException as error:
                vetoes.append(Vetoed(name, self._hub.redactor.redacted(failure_of(error))))
                tasks.cancel_scope.cancel()
            else:
                pending.remove(name)

        async with anyio.create_task_group() as tasks:
            for name, work in works:
                self._hub.context.copy().run(tasks.start_soon, sheltered, attempt, name, work)
        if pending:  # with no veto where somebody has cancelled a task, and anyio takes that for the end of the group
            cancelled = Vetoed(pending[0], RuntimeError("the task that was to call it was cancelled"))
            raise vetoes[0] if vetoes else cancelled

    def _concerns(self, hook: Handle) -> bool:
        return hook.keys is None or not hook.keys.isdisjoint(self._change.keys)

    async def _ask(self, hook: Handle) -> None:
        turn = self._hub.waits.begin("hook", hook.name)
        turn.enter()

        async def ask() -> None:
            with hook.scope():
                await called(hook.function, self._change)

        await in_time(self._hub, turn, ask)

    async def _build(self, resource: Resource[Any]) -> None:
        settings = self._snapshot.settings
        self._built[resource] = await build_in_time(self._hub, resource, settings, self._built)

    async def _undo(self) -> None:
        for resource, instance in reversed(self._built.items()):
            await close(resource, instance, self._hub.prepare_timeout)
        if self._down and not self._hub.closing:
            # In a task of the hub, which ends at once when the block is left: nobody needs the old ones back then.
            done = anyio.Event()
            self._hub.tasks.start_soon(self._put_back, done)
            await done.wait()

    async def _put_back(self, done: anyio.Event) -> None:
        try:
            await put_back(self._hub, self._down)
        finally:
            done.set()

    def _swap(self) -> Change[Any]:
        hub = self._hub
        for resource, instance in self._built.items():
            let_go(hub, resource, resource.stand(instance, self._snapshot.settings))
        for resource in hub.resources:
            if resource not in self._built and resource.concerned(self._change.keys):
                outdate(hub, resource)  # it came after this transaction had begun
        mend_outdated(hub)
        return hub.publish(self._snapshot, self._change.keys)
