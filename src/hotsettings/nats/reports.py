"""What each process says of itself in the store: what it has applied, and why not. Never a value."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import BucketNotFoundError
from nats.js.kv import KeyValue

from .._layers.layer import Layer
from .._layers.store import Store, StoreLayer
from ..errors import SHOWN_PROBLEMS, Origin, Problem, unshown

if TYPE_CHECKING:
    from .._live.live import Live
    from .._live.status import Rejection

TTL = 30.0
"""Seconds after which a report that was not renewed is gone."""
RENEWAL = 10.0
"""Seconds between two reports, where nothing happens."""

Source = Literal["store", "offline", "copy"]
_SOURCES: dict[str, Source] = {"offline": "offline", "copy": "copy"}


class ReportedProblem(Struct, frozen=True):
    """A problem without its excerpt, and without a message that other code wrote: both could quote a value."""

    key: str
    code: str
    origin: Origin
    message: str = ""


class Report(Struct, frozen=True):
    """How one live object stands. It is kept under its ``instance`` for 30 seconds.

    ``applied`` and ``tried`` are revisions by key of the bucket: of the documents that are live, and of those that were looked
    at last. ``rejection`` says in words why the last reload was not applied; ``rejected_by`` is what rejected it, as in
    ``Rejection.by``, and ``problems`` are its first 100. ``source`` is "store", "offline" (what the store held last serves) or
    "copy" (the process has begun with the copy on disk). ``digest`` is the same wherever the same settings are live. Times are
    in UTC.
    """

    instance: str
    service: str
    generation: int
    digest: str
    healthy: bool
    applied: Mapping[str, int]
    tried: Mapping[str, int]
    rejection: str | None
    pending_restart: tuple[str, ...]
    source: Source
    started_at: datetime
    at: datetime
    rejected_by: str = ""
    problems: tuple[ReportedProblem, ...] = ()


def reports_of(bucket: str) -> str:
    """The bucket that holds the reports of those who follow a bucket."""
    return f"{bucket}-reports"


async def reports_bucket(js: JetStreamContext, bucket: str) -> KeyValue:
    """The bucket of reports; it is made, in memory, where there is none. Raises what nats-py does."""
    try:
        return await js.key_value(reports_of(bucket))
    except BucketNotFoundError:
        replicas = (await js.stream_info(f"KV_{bucket}")).config.num_replicas or 1
        return await js.create_key_value(
            KeyValueConfig(
                reports_of(bucket),
                "What each process has applied",
                ttl=TTL,
                storage=StorageType.MEMORY,
                replicas=replicas,
            )
        )


def encoded(report: Report) -> bytes:
    """A report as it stands in its bucket: JSON."""
    return msgspec.json.encode(report)


def decoded(data: bytes | None) -> Report | None:
    """The report in these bytes; None if it is none, for anybody may have written there."""
    try:
        return msgspec.json.decode(data or b"", type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def own_name() -> str:
    """Host and process, of characters that a key may have."""
    host = re.sub(r"[^-_=.a-zA-Z0-9]", "_", socket.gethostname()).strip(".") or "host"
    return f"{host}/{os.getpid()}"


def report_on(
    live: Live[Any],
    layers: tuple[Layer, ...],
    store: Store,
    instance: str,
    service: str,
    started_at: datetime,
) -> Report:
    """Write a report on a live object, whose ``layers`` are those that its settings came from."""
    status, snapshot = live.status, live.snapshot
    keys = {layer.name: layer.key for layer in layers if isinstance(layer, StoreLayer) and layer.store is store}
    return Report(
        instance=instance,
        service=service,
        generation=snapshot.generation,
        digest=snapshot.digest,
        healthy=status.healthy,
        applied={keys[layer.name]: layer.revision or 0 for layer in layers if layer.name in keys},
        tried={keys[layer.name]: layer.revision or 0 for layer in status.layers if layer.name in keys},
        rejection=_in_words(status.rejection) if status.rejection is not None else None,
        pending_restart=tuple(sorted(status.pending_restart)),
        source=_SOURCES.get(store.state, "store"),
        started_at=started_at,
        at=datetime.now(UTC),
        rejected_by=status.rejection.by if status.rejection is not None else "",
        problems=_problems(status.rejection) if status.rejection is not None else (),
    )


def _in_words(rejection: Rejection) -> str:
    """Why a reload was not applied, without the lines and the texts of others that could quote a value."""
    if rejection.problems:
        return "; ".join([*map(_place_and_rule, rejection.problems[:SHOWN_PROBLEMS]), *unshown(rejection.total)])
    return f"refused by {rejection.by} (its log says why)"


def _problems(rejection: Rejection) -> tuple[ReportedProblem, ...]:
    return tuple(
        ReportedProblem(each.key, each.code, each.origin, "" if each.foreign else each.message)
        for each in rejection.problems[:SHOWN_PROBLEMS]
    )


def _place_and_rule(problem: Problem) -> str:
    rule = "a rule of the class does not hold (its log says which)" if problem.foreign else problem.message
    return "  ".join(filter(None, (str(problem.origin), f"{problem.key}: {rule}" if problem.key else rule)))
