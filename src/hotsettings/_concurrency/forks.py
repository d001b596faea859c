"""What becomes of us in a forked process. Only the thread that forks goes on there.

Whatever other threads were doing at that moment stays half done in the child, and what they have locked stays locked. So the
child uses nothing that belongs to them: it closes its copies of their descriptors, which the parent does not notice, and
begins anew with what is known. Whoever owns such a thing asks to be `told_of_forks`. What must never be seen half done, not in a
child either, is changed under ``lock``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from .._boundary import type_and_place
from .._log import logger

lock = threading.RLock()
"""Held during a fork, and by whoever changes several things that belong together."""
_owners: dict[object, tuple[Callable[[], object], AbstractContextManager[object] | None]] = {}
_held = ExitStack()
"""The locks that are held during the fork."""


@contextmanager
def told_of_forks(
    in_child: Callable[[], object], lock_of_owner: AbstractContextManager[object] | None = None
) -> Generator[None]:
    """Call ``in_child`` in processes that are forked in the length of this block, by their only thread. Inner blocks come first.

    Args:
        in_child: Called once in each child. Whoever wants to be told of forks of the child too has to ask for it there.
        lock_of_owner: Held during the fork, so that what it protects is whole in the child.
    """
    key = object()
    with lock:
        _owners[key] = in_child, lock_of_owner
    try:
        yield
    finally:
        with lock:
            _owners.pop(key, None)


def _before() -> None:
    lock.acquire()
    for _, lock_of_owner in _owners.values():
        if lock_of_owner is not None:
            _held.enter_context(lock_of_owner)


def _in_parent() -> None:
    _held.close()
    lock.release()


def _in_child() -> None:
    owners = [in_child for in_child, _ in reversed(_owners.values())]
    _owners.clear()
    _in_parent()
    for in_child in owners:
        try:
            in_child()
        except Exception as error:
            logger.error("following the settings in a forked process failed: %s", type_and_place(error))


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
