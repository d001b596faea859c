"""Reading what all processes report of themselves."""

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

_LATE = 1.0
"""Seconds that reports may come after all of them were said to be told."""


class Reported(Struct, frozen=True):
    """A report, and when the store got it, in UTC by the store's clock."""

    report: Report
    at: datetime


class Gathered(Struct, frozen=True):
    """All reports by instance, and the instances that have withdrawn theirs, since they ended in order."""

    reports: Mapping[str, Reported] = MappingProxyType({})
    withdrawn: frozenset[str] = frozenset()


async def read_reports(bucket: Bucket) -> Gathered:
    """Read the reports of those who follow a bucket. Raises LayerError if the store does not answer."""
    try:
        name = reports_of(bucket.name)
        state = (await bucket.answer(bucket.js.stream_info(f"KV_{name}"))).state
        if not state.messages:
            return Gathered()
        held = await bucket.answer(bucket.js.key_value(name))
        return await bucket.answer(_gather(held, state.last_seq))
    except NotFoundError:
        return Gathered()  # nobody has ever reported
    except (NatsError, OSError, TimeoutError) as error:
        raise unreachable(bucket.where, error) from None


async def _gather(held: KeyValue, last: int) -> Gathered:
    entries: dict[str, KeyValue.Entry] = {}
    watch = await held.watchall()
    try:
        while isinstance(entry := await _next(watch), KeyValue.Entry):
            entries[entry.key] = entry
        # That this was all may be told too early: by a server that is behind, or by one that has just sent the rest.
        with anyio.move_on_after(_LATE):
            while max((entry.revision or 0 for entry in entries.values()), default=0) < last:
                if isinstance(entry := await _next(watch), KeyValue.Entry):
                    entries[entry.key] = entry
    finally:
        with suppress(NatsError):  # where the connection is lost, the watch is too
            await watch.stop()  # type: ignore[no-untyped-call]
    return _sorted(entries.values())


def _sorted(entries: Iterable[KeyValue.Entry]) -> Gathered:
    reports: dict[str, Reported] = {}
    withdrawn: set[str] = set()
    for entry in entries:
        report = decoded(entry.value)
        at: Any = entry.created  # a datetime, whatever its annotation says
        if entry.operation is not None:
            withdrawn.add(entry.key)
        elif report is not None and report.instance == entry.key:
            reports[entry.key] = Reported(report, at)
    return Gathered(reports, frozenset(withdrawn))


async def _next(watch: KeyValue.KeyWatcher) -> object:
    return await watch.updates(timeout=ANSWER)  # type: ignore[no-untyped-call]


async def regularly(where: Servers, bucket: str, every: float) -> AsyncGenerator[Gathered | LayerError, None]:
    """Yield what is reported, every so many seconds; a LayerError for each time that the store does not answer.

    Raises what ``reached`` raises for a bucket that is not there.
    """
    while True:
        try:
            async with reached(where, bucket) as found:
                while True:
                    yield await read_reports(found)
                    await anyio.sleep(every)
        except LayerError as error:
            yield error
        await anyio.sleep(every)
