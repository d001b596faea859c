"""The states of the layers of a live object."""

import datetime
from typing import Literal

from msgspec import Struct

PATIENCE = 2.0
"""Seconds after which the status and the log say what keeps an edit from going live."""

LayerState = Literal["read", "missing", "writing", "reading", "unreadable", "stale", "offline", "copy"]


class LayerStatus(Struct, frozen=True):
    """The state of one layer.

    - "read": the layer is read, and its edits go live.
    - "missing": the layer is optional, and there is no such file or key.
    - "writing": somebody has been writing the file for over 2 seconds. Edits of other layers go live without it.
    - "reading": a read has not returned for over 2 seconds, as on a stalled mount.
    - "unreadable": reads fail, and are tried again. After 2 seconds that is a rejection.
    - "stale": the source of a mount on the file's path was renamed or removed outside, so edits at its old path do not
      arrive.
    - "offline": the store cannot be reached. Its last values stay live.
    - "copy": the store could not be reached since the start. The last good copy on disk is live.

    Args:
        name: The name of the layer.
        file: The path of the file or folder as the caller wrote it, or the place in the store. Empty for values that
            the program has.
        state: One of the above.
        revision: The revision of the document that was read last. None if the layer is not in a store.
        since: When the writing, reading or failing began, in UTC. None in all other states.
    """

    __module__ = "hotsettings"

    name: str
    file: str
    state: LayerState
    revision: int | None = None
    since: datetime.datetime | None = None
