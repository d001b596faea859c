"""One process of the fleet: it follows its settings, and writes down every state that it shows, until its input ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import IO, Any

import anyio
import msgspec

from hotsettings import FileLayer
from hotsettings._layers.layer import revision_of
from hotsettings.nats import NatsStore

from .documents import RELEASES
from .records import BASE, SERVICE, Order, Shown

LOCAL = "local.toml"


async def work(order: Order, log: IO[bytes]) -> None:
    folder = Path(order.folder)
    store = NatsStore(
        order.urls,
        order.bucket,
        copy=folder / "copy" if order.copying else None,
        service="worker",
        instance=order.name,
        start_timeout=120,
    )
    layers = [store.layer(BASE), store.layer(SERVICE), FileLayer(folder / LOCAL)]
    cls: Any = RELEASES[order.release]
    async with cls.watch(layers=layers) as live, anyio.create_task_group() as tasks:
        changes = live.changes()
        log.write(line(shown(live)))

        async def note() -> None:
            async for _ in changes:
                log.write(line(shown(live)))

        tasks.start_soon(note)
        await anyio.wait_readable(sys.stdin)
        tasks.cancel_scope.cancel()


def shown(live: Any) -> Shown:
    at, snapshot = time.monotonic_ns(), live.snapshot
    settings = snapshot.settings
    revisions = {document.layer.name: revision_of(document.layer) or 0 for document in snapshot.loaded.documents}
    return Shown(
        at,
        max(revisions[BASE], revisions[SERVICE]),
        snapshot.generation,
        (settings.BASE, settings.SERVICE),
        (revisions[BASE], revisions[SERVICE]),
        {*settings.BASE_LIMITS.values()} == {settings.BASE.number}
        and {*settings.SERVICE_LIMITS.values()} == {settings.SERVICE.number},
        settings.PLACE,
    )


def line(record: Shown) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def main() -> None:
    order = msgspec.json.decode(sys.argv[1], type=Order)
    with open(Path(order.folder, "log"), "ab", buffering=0) as log:
        anyio.run(work, order, log)


if __name__ == "__main__":
    main()
