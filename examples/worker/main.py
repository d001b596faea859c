"""A worker that sends readings to a collector, over a connection that follows the settings.

    nc -lk 127.0.0.1 9009    # a collector
    python main.py           # then edit config.toml: another PORT, INTERVAL; or let the collector hang up

A new address means a new connection, made while the old one is still in use. If nobody answers there, the edit is rejected
and the old connection stays. A connection that breaks is rebuilt.
"""

import logging
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
from anyio.abc import SocketStream
from msgspec import Meta

from hotsettings import BaseSettings, Live, Resource, ResourceDown, SettingsError


class Settings(BaseSettings):
    HOST: str = "127.0.0.1"
    PORT: Annotated[int, Meta(ge=1, le=65535)] = 9009
    INTERVAL: Annotated[float, Meta(gt=0, description="Seconds between two readings.")] = 1.0


@asynccontextmanager
async def connection(settings: Settings) -> AsyncGenerator[SocketStream, None]:
    async with await anyio.connect_tcp(settings.HOST, settings.PORT) as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(watch_over, stream)
        yield stream
        tasks.cancel_scope.cancel()


async def watch_over(stream: SocketStream) -> None:
    """Raise when the collector hangs up. If the context manager of a resource raises, the resource is rebuilt."""
    async for _ in stream:
        pass  # a collector says nothing
    raise ConnectionError("the collector has hung up")


async def work(live: Live[Settings], collector: Resource[SocketStream]) -> None:
    number = 0
    while True:
        try:
            async with collector.lease() as stream:  # nobody closes it before it is sent
                await stream.send(f"reading {number}\n".encode())
            number += 1
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, ResourceDown) as error:
            print(f"reading {number} waits: {error!r}")
        await anyio.sleep(live.current.INTERVAL)


async def run() -> None:
    async with (
        Settings.watch(reload_signal=signal.SIGHUP) as live,
        live.resource(connection, "HOST", "PORT", drain_timeout=5) as collector,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(work, live, collector)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            await anext(signals)
        tasks.cancel_scope.cancel()


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # or nobody hears why an edit was rejected
    try:
        anyio.run(run)
    except (SettingsError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
