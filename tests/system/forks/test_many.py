"""Very many forks, and forks of forks of forks: nothing of them is left in the parent, and nobody is left behind."""

from __future__ import annotations

import gc
import os
import threading
from functools import partial

import coverage
import pytest
from support.forking import Child, Files, Settings, descriptors, in_child, sees, until

from hotsettings import BlockingLive

Live = BlockingLive[Settings]

AT_ONCE = 50

DEPTH = 20 if coverage.Coverage.current() is None else 4
"""Forks in a row. Coverage starts itself twice as often in each of them."""


def memory() -> int:
    """The bytes of this process that are its own."""
    with open("/proc/self/smaps_rollup") as table:
        return sum(int(line.split()[1]) for line in table if line.startswith("Private_")) * 1024


@pytest.mark.parametrize("forks", [100, pytest.param(1000, marks=[pytest.mark.thorough, pytest.mark.slow])])
def test_nothing_is_left(files: Files, live: Live, forks: int) -> None:
    called: list[int] = []
    live.on_change(lambda change: called.append(change.generation))
    files.edit(A=-1)
    until(lambda: called)
    before = descriptors(), threading.active_count()
    following = 0
    sizes: list[int] = []
    for value in range(forks // AT_ONCE):
        children = [Child(partial(sees, live, value)) for _ in range(AT_ONCE // 2)]
        ending = [Child(int) for _ in range(AT_ONCE // 2)]
        files.edit(A=value)
        following += sum(healthy for _, healthy in (child.result() for child in children))
        assert [child.result() for child in ending] == [0] * len(ending)
        sees(live, value)
        gc.collect()
        sizes.append(memory())
    assert following == forks // 2
    assert descriptors() == before[0]
    assert threading.active_count() <= before[1]  # those of earlier tests may end meanwhile
    assert sizes[-1] - sizes[len(sizes) // 4] < 1 << 20


def test_a_chain(files: Files, live: Live) -> None:
    def descend(depth: int) -> list[int]:
        live.changes()  # it has begun
        until(lambda: "anon_inode:inotify" in descriptors())
        found = [len(descriptors())]
        if depth:
            found += in_child(lambda: descend(depth - 1))
        else:
            files.edit(A=1)
        sees(live, 1)
        return found

    before = len(descriptors())
    assert descend(DEPTH) == [before] * (DEPTH + 1)


def test_a_chain_that_waits_for_nothing(files: Files, live: Live) -> None:
    def descend(depth: int) -> int:
        if depth:
            return in_child(lambda: descend(depth - 1))
        files.edit(A=1)
        return sees(live, 1)[0]

    assert descend(DEPTH) == 2
    assert os.getpid() == live.thread.process
