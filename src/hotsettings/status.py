"""What a live object says about itself, and the events it tells for the record."""

from __future__ import annotations

import datetime
from typing import Literal

from msgspec import Struct

from .errors import Problem

LayerState = Literal["read", "missing", "reading", "stale", "offline", "copy"]


class LayerStatus(Struct, frozen=True):
    """How one layer stands.

    ``state`` is "read", "missing" (and allowed to be), "reading" (a read has not come back for over a second: a stalled
    mount), "stale" (the file was replaced outside of a single-file mount, so that no edit will ever arrive), "offline" (its
    store cannot be reached, and what it held last serves) or "copy" (its store could not be reached since the start, and the
    last good copy on disk serves). ``revision`` is that of the document in its store which was read last.
    """

    name: str
    file: str
    state: LayerState
    revision: int | None = None


class Status(Struct, frozen=True):
    """The health of a live object; times are in UTC.

    ``healthy`` is False while the last reload stands rejected, while a resource is down, and while a layer's state is another
    than "read" or "missing". ``last_error`` is the reason as a person reads it. ``pending_restart`` are the keys whose new
    values wait for the next start of the process. ``callback_failures`` counts what callbacks have raised so far.
    """

    generation: int
    healthy: bool
    loaded_at: datetime.datetime
    last_attempt_at: datetime.datetime
    last_error: str | None
    consecutive_failures: int
    pending_restart: frozenset[str]
    layers: tuple[LayerStatus, ...]
    callback_failures: int = 0


class Applied(Struct, frozen=True, tag=True):
    """What the files say was accepted.

    ``keys`` are those that differ in this generation. They are empty where no value that is live has changed, and it is told
    all the same: after a rejection the files are good again, or other keys wait for a restart.
    """

    at: datetime.datetime
    generation: int
    keys: frozenset[str]
    pending_restart: frozenset[str] = frozenset()


class Rejection(Struct, frozen=True, tag=True):
    """A reload was not applied.

    ``problems`` holds the first 1,000 of the ``total``. It is empty if a hook, a build or a timeout was the reason.
    """

    at: datetime.datetime
    reason: str
    problems: tuple[Problem, ...] = ()
    consecutive_failures: int = 1
    total: int = 0
