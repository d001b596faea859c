"""Waiting for what a process reports of itself."""

from __future__ import annotations

import anyio
from nats.js.errors import NotFoundError
from nats.js.kv import KeyValue

from hotsettings.nats import Report
from hotsettings.nats.reports import decoded, own_name
from support.fleet import PATIENCE


async def reported(kv: KeyValue, name: str | None = None) -> Report | None:
    """The report of an instance, this process by default."""
    try:
        held = await kv._js.key_value(f"{kv._name}-reports")
        return decoded((await held.get(name or own_name())).value)
    except NotFoundError:
        return None


async def until_reported(kv: KeyValue, name: str | None = None, **expected: object) -> Report:
    """Wait until a report says so."""
    found: Report | None = None
    try:
        with anyio.fail_after(PATIENCE):
            while True:
                found = await reported(kv, name)
                if found and all(getattr(found, key) == value for key, value in expected.items()):
                    return found
                await anyio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{expected} is not reported, but {found}") from None
