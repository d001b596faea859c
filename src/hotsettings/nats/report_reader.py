"""Reads the reports of all processes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Any

import anyio
from msgspec import Struct
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from nats.js.kv import KeyValue

from ..errors import LayerError
from .bucket import ANSWER, Bucket, reached
from .connection import Servers, unreachable
from .reports import Report, decoded, reports_of

_CATCH_UP = 1.0
"""Seconds in which reports may arrive after nats-py has said that these were all."""


class ReceivedReport(Struct, frozen=True):
    """A report, and when the store received it, in UTC by the clock of the store."""

    report: Report
    at: datetime


class Reports(Struct, frozen=True):
    """The reports by instance, and the instances that have withdrawn theirs because they have ended."""

    received: Mapping[str, ReceivedReport] = MappingProxyType({})
    withdrawn: frozenset[str] = frozenset()


async def read_reports(bucket: Bucket) -> Reports:
    """Read the reports of all processes that follow a bucket. Raises LayerError if the store does not answer."""
    try:
        name = reports_of(bucket.name)
        state = (await bucket.answer(bucket.js.stream_info(f"KV_{name}"))).state
        if not state.messages:
            return Reports()
        held = await bucket.answer(bucket.js.key_value(name))
        return await bucket.answer(_read_all(held, state.last_seq))
    except NotFoundError:
        return Reports()  # no process has ever reported
    except (NatsError, OSError, TimeoutError) as error:
        raise unreachable(bucket.servers, error) from None


async def _read_all(held: KeyValue, last: int) -> Reports:
    entries: dict[str, KeyValue.Entry] = {}
    watch = await held.watchall()
    try:
        while (entry := await _next(watch)) is not None:
            entries[entry.key] = entry
        # nats-py says so once, and may do so too early: if the server lags behind, or has only just sent the rest.
        with anyio.move_on_after(_CATCH_UP):
            while max((entry.revision or 0 for entry in entries.values()), default=0) < last:
                entry = await _next(watch)
                entries[entry.key] = entry
    finally:
        with suppress(NatsError):  # if the connection is lost, the watch is too
            await watch.stop()  # type: ignore[no-untyped-call]
    return _sorted(entries.values())


def _sorted(entries: Iterable[KeyValue.Entry]) -> Reports:
    reports: dict[str, ReceivedReport] = {}
    withdrawn: set[str] = set()
    for entry in entries:
        report = decoded(entry.value)
        at: Any = entry.created  # a datetime, whatever its annotation says
        if entry.operation is not None:
            withdrawn.add(entry.key)
        elif report is not None and report.instance == entry.key:
            reports[entry.key] = ReceivedReport(report, at)
    return Reports(reports, frozenset(withdrawn))


async def _next(watch: KeyValue.KeyWatcher) -> Any:
    return await watch.updates(timeout=ANSWER)  # type: ignore[no-untyped-call]


async def poll_reports(servers: Servers, bucket: str, interval: float) -> AsyncGenerator[Reports | LayerError, None]:
    """Yield the reports every ``interval`` seconds, or a LayerError each time that the store does not answer.

    Raises NoBucket.
    """
    while True:
        try:
            async with reached(servers, bucket) as found:
                while True:
                    yield await read_reports(found)
                    await anyio.sleep(interval)
        except LayerError as error:
            yield error
        await anyio.sleep(interval)
