"""How the layers of a live object stand."""

import datetime
from typing import Literal

from msgspec import Struct

PATIENCE = 2.0
"""Seconds after which the status and the log say what keeps an edit from going live."""

LayerState = Literal["read", "missing", "writing", "reading", "unreadable", "stale", "offline", "copy"]


class LayerStatus(Struct, frozen=True):
    """How one layer stands.

    ``state`` is "read", "missing" (and allowed to be), "writing" (somebody has been writing the file for over 2 seconds; edits
    of other layers go live without it), "reading" (a read has not come back for over 2 seconds: a stalled mount), "unreadable"
    (reading it fails, and is tried again; after 2 seconds that is a rejection), "stale" (the file or folder that
    is mounted on the way to it was renamed or removed outside, so that edits of its old path do not arrive), "offline" (its store cannot be reached, and what it held last serves)
    or "copy" (its store could not be reached since the start, and the last good copy on disk serves). ``revision`` is that of
    the document in its store which was read last. ``since`` is when the writing, reading or failing began, in UTC.
    """

    __module__ = "hotsettings"

    name: str
    file: str
    state: LayerState
    revision: int | None = None
    since: datetime.datetime | None = None
