"""A FastAPI application: each request has one snapshot of the settings, and a page shows the settings.

cp secrets.example.toml secrets.toml && python main.py
curl --json '{"quantity": 3}' http://127.0.0.1:8000/orders
open http://127.0.0.1:8000/admin/settings    # user admin, and the password from secrets.toml
"""

import logging
import sys
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hmac import compare_digest
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from msgspec import Meta
from pydantic import BaseModel, PositiveInt
from starlette.datastructures import Headers

from hotsettings import BaseSettings, Live, RestartRequired, Secret, SettingsError
from hotsettings.integrations.asgi import PinnedSettings, Scope
from hotsettings.integrations.fastapi import pinned
from hotsettings.integrations.page import settings_page


class Settings(BaseSettings):
    PORT: RestartRequired[int] = 8000
    PRICE: Annotated[float, Meta(gt=0)] = 10.0
    DISCOUNT: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    ADMIN_PASSWORD: Secret[Annotated[str, Meta(min_length=12)]]


class Order(BaseModel):
    quantity: PositiveInt


def is_admin(scope: Scope) -> bool:
    live: Live[Settings] = scope["app"].state.live
    wanted = b64encode(f"admin:{live.current.ADMIN_PASSWORD}".encode()).decode()
    given = Headers(scope=scope).get("Authorization", "")
    if not compare_digest(given.encode(), f"Basic {wanted}".encode()):
        raise HTTPException(401, headers={"WWW-Authenticate": 'Basic realm="settings", charset="UTF-8"'})
    return True


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    async with Settings.watch() as live:
        app.state.live = live
        app.mount("/admin/settings", settings_page(live, authorize=is_admin))
        yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(PinnedSettings, lambda: app.state.live)


@app.post("/orders")
async def order(order: Order, settings: Annotated[Settings, Depends(pinned(Settings))]) -> dict[str, float]:
    # Price and discount belong together, however long this takes and whatever is edited meanwhile.
    total = order.quantity * settings.PRICE * (1 - settings.DISCOUNT)
    return {"price": settings.PRICE, "discount": settings.DISCOUNT, "total": total}


@app.get("/health")
async def health() -> dict[str, object]:
    live: Live[Settings] = app.state.live
    # Anybody may ask, so why an edit was rejected stands in the log alone.
    return {"generation": live.status.generation, "healthy": live.status.healthy}


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # or nobody hears why an edit was rejected
    try:
        port = Settings().PORT
    except SettingsError as error:
        sys.exit(str(error))
    # An open settings page is a stream, for which a server would wait when it is stopped.
    uvicorn.run(app, host="127.0.0.1", port=port, timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
