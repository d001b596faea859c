"""When a file is complete: pure, by a clock of the test's own."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from hotsettings._watching.debounce import UNCLOSED, Arrived, Settling, Told, Writer
from hotsettings._watching.fingerprint import Sight

SETTLE = 0.1
CONFIRM = 0.01
UNTOLD = Told()
FULL = Sight(1, 1, 10, 1, 1, 1)
EMPTY = Sight(1, 1, 0, 1, 1, 1)
MISSING = Sight()
MOVED = Sight(1, 1, 10, mtime_ns=1, ctime_ns=2, links=1)
FOLDER = Sight(1, 1, 4096, 1, 1, 2, regular=False)


def wait(
    sight: Sight,
    told: Told = UNTOLD,
    *,
    now: float = 100.0,
    age: float = 0.0,
    settling: Settling | None = None,
    arrived: Arrived = Arrived.NOT,
    held: bool | None = None,
) -> float:
    """``held`` is what the kernel says when it is asked whether the file is being written."""
    settling = settling or Settling(SETTLE)
    return settling.wait(sight, told, now, age, arrived=arrived, confirm=CONFIRM, being_written=lambda: held)


@pytest.mark.parametrize(
    ("sight", "writer", "seconds"),
    [
        (FULL, Writer.UNKNOWN, SETTLE),
        (FULL, Writer.CLOSED, 0.0),
        (FULL, Writer.MOVED, 0.0),
        (FULL, Writer.OPEN, UNCLOSED),
        (FULL, Writer.CREATED, UNCLOSED),
        (Sight(1, 1, 10, 1, 2, links=2), Writer.CREATED, 0.0),  # a hard link: it was whole before
        (
            Sight(1, 1, 10, 1, 1, links=2),
            Writer.CREATED,
            SETTLE,
        ),  # and has been written to since, by its other name perhaps
        (Sight(1, 1, 10, 1, 1, links=2), Writer.OPEN, UNCLOSED),
        (FULL, Writer.APPEARED, SETTLE),
        (MOVED, Writer.APPEARED, 0.0),
        (MOVED, Writer.CREATED, SETTLE),
        (MOVED, Writer.OPEN, UNCLOSED),
        *[(sight, writer, SETTLE) for sight in (EMPTY, MISSING, FOLDER) for writer in Writer],
    ],
)
def test_how_long_it_takes(sight: Sight, writer: Writer, seconds: float) -> None:
    told = Told(writer, 100.0)
    settling = Settling(SETTLE)
    assert wait(sight, told, settling=settling) == pytest.approx(seconds)
    assert wait(sight, told, now=100.0 + seconds * 0.6, settling=settling) == pytest.approx(seconds * 0.4)
    assert wait(sight, told, now=100.0 + seconds, settling=settling) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("held", [None, False, True])
@pytest.mark.parametrize("writer", Writer)
def test_a_start_that_has_waited_for_long_asks_for_a_rest_only(writer: Writer, held: bool | None) -> None:
    settling = Settling(SETTLE)
    for now, least, most in ((100.0, 0.0, SETTLE), (100.0 + SETTLE + 1e-6, 0.0, 0.0)):
        seconds = settling.wait(
            FULL, Told(writer, 100.0), now, 0.0, longest=SETTLE, confirm=CONFIRM, being_written=lambda: held
        )
        assert least <= seconds <= most
    if held:
        assert wait(FULL, Told(writer, 100.0), now=100.0 + SETTLE, held=held) > 0, "any other look waits for the writer"


@pytest.mark.parametrize("writer", [Writer.UNKNOWN, Writer.APPEARED])
def test_who_wants_no_wait_gets_none_where_nobody_tells_of_closes(writer: Writer) -> None:
    assert wait(FULL, Told(writer, 100.0), settling=Settling(0.0)) == 0.0
    assert wait(FULL, Told(Writer.OPEN, 100.0), settling=Settling(0.0)) == pytest.approx(UNCLOSED)


def test_the_first_look_trusts_the_age_of_the_file() -> None:
    assert wait(FULL, age=0.04) == pytest.approx(0.06)
    assert wait(FULL, age=3600.0) == 0.0
    assert wait(FULL, age=-5.0) == pytest.approx(SETTLE)  # the file system's clock is ahead
    assert wait(FULL, Told(Writer.OPEN, 100.0), age=3600.0) == pytest.approx(UNCLOSED), "somebody is writing"
    settling = Settling(SETTLE)
    settling.taken(99.0)
    assert wait(EMPTY, age=3600.0, settling=settling) == pytest.approx(SETTLE), "later looks know better"


def test_what_was_complete_before_the_swap_is_taken_at_once() -> None:
    settling = Settling(SETTLE)
    settling.taken(99.0)
    assert wait(FULL, settling=settling, arrived=Arrived.COMPLETE) == 0.0
    assert wait(EMPTY, settling=settling, arrived=Arrived.COMPLETE) == pytest.approx(SETTLE)
    assert wait(MISSING, settling=settling, arrived=Arrived.COMPLETE) == pytest.approx(SETTLE)


@pytest.mark.parametrize(("held", "seconds"), [(None, SETTLE), (False, 0.0), (True, SETTLE)])
def test_what_was_written_after_the_swap_waits_for_its_writer(held: bool | None, seconds: float) -> None:
    """No event has told of the writer. If the kernel does, it is asked again and again: no event may tell of the close."""
    settling = Settling(SETTLE)
    settling.taken(99.0)
    assert wait(FULL, settling=settling, arrived=Arrived.UNKNOWN, held=held) == pytest.approx(seconds)
    later = wait(FULL, settling=settling, arrived=Arrived.UNKNOWN, held=held, now=105.0)
    assert later == (pytest.approx(SETTLE) if held else 0.0)
    assert wait(FULL, settling=settling, arrived=Arrived.UNKNOWN, held=held, now=111.0) == 0.0
    told = Told(Writer.OPEN, 112.0)
    assert wait(FULL, told, settling=settling, arrived=Arrived.UNKNOWN, now=112.0) == pytest.approx(UNCLOSED)


@pytest.mark.parametrize(
    ("sight", "writer", "arrived"),
    [
        (FULL, Writer.UNKNOWN, Arrived.NOT),
        (FULL, Writer.CLOSED, Arrived.NOT),
        (FULL, Writer.MOVED, Arrived.NOT),
        (FULL, Writer.UNKNOWN, Arrived.COMPLETE),
        (Sight(1, 1, 10, 1, 1, links=2), Writer.CREATED, Arrived.NOT),
        (MOVED, Writer.APPEARED, Arrived.NOT),
    ],
)
def test_a_file_that_is_still_open_is_not_taken(sight: Sight, writer: Writer, arrived: Arrived) -> None:
    """Its writer rests for long, another process has closed it, or it was put there before it was finished."""
    settling = Settling(SETTLE)
    settling.taken(99.0)
    told = Told(writer, 100.0)
    wait(sight, told, settling=settling, arrived=arrived, held=True)
    for now in (100.2, 104.0, 109.5):
        assert wait(sight, told, settling=settling, arrived=arrived, now=now, held=True) == pytest.approx(SETTLE)
    assert wait(sight, told, settling=settling, arrived=arrived, now=109.5, held=False) == 0.0
    assert wait(sight, told, settling=settling, arrived=arrived, now=110.1, held=True) == 0.0


@pytest.mark.parametrize("writer", [Writer.OPEN, Writer.CREATED])
def test_truncate_never_closes(writer: Writer) -> None:
    told = Told(writer, 100.0)
    assert wait(FULL, told, held=False) == pytest.approx(SETTLE)
    assert wait(FULL, told, held=True) == pytest.approx(UNCLOSED)


def test_what_was_told_before_it_was_read_is_no_news() -> None:
    settling = Settling(SETTLE)
    told = Told(Writer.OPEN, 98.0)
    assert settling.has_news(told)
    settling.taken(99.0)
    assert not settling.has_news(told)
    assert settling.has_news(Told(Writer.OPEN, 99.5))
    assert wait(FULL, told, settling=settling) == pytest.approx(SETTLE)


class Write(NamedTuple):
    """The file gets another size."""

    size: int
    told: bool


class Close(NamedTuple):
    """Its writer closes it, and this is told."""


class Pause(NamedTuple):
    """Time passes."""

    seconds: float


steps = st.lists(
    st.one_of(
        st.builds(Write, st.integers(0, 5), st.booleans()),
        st.builds(Close),
        st.builds(Pause, st.sampled_from([0.001, 0.03, 0.09, 0.11, 3.0, 9.0, 11.0])),
    ),
    max_size=12,
)


@given(steps)
@examples(300)
def test_against_a_model(script: list[Write | Close | Pause]) -> None:
    """The model keeps the time of the last write and the last word, and asks at every step."""
    settling, now = Settling(SETTLE), 1000.0
    settling.taken(now)
    size, clock, told = 3, 1, Told()
    sight = Sight(1, 1, size, clock, clock, 1)
    settling.wait(sight, told, now, 0.0, confirm=CONFIRM)
    last_write = now
    word = Writer.UNKNOWN
    for step in script:
        now += 1e-6
        promised = None
        if isinstance(step, Write):
            size, clock, last_write = step.size, clock + 1, now
            sight = Sight(1, 1, size, clock, clock, 1)
            if step.told:
                word, told = Writer.OPEN, Told(Writer.OPEN, now)
        elif isinstance(step, Close):
            word, told, last_write = Writer.CLOSED, Told(Writer.CLOSED, now), now
        else:
            promised = now + settling.wait(sight, told, now, 0.0, confirm=CONFIRM)
            now += step.seconds
        seconds = settling.wait(sight, told, now, 0.0, confirm=CONFIRM)
        needed = SETTLE if size == 0 or word is Writer.UNKNOWN else UNCLOSED if word is Writer.OPEN else 0.0
        assert seconds == pytest.approx(max(0.0, last_write + needed - now), abs=1e-6)
        if promised is not None:
            assert now + seconds <= max(promised, now) + 1e-6, "asked later, it takes no longer"


def test_what_was_written_before_it_was_told_of_has_been_moved() -> None:
    """Its clock may be behind by a tick, and the news of a write late: what could be that has to be confirmed."""
    told = Told(Writer.APPEARED, 100.0)
    assert wait(FULL, told, now=100.001, age=0.07) == 0.0
    assert wait(FULL, told, now=100.001, age=0.02) > 0.0, "created 20 ms ago, first written 10 ms ago, told of just now"
    assert wait(FULL, Told(Writer.CREATED, 100.0), now=100.001, age=0.07) > CONFIRM
