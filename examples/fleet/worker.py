"""One worker. It follows the store, and a file of its own for secrets.

python -m examples.fleet.worker URL FOLDER NAME RELEASE
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

import anyio

from hotsettings import FileLayer, Live
from hotsettings.nats import NatsStore

from .settings import Older, Settings

RELEASES: dict[str, type[Settings]] = {"today": Settings, "older": Older}


async def work(url: str, folder: Path, name: str, release: type[Settings]) -> None:
    store = NatsStore(url, "settings", copy=folder / f"{name}.copy", service="worker", instance=name)
    layers = [
        store.layer("config.toml"),
        FileLayer(folder / "secrets.toml", secret=True, required=False),
    ]
    async with release.watch(layers=layers) as live, anyio.create_task_group() as tasks:
        tasks.start_soon(tell, name, live)
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            await anext(signals)
        await live.wait_applied()  # whoever is ended at once after a change still says that it has it
        tasks.cancel_scope.cancel()


async def tell(name: str, live: Live[Settings]) -> None:
    changes = live.changes("BATCH")
    say(f"{name}: takes {live.current.BATCH} at once")
    async for change in changes:
        say(f"{name}: takes {change.new.BATCH} at once, and no longer {change.old.BATCH}")


def say(line: str) -> None:
    """Write a line in one piece: the workers share one output, and `print` would write the line end by itself."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    url, folder, name, release = sys.argv[1:]
    logging.basicConfig(format=f"{name}: %(message)s", stream=sys.stdout)
    try:
        anyio.run(work, url, Path(folder), name, RELEASES[release])
    except* KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
