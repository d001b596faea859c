"""A Kubernetes volume of a ConfigMap or Secret, as the kubelet's AtomicWriter updates it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path


class Volume:
    """Files that change together: each is a link through ``..data`` to a folder that is made anew each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._count = 0

    def publish(self, files: Mapping[str, str], between: Callable[[], None] = lambda: None) -> float:
        """Let these be the files; return when the swap was. ``between`` is called after each step."""
        self._count += 1
        current, fresh = self.folder / "..data", self.folder / f"..2026_01_01_00_00_00.{self._count:010}"
        old = current.resolve() if current.is_symlink() else None
        fresh.mkdir()
        between()
        for name, content in files.items():
            (fresh / name).write_text(content)
            between()
            (fresh / name).chmod(0o644)
        between()
        link = self.folder / "..data_tmp"
        link.symlink_to(fresh.name)
        between()
        os.replace(link, current)
        swapped = time.monotonic()
        between()
        for name in files:
            path = self.folder / name
            if not path.is_symlink():
                path.symlink_to(Path("..data", name))
        for path in list(self.folder.iterdir()):
            if path.is_symlink() and not path.name.startswith("..") and path.name not in files:
                path.unlink()
        between()
        if old is not None:
            shutil.rmtree(old)
        between()
        return swapped
