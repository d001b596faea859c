"""The blocking face behind the async one, so that the tests of promises run on both.

What a test awaits, waits in a thread; what it registers, sync or async, is called by the blocking live object in a thread of
that, and runs in the event loop of the test.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import copy_context
from types import TracebackType
from typing import Any

import anyio
import anyio.to_thread
from anyio.lowlevel import checkpoint

import hotsettings.testing.in_memory
from hotsettings._live.barrier import delivered_by
from hotsettings._live.blocking.live import BlockingLive
from hotsettings._live.following import Following
from hotsettings._live.registering import registering
from hotsettings._live.watch import Watch

_ASKS_AGAIN = 0.02
"""Seconds after which an iterator gives up and is asked again."""
_END: Any = object()
_in_memory: Any = hotsettings.testing.in_memory

faces: set[BlockingFace] = set()
"""Those whose blocks are entered now."""


@contextmanager
def installed() -> Iterator[None]:
    """Let ``async with`` enter the blocking form of ``Settings.watch()``, and of ``live()`` for tests."""
    enter, leave, hosted = Watch.__aenter__, Watch.__aexit__, _in_memory.hosted
    patched: Any = Watch
    patched.__aenter__, patched.__aexit__ = _enter, _leave
    _in_memory.hosted = _InMemory
    try:
        yield
    finally:
        patched.__aenter__, patched.__aexit__ = enter, leave
        _in_memory.hosted = hosted
        faces.clear()


async def idle() -> None:
    """Let everybody go on until they wait for something, in the event loops of the blocking form too."""
    still = 0
    while still < 4:
        before = [face.moves for face in faces]
        for face in list(faces):
            await face.idle()
        for _ in range(60):
            await checkpoint()
        await anyio.sleep(0.001)
        still = still + 1 if before == [face.moves for face in faces] else 0


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a thread. If this is cancelled, the function goes on."""
    call = functools.partial(function, *arguments)
    return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))


async def in_thread_to_its_end(function: Callable[..., Any], *arguments: Any) -> Any:
    with anyio.CancelScope(shield=True):
        return await in_thread(function, *arguments)


class BlockingFace:
    """A BlockingLive with the members of a Live."""

    def __init__(self, blocking: BlockingLive[Any]) -> None:
        self.blocking = blocking
        self.moves = 0
        """Calls of what was registered, and returns from them."""
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.blocking if hasattr(self.blocking, name) else self.blocking.inner, name)

    def __repr__(self) -> str:
        return repr(self.blocking)

    async def idle(self) -> None:
        async def go_round() -> None:
            for _ in range(60):
                await checkpoint()

        with anyio.CancelScope(shield=True):
            await in_thread(self._call_unless_ended, go_round)

    def _call_unless_ended(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            self.blocking.call(work)
        except RuntimeError:
            pass

    async def publish(self, settings: Any) -> Any:
        inner: Any = self.blocking.inner
        scopes: list[anyio.CancelScope] = []

        async def publish() -> Any:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                return await inner.publish(settings)

        try:
            return await in_thread(self.blocking.call, publish)
        except anyio.get_cancelled_exc_class():
            for scope in scopes:
                self.blocking.thread.call_soon(scope.cancel)
            raise

    async def reload(self, *arguments: Any, **options: Any) -> Any:
        return await in_thread(functools.partial(self.blocking.reload, *arguments, **options))

    async def wait_applied(self, *arguments: Any) -> None:
        await in_thread(self.blocking.wait_applied, *arguments)

    def changes(self, *keys: str) -> _Waiting:
        return _Waiting(self.blocking.changes(*keys, timeout=_ASKS_AGAIN), is_delivered=True)

    def events(self) -> _Waiting:
        return _Waiting(self.blocking.events(timeout=_ASKS_AGAIN), is_delivered=False)

    def on_change(self, *arguments: Any) -> Any:
        return registering("on_change", lambda it, keys: self.blocking.on_change(self._plain(it), *keys), arguments)

    def prepare(self, *arguments: Any) -> Any:
        return registering("prepare", lambda it, keys: self.blocking.prepare(self._plain(it), *keys), arguments)

    def resource(self, build: Any, *keys: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        @functools.wraps(build)
        def built(settings: Any) -> Any:
            made = self.in_loop(lambda: build(settings))
            return _Entered(self, made) if hasattr(type(made), "__aenter__") else made

        return _in_block(self.blocking.resource(built, *keys, **options))

    def _plain(self, function: Callable[..., Any]) -> Callable[[Any], Any]:
        @functools.wraps(function)
        def called(change: Any) -> Any:
            return self.in_loop(lambda: function(change), awaited=True)

        named = getattr(
            function, "func", function
        )  # a partial, or an object that can be called, has no name to take over
        called.__module__ = getattr(named, "__module__", "?")
        called.__qualname__ = getattr(named, "__qualname__", type(named).__qualname__)
        return called

    def in_loop(self, function: Callable[[], Any], *, awaited: bool = False) -> Any:
        """Run a function in the event loop of the test, and return its result, or what awaiting it gives. Called in a thread."""
        future: Future[Any] = Future()
        context = copy_context()

        async def run() -> None:
            self.moves += 1
            try:
                result = function()
                future.set_result(await result if awaited and isinstance(result, Awaitable) else result)
            except BaseException as error:
                future.set_exception(error)

        self.start(run(), context)
        try:
            return future.result()
        finally:
            self.moves += 1

    def start(self, work: Any, context: Any) -> None:
        def start() -> None:
            task = self._loop.create_task(work, context=context)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(start)

    async def end(self) -> None:
        """Cancel what was registered and has not returned."""
        with anyio.CancelScope(shield=True):
            while self._tasks:
                for task in self._tasks:
                    task.cancel()
                await asyncio.wait(self._tasks)


class _Waiting(AsyncIterator[Any]):
    """A blocking iterator, asked in threads."""

    def __init__(self, inner: Any, *, is_delivered: bool) -> None:
        self._inner = inner
        self._is_delivered = is_delivered
        self._unread: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner.inner, name)

    async def __anext__(self) -> Any:
        given_up = threading.Event()
        ended = anyio.Event()
        found: list[Any] = []
        failure: list[BaseException] = []
        loop = asyncio.get_running_loop()

        def ask() -> None:
            try:
                while not (given_up.is_set() or found):
                    try:
                        found.append(next(self._inner, _END))
                    except TimeoutError:
                        pass
            except BaseException as error:
                failure.append(error)
            loop.call_soon_threadsafe(ended.set)

        if self._unread:
            return self._unread.pop(0)
        threading.Thread(target=copy_context().run, args=(ask,), name="AnyIO worker of the face").start()
        try:
            await ended.wait()
        except BaseException:
            given_up.set()
            with anyio.CancelScope(shield=True):
                await ended.wait()
            self._unread += found
            raise
        if failure:
            raise failure[0]
        if found[0] is _END:
            raise StopAsyncIteration
        if self._is_delivered:
            delivered_by(self._inner.inner)  # the thread has noted it in a context of its own
        return found[0]

    async def aclose(self) -> None:
        self._inner.close()


class _Entered(AbstractContextManager[Any]):
    """What a build of the test returned, entered and left in one task of the event loop of the test."""

    def __init__(self, face: BlockingFace, made: Any) -> None:
        self._face = face
        self._made = made
        self._entered: Future[Any] = Future()
        self._ended: Future[None] = Future()
        self._leave = asyncio.Event()

    def __enter__(self) -> Any:
        self._face.start(self._hold(), copy_context())
        try:
            return self._entered.result()
        finally:
            self._face.moves += 1

    def __exit__(self, *_: object) -> None:
        self._face.moves += 1
        self._face._loop.call_soon_threadsafe(self._leave.set)
        try:
            self._ended.result()
        finally:
            self._face.moves += 1

    async def _hold(self) -> None:
        try:
            async with self._made as value:
                self._entered.set_result(value)
                await self._leave.wait()
        except BaseException as error:
            (self._ended if self._entered.done() else self._entered).set_exception(error)
        else:
            self._ended.set_result(None)


class _ResourceFace:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner if hasattr(type(self._inner), name) else self._inner._resource, name)

    def __repr__(self) -> str:
        return repr(self._inner)

    @property
    def current(self) -> Any:
        return self._inner.current

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Any]:
        lease, given_up = self._inner.lease(), threading.Event()

        def enter() -> Any:
            value = lease.__enter__()
            if given_up.is_set():
                lease.__exit__(None, None, None)
            return value

        try:
            value = await in_thread(enter)
        except BaseException:
            given_up.set()
            raise
        try:
            yield value
        finally:
            await in_thread_to_its_end(lease.__exit__, None, None, None)


@asynccontextmanager
async def _in_block(block: AbstractContextManager[Any]) -> AsyncIterator[Any]:
    resource = await in_thread_to_its_end(block.__enter__)
    try:
        yield _ResourceFace(resource)
    finally:
        await in_thread_to_its_end(block.__exit__, None, None, None)


async def _enter(self: Watch[Any]) -> Any:
    wait: Any = _directly if self._signal is not None else in_thread_to_its_end
    face = BlockingFace(await wait(self.start))
    faces.add(face)
    return face


async def _leave(
    self: Watch[Any], kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> None:
    wait: Any = _directly if self._signal is not None else in_thread_to_its_end
    mine = [face for face in faces if face.blocking is self._blocking]
    faces.difference_update(mine)
    try:
        await wait(self.__exit__, kind, error, trace)
    finally:
        for face in mine:
            await face.end()


async def _directly(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)  # signals are for the main thread


class _InMemory(AbstractAsyncContextManager[Any]):
    """In place of ``hosted``, for what has no files."""

    def __init__(self, manager: AbstractAsyncContextManager[Any]) -> None:
        self._manager = manager

    async def __aenter__(self) -> Any:
        @asynccontextmanager
        async def follow(**_: object) -> AsyncIterator[Following]:
            async with self._manager as live:
                yield Following(live, live._core)

        make: Any = functools.partial(BlockingLive, follow, None, follow_forks=False)
        self._face = BlockingFace(await in_thread_to_its_end(make))
        faces.add(self._face)
        return self._face

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        faces.discard(self._face)
        try:
            await in_thread_to_its_end(self._face.blocking.stop)
        except BaseException:
            if error is None:
                raise
        finally:
            await self._face.end()
