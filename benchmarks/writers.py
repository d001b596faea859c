"""A process that edits config.toml on request, in one of four ways: `python -m benchmarks.writers FOLDER KIND`.

Each line on its standard input is a number to write; for each it prints when it became visible, by the clock that all
processes share. That is taken just before the step that shows the new content: the rename, or the close.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

SHIPPED = Path(__file__).parent.parent / "config.toml"
IN_TWO_WRITES = "in two writes"
KINDS = ("rename", "in place", "Kubernetes", IN_TWO_WRITES)

APART = 0.1
"""Seconds between two writes: a slow disk, an editor on a network, a script that appends."""


def text(value: int) -> str:
    return SHIPPED.read_text(encoding="utf-8").replace("RECORDS = 500", f"RECORDS = {value}")


def lay_out(folder: Path, kind: str) -> None:
    """Make the files as they are before the first edit."""
    if kind == "Kubernetes":
        (folder / "..0").mkdir()
        (folder / "..0" / "config.toml").write_text(text(500), encoding="utf-8")
        (folder / "..data").symlink_to("..0")
        (folder / "config.toml").symlink_to("..data/config.toml")
    else:
        (folder / "config.toml").write_text(text(500), encoding="utf-8")


def rename(folder: Path, value: int) -> float:
    """Write a file beside it and rename that over it."""
    beside = folder / "config.toml~"
    beside.write_text(text(value), encoding="utf-8")
    at = time.perf_counter()
    os.replace(beside, folder / "config.toml")
    return at


def in_place(folder: Path, value: int) -> float:
    """Truncate it, write, close."""
    with open(folder / "config.toml", "w", encoding="utf-8") as file:
        file.write(text(value))
        file.flush()
        return time.perf_counter()  # and it is closed


def kubernetes(folder: Path, value: int) -> float:
    """Swap ..data, as a kubelet does for a ConfigMap or a Secret."""
    before = os.readlink(folder / "..data")
    fresh = folder / f"..{value}"
    fresh.mkdir()
    (fresh / "config.toml").write_text(text(value), encoding="utf-8")
    (folder / "..data_tmp").symlink_to(fresh.name)
    at = time.perf_counter()
    os.replace(folder / "..data_tmp", folder / "..data")
    shutil.rmtree(folder / before)
    return at


def in_two_writes(folder: Path, value: int) -> float:
    """The same with a pause before the second half. What is there until then is TOML, and loads."""
    lines = text(value).splitlines(keepends=True)
    half = next(number for number, line in enumerate(lines) if "RECORDS" in line) + 1
    with open(folder / "config.toml", "w", encoding="utf-8") as file:
        file.writelines(lines[:half])
        file.flush()
        time.sleep(APART)
        file.writelines(lines[half:])
        file.flush()
        return time.perf_counter()


WRITERS: dict[str, Callable[[Path, int], float]] = dict(
    zip(KINDS, (rename, in_place, kubernetes, in_two_writes), strict=True)
)


def main() -> None:
    folder, write = Path(sys.argv[1]), WRITERS[sys.argv[2]]
    for line in sys.stdin:
        print(write(folder, int(line)), flush=True)


if __name__ == "__main__":
    main()
