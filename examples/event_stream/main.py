"""Server-sent events with Starlette: open streams follow the settings.

python main.py
curl -N http://127.0.0.1:8000/events    # then edit HEARTBEAT or MESSAGE in config.toml
"""

import json
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
import uvicorn
from msgspec import Meta
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from hotsettings import BaseSettings, Live, RestartRequired, SettingsError


class Settings(BaseSettings):
    PORT: RestartRequired[int] = 8000
    MESSAGE: str = "hello"
    HEARTBEAT: Annotated[float, Meta(gt=0, description="Seconds between two signs of life.")] = 15.0


async def stream(live: Live[Settings]) -> AsyncGenerator[str, None]:
    changes = live.changes("MESSAGE", "HEARTBEAT")
    yield event(live.current)
    while True:
        change = None
        with anyio.move_on_after(live.current.HEARTBEAT):
            change = await anext(changes, None)
            if change is None:  # nothing is watched any more
                return
        if change is None:
            yield ": heartbeat\n\n"
        elif "MESSAGE" in change.keys:
            yield event(change.new)
        # Else it is the interval that has changed: the wait begins again, with the new one.


def event(settings: Settings) -> str:
    return f"data: {json.dumps(settings.MESSAGE)}\n\n"


async def events(request: Request) -> StreamingResponse:
    return StreamingResponse(
        stream(request.app.state.live), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
    async with Settings.watch() as live:
        app.state.live = live
        yield


app = Starlette(routes=[Route("/events", events)], lifespan=lifespan)


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # or nobody hears why an edit was rejected
    try:
        port = Settings().PORT
    except SettingsError as error:
        sys.exit(str(error))
    # A stream has no end of its own, and a server that is stopped would wait for it.
    uvicorn.run(app, host="127.0.0.1", port=port, timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
