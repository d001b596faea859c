"""What a worker of the measured server runs. FOLLOWER says which library it follows the settings with."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from hotsettings import BaseSettings


class Settings(BaseSettings):
    A: int = 0


def tell(value: int) -> None:
    """Tell the benchmark that this process sees a value now."""
    now = time.monotonic_ns()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(f"{os.getpid()} {value} {now}".encode(), os.environ["TOLD"])


current: Callable[[], Any]
follow_in_worker: Callable[[], object]

if os.environ["FOLLOWER"] == "hotsettings":
    live = Settings.watch("config.toml", secrets_path=None).start()
    live.on_change(lambda change: tell(change.new.A))

    def current() -> Any:
        return live.current

    def follow_in_worker() -> None:
        """Nothing: it follows by itself."""
else:
    from dynamic_config import DynamicConfig

    config: Any = DynamicConfig(Settings, key="").whole_document().file("config.toml")
    config.init()
    guard = config.on_change("A")(lambda _, new: tell(new.A))
    current = config.current
    watches: list[Any] = []
    """They last as long as the process."""

    def follow_in_worker() -> None:
        """Its thread is not there after a fork, so each worker starts one."""
        watches.append(config.watch(debounce=float(os.environ["DEBOUNCE"])))


def application(environ: object, start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """Answer with the process and the value that it sees."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {current().A}".encode()]
