"""A server with several processes. Each process watches the files by itself, and all arrive at the same settings.

    python main.py
    for i in 1 2 3 4 5 6 7 8; do curl -s http://127.0.0.1:8000/; done    # then edit GREETING in config.toml

The digest is equal in all processes that have the same settings, so compare it to see whether they agree. The generation
counts in one process only; a process that was started later has a lower one.
"""

import logging
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from msgspec import Meta
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hotsettings import BaseSettings, Live, RestartRequired, SettingsError


class Settings(BaseSettings):
    PORT: RestartRequired[int] = 8000
    PROCESSES: RestartRequired[Annotated[int, Meta(ge=1, le=64)]] = 4
    GREETING: str = "Hello"


async def greet(request: Request) -> JSONResponse:
    live: Live[Settings] = request.app.state.live
    snapshot = live.snapshot  # read once: greeting and digest belong together
    return JSONResponse(
        {"pid": os.getpid(), "greeting": snapshot.settings.GREETING, "digest": snapshot.digest},
        headers={"Connection": "close"},  # so that the next request may come to another process
    )


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
    # Here, since main() is not run in each process; or nobody hears why an edit was rejected.
    logging.basicConfig(format="%(process)d %(levelname)s %(name)s: %(message)s")
    async with Settings.watch() as live:
        app.state.live = live
        yield


app = Starlette(routes=[Route("/", greet)], lifespan=lifespan)


def main() -> None:
    try:
        settings = Settings()
    except SettingsError as error:
        sys.exit(str(error))
    uvicorn.run("main:app", host="127.0.0.1", port=settings.PORT, workers=settings.PROCESSES)


if __name__ == "__main__":
    main()
