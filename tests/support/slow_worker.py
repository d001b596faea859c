"""A worker whose handler writes down what it has handled, one line each: ``python slow_worker.py FOLDER SECONDS FILE``."""

import os
import sys
from pathlib import Path

import anyio

from integr8scode.handlers import Worker
from integr8scode.retries import Message
from integr8scode.worker import run


def main() -> None:
    folder, seconds, file = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    handled = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def handle(message: Message) -> None:
        await anyio.sleep(seconds)
        os.write(handled, (message.value or b"") + b"\n")

    run(
        Worker(handle),
        folder / "config.coordinator.toml",
        config=folder / "config.toml",
        secrets=folder / "secrets.toml",
    )


if __name__ == "__main__":
    main()
