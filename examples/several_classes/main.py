"""Two parts of one process, each with settings of its own in files of its own.

    python main.py    # then edit mail.toml or search.toml

Each class knows only its own keys, and both would read the default secrets file, secrets.toml. So the mail has a file of
its own, which may be missing, and the search has none.
"""

import logging
import sys
from typing import Annotated

import anyio
from msgspec import Meta

from hotsettings import BaseSettings, FileLayer, Live, Secret, SettingsError


class MailSettings(BaseSettings):
    HOST: str = "localhost"
    PASSWORD: Secret[str] = ""


class SearchSettings(BaseSettings):
    HOST: str = "localhost"
    RESULTS: Annotated[int, Meta(ge=1, le=100)] = 10


async def mail(live: Live[MailSettings]) -> None:
    print(f"mail through {live.current.HOST}")
    async for change in live.changes():
        print(f"mail through {change.new.HOST}, {', '.join(sorted(change.keys))} changed")


async def search(live: Live[SearchSettings]) -> None:
    print(f"{live.current.RESULTS} results from {live.current.HOST}")
    async for change in live.changes("RESULTS"):
        print(f"{change.new.RESULTS} results instead of {change.old.RESULTS}")


def layers(name: str) -> list[FileLayer]:
    return [FileLayer(f"{name}.toml"), FileLayer(f"secrets.{name}.toml", secret=True, required=False)]


async def run() -> None:
    async with (
        MailSettings.watch(layers=layers("mail")) as mail_settings,
        SearchSettings.watch(layers=layers("search")) as search_settings,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(mail, mail_settings)
        tasks.start_soon(search, search_settings)


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # or nobody hears why an edit was rejected
    try:
        anyio.run(run)
    except SettingsError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
