"""An application of Celery that follows settings. Its broker is a folder."""

from __future__ import annotations

import os

from celery import Celery

from support.forking import sees
from support.serving import live

app = Celery("follows", broker="filesystem://", backend="file://results")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.worker_prefetch_multiplier = 1


@app.task  # type: ignore[untyped-decorator]
def follow(value: int) -> list[object]:
    """Wait until a value is live; return the process, and whether it is healthy."""
    return [os.getpid(), sees(live, value)[1]]
