"""Threads whose results tests want."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any


class Thread(threading.Thread):
    """Calls a function; a test that forgets it does not hang for it."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        super().__init__(daemon=True, name="of a test")
        self._call: Callable[[], Any] = partial(function, *arguments, **options)
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._error = error

    def result(self, within: float = 30.0) -> Any:
        """Wait for it, and return or raise what it did."""
        self.join(within)
        assert not self.is_alive(), "it hangs"
        if self._error is not None:
            raise self._error
        return self._result


def in_thread(function: Callable[..., Any], *arguments: Any, **options: Any) -> Thread:
    thread = Thread(function, *arguments, **options)
    thread.start()
    return thread


def soon(condition: Callable[[], object], within: float = 15.0) -> None:
    """Wait for what happens soon, and fail where it does not."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.001)
