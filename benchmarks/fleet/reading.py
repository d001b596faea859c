"""The reports of a fleet, read as anybody can."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import anyio
from nats.aio.client import Client
from nats.errors import Error as NatsError

from hotsettings.nats import Report
from hotsettings.nats.reports import decoded, reports_of

from .processes import came

Reports = Mapping[str, tuple[Report, bytes]]
"""Each report with its bytes, by the name of its process."""


async def reports(client: Client, bucket: str) -> Reports:
    """All reports; none while the store does not answer."""
    found: dict[str, tuple[Report, bytes]] = {}
    try:
        watch = await (await client.jetstream(timeout=2.0).key_value(reports_of(bucket))).watchall(ignore_deletes=True)
        with anyio.fail_after(5.0):
            async for entry in watch:
                if entry is None:
                    break
                report = decoded(entry.value)
                if report is not None:
                    found[report.instance] = (report, entry.value or b"")
        await watch.stop()  # type: ignore[no-untyped-call]
    except (NatsError, TimeoutError):
        return {}
    return found


async def reported(client: Client, bucket: str, enough: Callable[[Reports], bool]) -> Reports:
    """Wait until the reports are as they should be, and return them, as they are in the end."""
    found: Reports = {}

    async def look() -> bool:
        nonlocal found
        found = await reports(client, bucket)
        return enough(found)

    await came(look)
    return found
