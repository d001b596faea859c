"""A backend whose secrets come from its environment, and whose MongoDB URL is made of five keys.

    SECRET_KEY=a-key-of-at-least-thirty-two-characters MONGO_PASSWORD=swordfish python main.py coordinator
    SECRET_KEY=a-key-of-at-least-thirty-two-characters MONGO_PASSWORD=swordfish python main.py k8s-worker

Three layers, the last one wins: ``config.toml``, the secrets that the program takes from its environment, and the override of
one worker. hotsettings itself reads no environment variable. Edit a file while it runs.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import anyio
from msgspec import Meta

from hotsettings import (
    BaseSettings,
    Before,
    Deprecated,
    FileLayer,
    Renamed,
    Secret,
    Section,
    SettingsError,
    ValuesLayer,
    derived,
)

HERE = Path(__file__).parent
SECRETS = ("SECRET_KEY", "MONGO_PASSWORD", "REDIS_PASSWORD")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def duration(value: Any) -> Any:
    """Take "5m" for five minutes. Anything else is left to the type."""
    if isinstance(value, str) and value[:-1].isdigit() and value[-1] in UNITS:
        return timedelta(**{UNITS[value[-1]]: int(value[:-1])})
    return value


class Settings(BaseSettings):
    PROJECT_NAME: Annotated[str, Section("General"), Meta(description="How the project is called.")]
    SECRET_KEY: Secret[Annotated[str, Meta(min_length=32, description="Signs tokens.")]]

    MONGO_HOST: Annotated[str, Section("MongoDB"), Renamed("MONGODB_HOST")] = "localhost"
    MONGO_PORT: Annotated[int, Meta(ge=1, le=65535)] = 27017
    MONGO_USER: str = "root"
    MONGO_PASSWORD: Secret[str]
    MONGO_DB: str = "integr8scode_db"

    REDIS_HOST: Annotated[str, Section("Redis")] = "localhost"
    REDIS_PASSWORD: Secret[str | None] = None

    KAFKA_BOOTSTRAP_SERVERS: Annotated[str, Section("Kafka")] = "localhost:9092"
    KAFKA_CONSUMER_GROUP_ID: str = "backend"
    KAFKA_RETRIES: Annotated[int, Deprecated("the client decides by itself")] = 5

    POD_TIMEOUT: Annotated[timedelta, Section("Pods"), Before(duration)] = timedelta(minutes=5)

    @derived("MONGO_*")
    def MONGODB_URL(self) -> str:  # noqa: N802 - a key like the others
        login = f"{quote(self.MONGO_USER)}:{quote(self.MONGO_PASSWORD)}"
        return f"mongodb://{login}@{self.MONGO_HOST}:{self.MONGO_PORT}/{self.MONGO_DB}?authSource=admin"


def layers(worker: str) -> list[FileLayer | ValuesLayer]:
    """The layers of one worker, in rising precedence."""
    secrets = {name: os.environ[name] for name in SECRETS if name in os.environ}
    return [
        FileLayer(HERE / "config.toml"),
        ValuesLayer(secrets, name="environment", secret=True),
        FileLayer(HERE / f"config.{worker}.toml"),
    ]


async def main(worker: str) -> None:
    try:
        async with Settings.watch(layers=layers(worker)) as live:
            print(live.explain("MONGODB_URL"))
            print(live.explain("REDIS_PASSWORD"))
            print(f"{live.current.KAFKA_CONSUMER_GROUP_ID}: pods may take {live.current.POD_TIMEOUT}", flush=True)
            async for change in live.changes("MONGODB_URL", "POD_TIMEOUT"):
                if "MONGODB_URL" in change.keys:
                    print(f"connects to {change.new.MONGO_HOST}:{change.new.MONGO_PORT}", flush=True)
                if "POD_TIMEOUT" in change.keys:
                    print(f"pods may take {change.new.POD_TIMEOUT}", flush=True)
    except SettingsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    try:
        anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else "coordinator")
    except KeyboardInterrupt:
        pass
