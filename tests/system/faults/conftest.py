"""The watched processes that most tests share, and the folder each test has."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faults.harness import KINDS, Party, Place, Watched, needs

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]  # what is re-enacted here, and how, is Linux


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module stays together: it shares the processes that follow files."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group(f"faults-{item.path.stem}"))


@pytest.fixture(scope="session")
def all_processes() -> Iterator[list[Watched]]:
    started = [Watched(watcher, backend) for watcher, backend in KINDS]
    try:
        for watched in started:
            watched.ready()
        yield started
    finally:
        for watched in started:
            watched.end()


@pytest.fixture
def processes(all_processes: list[Watched]) -> list[Watched]:
    """What one test has killed is no other test's misfortune."""
    for number, watched in enumerate(all_processes):
        if watched.process.poll() is not None:
            watched.end()
            all_processes[number] = Watched(*KINDS[number])
            all_processes[number].ready()
    return all_processes


@pytest.fixture
def party(processes: list[Watched]) -> Party:
    """One process for each watcher."""
    return Party(processes[:3])


@pytest.fixture
def everybody(processes: list[Watched]) -> Party:
    """One process for each watcher and event loop."""
    return Party(processes)


@pytest.fixture
def blocking(processes: list[Watched]) -> Party:
    """The processes that follow without an event loop of their own."""
    return Party([process for process, (_, face) in zip(processes, KINDS, strict=True) if face == "blocking"])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with a configuration and secrets, whole(1)."""
    folder = tmp_path / "place"
    folder.mkdir()
    place = Place(folder)
    place.begin()
    return place


@pytest.fixture
def open_place() -> Iterator[Place]:
    """A place that others can reach: pytest keeps its own folders private, and sees to it whenever it starts."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        place = Place(Path(folder, "place"))
        place.folder.mkdir()
        place.begin()
        yield place


@pytest.fixture
def strangers(open_place: Place) -> Iterator[Party]:
    """One process for each watcher, none of which owns the files: the kernel does not tell them who is writing."""
    needs(os.geteuid() == 0, "only root can become somebody else")
    started = [Watched(watcher) for watcher in ("inotify", "watchfiles", "poll")]
    try:
        for watched in started:
            watched.ready()
            with watched.follow(open_place):
                pass  # whatever it imports is imported now
            watched.ask("become", "became", uid=54_321)
        yield Party(started)
    finally:
        for watched in started:
            watched.end()
