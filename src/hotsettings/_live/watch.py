"""What ``Settings.watch()`` returns: a watch to enter by ``async with``, by ``with``, or by ``start()``."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from .._concurrency.loop_calls import running_loop
from .._concurrency.tasks import hosted
from .core import Core
from .following import Following, Options, following
from .live import Live
from .signals import checked_signal

if TYPE_CHECKING:
    from .blocking.live import BlockingLive

S = TypeVar("S")


class Watch(Generic[S]):
    """Follows files, for as long as a block lasts or for the life of the process.

    - ``async with Settings.watch() as live`` in programs with an event loop: asyncio, uvloop or trio.
    - ``with Settings.watch() as live`` in programs without one.
    - ``live = Settings.watch().start()`` for the life of the process, ``live.stop()`` ends it.
    """

    __module__ = "hotsettings"

    def __init__(self, options: Options, reload_signal: int | None, *, follow_forks: bool) -> None:
        if reload_signal is not None:
            checked_signal(reload_signal)
        self._options = options
        self._signal = reload_signal
        self._follow_forks = follow_forks
        self._hosted: AbstractAsyncContextManager[Following] | None = None
        self._blocking: BlockingLive[S] | None = None

    def __dir__(self) -> list[str]:
        return ["start", *(name for name in object.__dir__(self) if name.startswith("_"))]

    def __await__(self) -> NoReturn:
        raise TypeError("a watch is not awaited: use `async with Settings.watch() as live`")

    async def __aenter__(self) -> Live[S]:
        self._use_once()
        self._hosted = hosted(
            following(self._options, before=None, in_fork=Core.leave_behind, reload_signal=self._signal)
        )
        return (await self._hosted.__aenter__()).live

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hosted is None:
            raise RuntimeError("this block has not been entered")
        await self._hosted.__aexit__(kind, error, trace)

    def __enter__(self) -> BlockingLive[S]:
        if running_loop() is not None:
            raise RuntimeError(
                "an event loop runs in this thread, and `with` would block it: use `async with Settings.watch()`, "
                "or `live = Settings.watch().start()` where that cannot be, such as in the cells of a notebook"
            )
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._blocking is None:
            raise RuntimeError("this block has not been entered")
        try:
            self._blocking.stop()
        except BaseException:
            if error is None:  # what the block raises comes first
                raise

    def start(self) -> BlockingLive[S]:
        """Follow the files in a background thread until ``live.stop()``, or until the process ends. Raises SettingsError."""
        from .blocking.live import BlockingLive  # programs with an event loop do not pay for it

        self._use_once()
        follow = partial(following, self._options)
        self._blocking = BlockingLive(follow, self._signal, follow_forks=self._follow_forks)
        return self._blocking

    def _use_once(self) -> None:
        if self._hosted is not None or self._blocking is not None:
            raise RuntimeError("this watch has been used already: make another one")
