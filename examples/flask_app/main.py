"""A Flask application: each request has one snapshot of the settings, in every worker of gunicorn.

gunicorn --workers 3 --bind 127.0.0.1:8000 main:app              # or with --preload
curl --json '{"quantity": 3}' http://127.0.0.1:8000/orders      # then edit PRICE and DISCOUNT in config.toml
curl http://127.0.0.1:8000/health

The settings are followed from when this module is imported. With --preload that is before gunicorn forks its workers: each
worker goes on by itself.
"""

import logging
import os
from typing import Annotated

from flask import Flask, request
from msgspec import Meta

from hotsettings import BaseSettings
from hotsettings.integrations.wsgi import PinnedSettings, settings_of


class Settings(BaseSettings):
    PRICE: Annotated[float, Meta(gt=0)] = 10.0
    DISCOUNT: Annotated[float, Meta(ge=0, lt=1)] = 0.0


logging.basicConfig(
    format="%(process)d %(levelname)s %(name)s: %(message)s"
)  # or nobody hears why an edit was rejected
live = Settings.watch().start()

app = Flask(__name__)
app.wsgi_app = PinnedSettings(app.wsgi_app, live)  # type: ignore[method-assign]


@app.post("/orders")
def order() -> dict[str, float]:
    settings = settings_of(request.environ, Settings)
    # Price and discount belong together, however long this takes and whatever is edited meanwhile.
    total = request.json["quantity"] * settings.PRICE * (1 - settings.DISCOUNT)
    return {"price": settings.PRICE, "discount": settings.DISCOUNT, "total": total}


@app.get("/health")
def health() -> dict[str, object]:
    # Anybody may ask, so why an edit was rejected stands in the log alone.
    return {"pid": os.getpid(), "digest": live.snapshot.digest, "healthy": live.status.healthy}
