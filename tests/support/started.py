"""What runs while a ``with`` block does, and no process of which outlives the one that has started it."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Started(ABC):
    """What runs while a ``with`` block does."""

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def guard(pid: int) -> subprocess.Popen[bytes]:
    """Start a process that kills ``pid`` when this one is gone, however that ended: its input ends then."""
    return subprocess.Popen(["sh", "-c", f"read _; kill -KILL {pid}"], stdin=subprocess.PIPE, start_new_session=True)
