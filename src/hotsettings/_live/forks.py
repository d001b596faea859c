"""What follows settings when its process is forked. Only the thread that forks goes on in the child.

Whatever other threads were doing at that moment stays half done there, so nothing of it is used: the child closes the
descriptors that it has inherited, which is not seen by the parent, and begins anew. The secrets that are known go on, and their lock
is held during the fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from .._boundary import type_and_place
from .._log import logger
from .._redaction import Redactor

_lock = threading.RLock()
_followers: dict[object, tuple[Redactor, Callable[[], None]]] = {}


@contextmanager
def told_of_forks(redactor: Redactor, in_child: Callable[[], None]) -> Generator[None]:
    """Call ``in_child`` in processes that are forked in the length of this block, where the redactor can still be used."""
    key = object()
    with _lock:
        _followers[key] = redactor, in_child
    try:
        yield
    finally:
        with _lock:
            _followers.pop(key, None)


def _before() -> None:
    _lock.acquire()
    for redactor, _ in _followers.values():
        redactor.lock.acquire()


def _release() -> None:
    for redactor, _ in _followers.values():
        redactor.lock.release()
    _lock.release()


def _in_child() -> None:
    followers = [in_child for _, in_child in _followers.values()]
    _release()
    _followers.clear()
    for in_child in followers:
        try:
            in_child()
        except Exception as error:
            logger.error("following the settings in a forked process failed: %s", type_and_place(error))


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_release, after_in_child=_in_child)
