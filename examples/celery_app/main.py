"""Celery: the processes of a worker follow the settings, and each task sees one state of them.

    celery --app main worker --concurrency 3
    python main.py Ada Grace                    # then edit GREETING in config.toml, and ask again

The worker follows the files from when it imports this module. Celery then forks a pool of processes, each of which goes on by
itself. What Celery reads only once, such as the address of its broker, is marked as a key that needs a restart.
"""

import os
import sys

from celery import Celery

from hotsettings import BaseSettings, RestartRequired, Secret


class Settings(BaseSettings):
    BROKER: Secret[RestartRequired[str]] = "redis://127.0.0.1:6379/0"  # it may hold a password
    GREETING: str = "Hello"


live = Settings.watch().start()
app = Celery("main", broker=live.current.BROKER, backend=live.current.BROKER)


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def greet(name: str) -> str:
    settings = live.current  # read once: all that this task does belongs to one state
    return f"{settings.GREETING}, {name}! (process {os.getpid()})"


def main() -> None:
    for answer in [greet.delay(name) for name in sys.argv[1:]]:  # pyright: ignore[reportFunctionMemberAccess]
        print(answer.get(timeout=10))


if __name__ == "__main__":
    main()
