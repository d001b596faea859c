"""What is made from settings and replaced when they change, for threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..._concurrency.loop_thread import Ended
from ..resource import Resource, ResourceDown

if TYPE_CHECKING:
    from ..live import Live
    from .live import BlockingLive

T = TypeVar("T")


class BlockingResource(Generic[T]):
    """A T that follows the settings.

    ``current`` is the newest T, for a use that does not wait in between; ``with lease() as t`` keeps the T open until the
    lease ends, even when it has been replaced meanwhile.
    """

    __module__ = "hotsettings"

    def __init__(
        self,
        live: BlockingLive[Any],
        name: str,
        block: Callable[[Live[Any]], AbstractAsyncContextManager[Resource[T]]],
        *,
        exclusive: bool,
    ) -> None:
        self._live = live
        self.name = name
        self._exclusive = exclusive
        self._make_block = block
        self._block: AbstractAsyncContextManager[Resource[T]] | None = None
        self._resource: Resource[T] | None = None
        self._beginning = threading.Lock()
        self._left = False
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"Resource({self.name})"

    def __dir__(self) -> list[str]:
        return ["current", "lease", *(name for name in object.__dir__(self) if name.startswith("_"))]

    @property
    def current(self) -> T:
        """The newest T. Raises ResourceDown while there is none."""
        return (self._resource or self._begun()).current

    @contextmanager
    def lease(self) -> Generator[T]:
        """Keep the newest T open for the length of a block; wait while it is being replaced.

        Raises ResourceDown if there is none and building one has failed.
        """
        resource, thread = self._resource or self._begun(), self._live.thread
        lease = resource.lease()
        try:
            value = thread.call(lease.__aenter__)
        except Ended:
            raise ResourceDown(f"no instance of {self.name} stands") from None
        try:
            yield value
        finally:
            if thread is self._live.thread:  # else this process was forked, and the lease is the parent's
                with suppress(Ended):
                    thread.call(lambda: lease.__aexit__(None, None, None))

    @property
    def is_open(self) -> bool:
        """Whether any instance is open in this process."""
        resource = self._resource
        return resource is not None and (resource.instance is not None or bool(resource.retiring))

    def begin(self) -> None:
        """Build the first instance. Raises what the build raises."""

        async def begin() -> None:
            self._block = self._make_block(self._live.inner)
            self._resource = await self._block.__aenter__()

        self._live.call(begin)

    def end(self) -> None:
        """Retire the last instance."""
        with self._beginning:
            self._left, block, self._block = True, self._block, None
        if block is not None:
            with suppress(Ended):
                self._live.call(lambda: block.__aexit__(None, None, None))

    def forked(self) -> None:
        """In a forked process: nothing stands here before somebody uses it, and no other thread builds it."""
        self._block, self._resource, self._beginning = None, None, threading.Lock()

    def _begun(self) -> Resource[T]:
        """In a forked process: build the first instance here, in place of the one of the parent."""
        if self._exclusive:
            raise ResourceDown(
                f"{self.name} is exclusive, and stands in process {self._process}, from which this one was forked: "
                "a second one cannot stand beside it; watch in each process anew"
            )
        with self._beginning:
            if self._left:
                raise ResourceDown(f"the block of {self.name} has been left")
            if self._resource is None:
                try:
                    self.begin()
                except Ended:
                    raise ResourceDown(f"no instance of {self.name} stands") from None
        assert self._resource is not None
        return self._resource


class BlockingResourceBlock(Generic[T]):
    """The block of a resource."""

    def __init__(self, live: BlockingLive[Any], resource: BlockingResource[T]) -> None:
        self._live = live
        self._resource = resource
        self._entered = False

    def __enter__(self) -> BlockingResource[T]:
        if self._entered:
            raise RuntimeError("this block has been entered already: call resource() again")
        self._entered = True
        self._resource.begin()
        self._live.resources[self._resource] = None
        return self._resource

    def __exit__(self, *_: object) -> None:
        if not self._entered:
            raise RuntimeError("this block has not been entered")
        self._live.resources.pop(self._resource, None)
        self._resource.end()
