"""A stream processor: it counts values that arrive over TCP, in windows whose size can change while it runs.

    python main.py                                  # listens at PORT, prints a line of JSON for each window
    (echo temperature 20.5; echo temperature 21) | nc -q1 127.0.0.1 9000

Edit config.toml:

- WINDOW, SLIDE: the current window is closed at once, and the next ones have the new size.
- MOST_KEYS: vetoed while the current window has more keys than that; the change is retried, and accepted with a later window.
- PORT: a new listener is opened; then the old one is closed with its connections.
"""

import json
import logging
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
from anyio.abc import ByteReceiveStream, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from msgspec import Meta

from hotsettings import BaseSettings, Change, Live, RestartRequired, SettingsError


class Settings(BaseSettings):
    PORT: Annotated[int, Meta(ge=1, le=65535)] = 9000
    WINDOW: Annotated[float, Meta(gt=0, le=3600, description="Seconds that a window is long.")] = 10.0
    SLIDE: Annotated[float, Meta(gt=0, description="Seconds from the begin of one window to that of the next.")] = 10.0
    MOST_KEYS: Annotated[int, Meta(ge=1, description="Keys in a window; more are counted together.")] = 100
    LONGEST_LINE: Annotated[int, Meta(ge=16, le=65536)] = 1024
    NAME: RestartRequired[str] = "processor"

    def __post_init__(self) -> None:
        if self.SLIDE > self.WINDOW:
            raise ValueError(
                f"SLIDE ({self.SLIDE:g} s) is longer than WINDOW ({self.WINDOW:g} s): values would be lost"
            )


class Values:
    """The values of the current window."""

    def __init__(self, live: Live[Settings]) -> None:
        self._live = live
        self._values: deque[tuple[float, str, float]] = deque()

    def add(self, key: str, value: float) -> None:
        keys = self.keys()
        if key not in keys and len(keys) >= self._live.current.MOST_KEYS:
            key = "(others)"
        self._values.append((anyio.current_time(), key, value))

    def keys(self) -> set[str]:
        return {key for _, key, _ in self._values} - {"(others)"}

    def window(self, length: float) -> dict[str, list[float]]:
        """The values of the last seconds by key; older ones are dropped."""
        while self._values and self._values[0][0] < anyio.current_time() - length:
            self._values.popleft()
        window: dict[str, list[float]] = {}
        for _, key, value in self._values:
            window.setdefault(key, []).append(value)
        return window

    def few_enough(self, change: Change[Settings]) -> None:
        """Veto a MOST_KEYS that is smaller than the number of keys in the current window."""
        if (keys := len(self.keys())) > change.new.MOST_KEYS:
            raise ValueError(f"the window at hand holds {keys} keys, more than MOST_KEYS = {change.new.MOST_KEYS}")


async def tell(live: Live[Settings], values: Values) -> None:
    """Print each window when it ends, or when the size of windows changes."""
    changes = live.changes("WINDOW", "SLIDE")
    settings = live.current
    while True:
        with anyio.move_on_after(settings.SLIDE):
            await anext(changes)
        for key, numbers in sorted(values.window(settings.WINDOW).items()):
            mean = sum(numbers) / len(numbers)
            told = {"by": settings.NAME, "seconds": settings.WINDOW, "key": key, "count": len(numbers), "mean": mean}
            print(json.dumps(told))
        settings = live.current


async def receive(live: Live[Settings], values: Values, stream: ByteReceiveStream) -> None:
    lines = BufferedByteReceiveStream(stream)
    try:
        while True:
            line = await lines.receive_until(b"\n", live.current.LONGEST_LINE)
            key, _, number = line.decode(errors="replace").strip().rpartition(" ")
            try:
                values.add(key, float(number))
            except ValueError:
                print(f"not a key and a number: {line[:80]!r}", file=sys.stderr)
    except anyio.DelimiterNotFound:
        print("a line is too long, or there is none: the connection is closed", file=sys.stderr)
    except (anyio.IncompleteRead, anyio.BrokenResourceError):
        pass  # the sender has left


async def run() -> None:
    async with Settings.watch(reload_signal=signal.SIGHUP) as live:
        values = Values(live)
        live.prepare(values.few_enough, "MOST_KEYS")

        async def serve(stream: SocketStream) -> None:
            async with stream:
                await receive(live, values, stream)

        @asynccontextmanager
        async def listener(settings: Settings) -> AsyncGenerator[None, None]:
            listening = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=settings.PORT)
            async with listening, anyio.create_task_group() as tasks:
                tasks.start_soon(listening.serve, serve)
                yield
                tasks.cancel_scope.cancel()

        async with live.resource(listener, "PORT"), anyio.create_task_group() as tasks:
            tasks.start_soon(tell, live, values)
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                await anext(signals)
            tasks.cancel_scope.cancel()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        anyio.run(run, backend=sys.argv[1] if len(sys.argv) > 1 else "asyncio")  # trio is as good
    except (SettingsError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
