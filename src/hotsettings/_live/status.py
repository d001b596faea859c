"""The status of a live object, and its events: Applied and Rejection."""

import datetime
from typing import Literal

from msgspec import Struct

from .._layers.status import LayerStatus
from ..errors import Problem, Rejected

WaitKind = Literal["writing", "reading", "hook", "build", "leases"]


class Wait(Struct, frozen=True):
    """What has kept an edit from going live for over 2 seconds, and since when, in UTC.

    ``kind`` is "writing" or "reading" (of the layer ``name``), "hook" or "build" (one that has not returned), or "leases" (of
    an exclusive resource that is to be replaced). Hooks and resources are named after their functions.
    """

    __module__ = "hotsettings"

    kind: WaitKind
    name: str
    since: datetime.datetime

    def __str__(self) -> str:
        return _SAID[self.kind].format(self.name)


_SAID: dict[WaitKind, str] = {
    "writing": "layer {}, which somebody is still writing",
    "reading": "layer {}, a read of which does not come back",
    "hook": "the hook {}",
    "build": "the build {}",
    "leases": "the leases of {}",
}


class Applied(Struct, frozen=True, tag=True):
    """What the files say was accepted.

    ``keys`` are those that differ in this generation. They are empty if no live value has changed. There is an event
    then only if the files are good again after a rejection, or if other keys wait for a restart.
    """

    __module__ = "hotsettings"

    at: datetime.datetime
    generation: int
    keys: frozenset[str]
    pending_restart: frozenset[str] = frozenset()


class Rejection(Struct, frozen=True, tag=True):
    """A reload was not applied.

    ``by`` is what rejected it: "layers" (one cannot be read or parsed), "settings" (the values do not fit the class),
    "restart" (they do not fit together with values that wait for a restart), "hotsettings" (it failed itself), or else the
    name of a hook or a build. ``problems`` holds the first 1,000 of the ``total``. It is empty if a hook, a build or a
    timeout was the reason.
    """

    __module__ = "hotsettings"

    at: datetime.datetime
    reason: str
    problems: tuple[Problem, ...] = ()
    consecutive_failures: int = 1
    total: int = 0
    by: str = ""

    @classmethod
    def of(cls, rejected: Rejected, at: datetime.datetime, reason: str, failures: int) -> "Rejection":
        """Make one of what ``reload()`` raises for it."""
        return cls(at, reason, rejected.problems, failures, rejected.total, rejected.by)


class Status(Struct, frozen=True):
    """The health of a live object; times are in UTC.

    ``healthy`` is False while the last reload is a rejection, while a resource is down, and while a layer's state is
    another than "read", "missing" or "writing". ``last_error`` is the reason as a person reads it, and ``rejection``
    the same as data. ``pending_restart`` are the keys whose new values wait for the next start of the process.
    ``callback_failures`` counts what callbacks have raised so far. ``waiting_for`` says what has kept an edit from
    going live for over 2 seconds.
    """

    __module__ = "hotsettings"

    generation: int
    healthy: bool
    loaded_at: datetime.datetime
    last_attempt_at: datetime.datetime
    last_error: str | None
    consecutive_failures: int
    pending_restart: frozenset[str]
    layers: tuple[LayerStatus, ...]
    callback_failures: int = 0
    waiting_for: tuple[Wait, ...] = ()
    rejection: Rejection | None = None
