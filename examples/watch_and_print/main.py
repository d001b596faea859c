"""Watch the files, and print the result of each edit.

python main.py    # then edit config.toml: another BATCH, a wrong one, another WORKERS
"""

import logging
import sys
from typing import Annotated

import anyio
from msgspec import Meta

from hotsettings import Applied, BaseSettings, Rejection, RestartRequired, Secret, SettingsError


class Settings(BaseSettings):
    BROKERS: tuple[str, ...] = ("localhost:9092",)
    BATCH: Annotated[int, Meta(ge=1)] = 100
    WORKERS: RestartRequired[int] = 4
    PASSWORD: Secret[str] = ""


async def follow() -> None:
    async with Settings.watch() as live:
        print(f"generation {live.snapshot.generation}: {live.current}")
        async for event in live.events():
            match event:
                case Applied(generation=generation, keys=keys, pending_restart=pending):
                    print(f"generation {generation}")
                    for key in sorted(keys | pending):
                        print(live.explain(key))
                case Rejection(reason=reason):
                    print(f"rejected: {reason}")


def main() -> None:
    logging.getLogger("hotsettings").setLevel(logging.ERROR)  # rejections are printed already
    try:
        anyio.run(follow)
    except SettingsError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
