"""Reports: what each process has applied, or why it has not. They are in the store, and contain no values."""

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

from .._layers.layer import Layer, revision_of
from .._layers.store import Store, StoreLayer
from ..errors import SHOWN_PROBLEMS, Origin, Problem, unshown

if TYPE_CHECKING:
    from .._live.live import Live
    from .._live.status import Rejection

TTL = 30.0
"""Seconds after which the store removes a report that was not renewed."""
RENEWAL = 10.0
"""Seconds between two reports if nothing changes."""

Source = Literal["store", "offline", "copy"]
_SOURCES: dict[str, Source] = {"offline": "offline", "copy": "copy"}


class ReportedProblem(Struct, frozen=True):
    """A problem without its excerpt, and without a message that other code wrote: both could quote a value."""

    key: str
    code: str
    origin: Origin
    message: str = ""


class Report(Struct, frozen=True):
    """The status of one live object. The store keeps it under its ``instance`` for 30 seconds.

    ``applied`` and ``tried`` map keys of the bucket to revisions: those that are live, and those that were read last.
    ``rejection`` says in words why the last reload was not applied. ``rejected_by`` is what rejected it, as in
    ``Rejection.by``, and ``problems`` are its first 100. ``source`` is "store", "offline" (the store does not answer, and the
    last known settings stay live) or "copy" (the process has started from the copy on disk). ``digest`` is the same wherever
    the same settings are live. Times are in UTC.
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
    """The name of the bucket for the reports of the processes that follow ``bucket``."""
    return f"{bucket}-reports"


async def reports_bucket(js: JetStreamContext, bucket: str) -> KeyValue:
    """Open the bucket of reports. If there is none, make it, in memory. Raises what nats-py raises."""
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
    """Encode a report as JSON."""
    return msgspec.json.encode(report)


def decoded(data: bytes | None) -> Report | None:
    """Decode a report; None if these bytes are not one, since others may write into the bucket too."""
    try:
        return msgspec.json.decode(data or b"", type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def own_name() -> str:
    """The host and the process id, in characters that a key may contain."""
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
    """Make the report of a live object. ``layers`` are those that its settings came from."""
    status, snapshot = live.status, live.snapshot
    keys = {layer.name: layer.key for layer in layers if isinstance(layer, StoreLayer) and layer.store is store}
    return Report(
        instance=instance,
        service=service,
        generation=snapshot.generation,
        digest=snapshot.digest,
        healthy=status.healthy,
        applied={keys[layer.name]: revision_of(layer) or 0 for layer in layers if layer.name in keys},
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
