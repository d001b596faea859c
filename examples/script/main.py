"""A script that runs for long and has no event loop: its thread pool is replaced when its size changes.

python main.py    # then edit config.toml: SIZE and PAUSE count for the next round, WORKERS makes another pool
"""

import hashlib
import logging
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import sleep
from typing import Annotated

from msgspec import Meta

from hotsettings import BaseSettings, BlockingLive, BlockingResource, Change, SettingsError


class Settings(BaseSettings):
    WORKERS: Annotated[int, Meta(ge=1, le=64, description="Threads that work at the same time.")] = 2
    SIZE: Annotated[int, Meta(ge=1, description="Bytes of each piece of work.")] = 1_000_000
    PAUSE: Annotated[float, Meta(ge=0, description="Seconds between two rounds.")] = 1.0


@contextmanager
def pool(settings: Settings) -> Generator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(settings.WORKERS) as executor:
        yield executor


def report(change: Change[Settings]) -> None:
    print(f"generation {change.generation}: {', '.join(sorted(change.keys))}")


def work(live: BlockingLive[Settings], workers: BlockingResource[ThreadPoolExecutor]) -> None:
    while True:
        settings = live.current  # read once: all pieces of a round have the same size
        with workers.lease() as executor:  # nobody shuts it down before the round is over
            digests = set(executor.map(digest, [settings.SIZE] * settings.WORKERS))
        print(f"{settings.WORKERS} pieces of {settings.SIZE} bytes: {digests}")
        sleep(live.current.PAUSE)


def digest(size: int) -> str:
    return hashlib.sha256(bytes(size)).hexdigest()[:8]


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # or nobody hears why an edit was rejected
    try:
        with Settings.watch() as live, live.resource(pool, "WORKERS") as workers:
            live.on_change(report)
            work(live, workers)
    except SettingsError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
