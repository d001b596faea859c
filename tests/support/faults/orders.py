"""Every order in which another file can be put in the place of a settings file, and be written to meanwhile."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import IO, NamedTuple

from support.faults.harness import SETTLE
from support.faults.tagged import State


class Arrival:
    """One way of putting another file, ``fresh``, in the place of ``path``. The first state is there already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "config.toml"
        self.fresh: Path
        self._count = 0

    def begin(self, content: str) -> None:
        """Lay out the first state."""
        self.path.write_text(content)

    def prepare(self, content: str) -> None:
        """Make the fresh file, closed, where it does not matter yet."""
        raise NotImplementedError

    def arrive(self) -> None:
        """Put it in its place."""
        raise NotImplementedError

    def _new(self) -> Path:
        self._count += 1
        return self.folder / f"new{self._count}"


class LinkSwapped(Arrival):
    """Current -> releases/2."""

    def begin(self, content: str) -> None:
        self.path = self.folder / "current" / "config.toml"
        self.prepare(content)
        self.arrive()

    def prepare(self, content: str) -> None:
        self.release = self._new()
        self.release.mkdir()
        self.fresh = self.release / "config.toml"
        self.fresh.write_text(content)

    def arrive(self) -> None:
        link = self.folder / "link"
        link.symlink_to(self.release.name)
        os.replace(link, self.folder / "current")


class FileLinkSwapped(Arrival):
    """config.toml -> 2.toml, in another folder."""

    def begin(self, content: str) -> None:
        self.prepare(content)
        self.arrive()

    def prepare(self, content: str) -> None:
        new = self._new()
        new.mkdir()
        self.fresh = new / "2.toml"
        self.fresh.write_text(content)

    def arrive(self) -> None:
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(self.fresh)


class FolderRenamed(Arrival):
    """Mv new conf."""

    def begin(self, content: str) -> None:
        self.path = self.folder / "conf" / "config.toml"
        self.path.parent.mkdir()
        self.path.write_text(content)

    def prepare(self, content: str) -> None:
        new = self._new()
        new.mkdir()
        self.fresh = new / "config.toml"
        self.fresh.write_text(content)

    def arrive(self) -> None:
        self.path.parent.rename(self._new())
        self.fresh.parent.rename(self.path.parent)
        self.fresh = self.path


class FolderMadeAnew(FolderRenamed):
    """Rm -rf conf; mkdir conf; and the file is moved there."""

    def arrive(self) -> None:
        shutil.rmtree(self.path.parent)
        self.path.parent.mkdir()
        self.fresh.rename(self.path)
        self.fresh = self.path


class MovedIn(Arrival):
    """Mv from another folder."""

    def prepare(self, content: str) -> None:
        new = self._new()
        new.mkdir()
        self.fresh = new / "config.toml"
        self.fresh.write_text(content)

    def arrive(self) -> None:
        os.replace(self.fresh, self.path)
        self.fresh = self.path


class LinkedIn(MovedIn):
    """A hard link; it is written to by its other name."""

    def arrive(self) -> None:
        self.path.unlink()
        os.link(self.fresh, self.path)


ARRIVALS = [LinkSwapped, FileLinkSwapped, FolderRenamed, FolderMadeAnew, MovedIn, LinkedIn]


class Order(NamedTuple):
    """What comes when. ``lag`` are seconds between the arrival and a writing that begins after it."""

    arrival: type[Arrival]
    begins: str
    ends: str
    lag: float

    def __str__(self) -> str:
        return f"{self.arrival.__name__}-{self.begins}-{self.ends}-{self.lag}"

    def run(self, arrival: Arrival, content: str) -> float:
        """Do it. At the end ``content`` is there, or the first half of it if the writer was killed.

        Return for how many seconds the writer has rested at most: a busy machine lets it rest for longer than it means to.
        """
        began = time.monotonic()
        if self.begins == "before":
            file = self._half(arrival.fresh, content)
            if self.ends == "closed":
                self._rest(file, content)
            arrival.arrive()
        else:
            arrival.arrive()
            time.sleep(self.lag)
            file = self._half(arrival.fresh, content)
        if self.ends == "killed":
            file.close()
        elif not file.closed:
            pause = {"closed": 0.0, "short": SETTLE / 2, "long": 3 * SETTLE}[self.ends]
            time.sleep(pause)
            self._rest(file, content)
        return time.monotonic() - began

    def _half(self, path: Path, content: str) -> IO[str]:
        file = open(path, "w")  # noqa: SIM115 - it stays open
        file.write(half(content))
        file.flush()
        return file

    def _rest(self, file: IO[str], content: str) -> None:
        file.write(content[len(half(content)) :])
        file.close()


def half(content: str) -> str:
    """The first lines of a text: valid settings."""
    return "".join(content.splitlines(keepends=True)[:9])


def every_order() -> Iterator[Order]:
    for arrival, ends in product(ARRIVALS, ("closed", "short", "long", "killed")):
        yield Order(arrival, "before", ends, 0.0)
        for lag in (0.0, 0.0005, 0.001, 0.003, 0.02):
            yield Order(arrival, "after", ends, lag)


ORDERS = list(every_order())


def is_knowable(order: Order) -> bool:
    return order.ends == "closed" or (order.begins == "after" and order.ends != "long")


def torn(tag: int) -> State:
    """The state of the first half of a text."""
    return (-1, tag), (0,), (-1,)
