"""Readers in other threads: whole states only, in order, without waiting."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.live import Settings, given

from hotsettings.testing import InMemoryLive, live

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def switching_without_pause() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Reader:
    """Looks without pause until told to stop, and notes what must not be."""

    def __init__(self, held: InMemoryLive[Settings]) -> None:
        self.held = held
        self.stop = False
        self.looks = 0
        self.wrong: list[Any] = []
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        held, last, generation = self.held, 0, 0
        while not self.stop:
            current, snapshot = held.current, held.snapshot
            settings = snapshot.settings
            whole = current.A == current.B == current.C == current.db.port
            same = settings.A == settings.B == settings.C == snapshot.generation - 1
            if not whole or not same or last > current.A or snapshot.generation < generation:
                self.wrong.append((current, snapshot))
            last, generation = current.A, snapshot.generation
            self.looks += 1


def stage(number: int) -> Settings:
    return given(A=number, B=number, C=number, db={"port": number})


async def test_readers_see_whole_states_in_order() -> None:
    async with live(stage(0)) as held:
        readers = [Reader(held) for _ in range(4)]
        for reader in readers:
            reader.thread.start()
        try:
            number = 0
            while number < 700 or any(reader.looks <= 100 for reader in readers):  # however slow the threads are
                number += 1
                await held.publish(stage(number))
        finally:
            for reader in readers:
                reader.stop = True
            for reader in readers:
                reader.thread.join()
        assert [reader.wrong for reader in readers] == [[]] * 4


def test_current_is_a_plain_slot() -> None:
    from hotsettings import Live
    from hotsettings._live.core import CurrentSlot

    assert type(vars(CurrentSlot)["current"]).__name__ == "member_descriptor"
    assert "__dict__" not in dir(Live) or not hasattr(Live.__new__(Live), "__dict__")
