"""A reload is a transaction: everybody agrees and everything is built, or nothing at all changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import anyio

from .hub import Hub, called
from .replacing import Candidates, build, mend, put_back, retire, take_down, with_dependents
from .resources import Resource
from .snapshot import Change, Snapshot

S = TypeVar("S")


class Vetoed(Exception):
    """A hook or a build said no, or took too long. ``reason`` is what it raised, cleared of secrets; ``by`` its name."""

    def __init__(self, by: str, reason: BaseException) -> None:
        super().__init__(by, reason)
        self.by = by
        self.reason = reason


async def apply(hub: Hub[S], snapshot: Snapshot[S], keys: frozenset[str], within: float) -> Change[S]:
    """Make a candidate live, in which ``keys`` differ.

    Runs the hooks and builds that these keys concern, each ``within`` so many seconds, then swaps. Raises Vetoed, and
    undoes what was built, if any of them fails; so it does when it is cancelled.
    """
    async with hub.lock:
        hub.texts.know(snapshot.loaded)
        return await _Transaction(hub, snapshot, keys, within).run()


class _Transaction:
    def __init__(self, hub: Hub[Any], snapshot: Snapshot[Any], keys: frozenset[str], within: float) -> None:
        self._hub = hub
        self._snapshot = snapshot
        self._change: Change[Any] = Change(hub.head.current, snapshot.settings, keys, snapshot.generation)
        self._within = within
        concerned = with_dependents([r for r in hub.resources if r.concerned(keys)], hub.resources)
        # What needs an exclusive resource cannot stand beside its successor, since that comes only when the old one is gone.
        self._exclusive = with_dependents([r for r in concerned if r.exclusive], hub.resources)
        self._overlapping = [r for r in concerned if r not in self._exclusive]
        self._built: Candidates = {}
        self._down: list[Resource[Any]] = []

    async def run(self) -> Change[Any]:
        try:
            await self._prepare()
            await self._replace_exclusive()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._undo()
            raise
        return self._swap()

    async def _prepare(self) -> None:
        """Run hooks and overlapping builds side by side; the first that fails ends all."""
        ready = {resource: anyio.Event() for resource in self._overlapping}
        vetoes: list[Vetoed] = []

        async def attempt(name: str, work: Callable[[], Awaitable[None]]) -> None:
            try:
                await self._in_time(name, work)
            except Vetoed as veto:
                vetoes.append(veto)
                tasks.cancel_scope.cancel()

        async def build_one(resource: Resource[Any]) -> None:
            needed = [ready[other] for other in resource.needs if other in ready]
            for event in needed:
                await event.wait()
            await self._build(resource)
            ready[resource].set()

        async with anyio.create_task_group() as tasks:
            for hook in self._hub.hooks:
                if hook.keys is None or not hook.keys.isdisjoint(self._change.keys):
                    tasks.start_soon(attempt, hook.name, partial(called, hook.function, self._change))
            for resource in self._overlapping:
                tasks.start_soon(attempt, resource.name, partial(build_one, resource))
        if vetoes:
            raise vetoes[0]

    async def _replace_exclusive(self) -> None:
        """Replace exclusive resources one by one, each together with those that were built from it."""
        for resource in self._exclusive:
            if resource in self._down:
                continue
            group = [r for r in with_dependents([resource], self._exclusive) if r not in self._down]
            self._down += group
            await take_down(self._hub, group)
            for each in group:
                await self._in_time(each.name, partial(self._build, each))

    async def _build(self, resource: Resource[Any]) -> None:
        settings = self._snapshot.settings
        self._built[resource] = await build(self._hub, resource, settings, self._built)

    async def _in_time(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        veto: Vetoed
        try:
            with anyio.move_on_after(self._within) as scope:
                await work()
            if not scope.cancelled_caught:
                return
            veto = Vetoed(name, TimeoutError(f"{name} did not finish within {self._within:g} s"))
        except Exception as error:
            veto = Vetoed(name, self._hub.texts.cleared(error))
        raise veto

    async def _undo(self) -> None:
        for instance in reversed(self._built.values()):
            await instance.close(self._within)
        await put_back(self._hub, self._down, self._within)

    def _swap(self) -> Change[Any]:
        hub = self._hub
        for resource, instance in self._built.items():
            before = resource.stand(instance, self._snapshot.settings)
            if before is not None:
                hub.tasks.start_soon(retire, hub, resource, before)
        for resource in hub.resources:
            if resource not in self._built and resource.concerned(self._change.keys):
                hub.tasks.start_soon(mend, hub, resource)  # it came after this transaction had begun
        return hub.publish(self._snapshot, self._change.keys)
