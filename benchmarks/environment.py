"""Where the numbers come from."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

LIBRARIES = (
    "hotsettings",
    "msgspec",
    "toml-rs",
    "anyio",
    "inotify-simple",
    "watchfiles",
    "pydantic",
    "pydantic-settings",
    "dynaconf",
    "typed-settings",
    "confz",
    "omegaconf",
    "dynamic-config-py",
)


def environment(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """The machine, the system, Python and the libraries; no names of hosts or people."""
    now = datetime.datetime.now(datetime.UTC)
    return {
        "date": f"{now:%Y-%m-%d}",
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join(f"{name} {metadata.version(name)}" for name in libraries),
        "load at the start": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
