"""The floor: a process that watches the same bucket with nats-py alone, and writes down when it is told of a change."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import IO

import anyio
import msgspec
import nats

from .records import Order, Told


async def work(order: Order, log: IO[bytes]) -> None:
    client = await nats.connect(list(order.urls), name="worker")
    watch = await (await client.jetstream().key_value(order.bucket)).watchall()

    async def note() -> None:
        async for entry in watch:
            if entry is not None:
                log.write(msgspec.json.encode(Told(time.monotonic_ns(), entry.revision or 0)) + b"\n")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(note)
        await anyio.wait_readable(sys.stdin)
        tasks.cancel_scope.cancel()
    await client.close()


def main() -> None:
    order = msgspec.json.decode(sys.argv[1], type=Order)
    with open(Path(order.folder, "log"), "ab", buffering=0) as log:
        anyio.run(work, order, log)


if __name__ == "__main__":
    main()
