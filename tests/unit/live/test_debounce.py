"""How long a changed file has to wait until it may be read. The time is passed in."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from hotsettings._watching.debounce import UNCLOSED, Debouncer, LastEvent, Swap, WriterState
from hotsettings._watching.fingerprint import Fingerprint

SETTLE = 0.1
EVENT_DELAY = 0.01
NO_EVENT = LastEvent()
FULL = Fingerprint(1, 1, 10, 1, 1, 1)
EMPTY = Fingerprint(1, 1, 0, 1, 1, 1)
MISSING = Fingerprint()
MOVED = Fingerprint(1, 1, 10, mtime_ns=1, ctime_ns=2, links=1)
FOLDER = Fingerprint(1, 1, 4096, 1, 1, 2, regular=False)


def wait(
    fingerprint: Fingerprint,
    event: LastEvent = NO_EVENT,
    *,
    now: float = 100.0,
    age: float = 0.0,
    debouncer: Debouncer | None = None,
    swap: Swap = Swap.NONE,
    is_open: bool | None = None,
) -> float:
    """``is_open`` is the answer of the kernel: whether somebody has the file open for writing."""
    debouncer = debouncer or Debouncer(SETTLE)
    return debouncer.wait(
        fingerprint, event, now, age, swap=swap, event_delay=EVENT_DELAY, open_for_writing=lambda: is_open
    )


@pytest.mark.parametrize(
    ("fingerprint", "writer", "seconds"),
    [
        (FULL, WriterState.UNKNOWN, SETTLE),
        (FULL, WriterState.CLOSED, 0.0),
        (FULL, WriterState.MOVED, 0.0),
        (FULL, WriterState.OPEN, UNCLOSED),
        (FULL, WriterState.CREATED, UNCLOSED),
        (Fingerprint(1, 1, 10, 1, 2, links=2), WriterState.CREATED, 0.0),  # a hard link: it was whole before
        (
            Fingerprint(1, 1, 10, 1, 1, links=2),
            WriterState.CREATED,
            SETTLE,
        ),  # and has been written to since, by its other name perhaps
        (Fingerprint(1, 1, 10, 1, 1, links=2), WriterState.OPEN, UNCLOSED),
        (FULL, WriterState.ADDED, SETTLE),
        (MOVED, WriterState.ADDED, 0.0),
        (MOVED, WriterState.CREATED, SETTLE),
        (MOVED, WriterState.OPEN, UNCLOSED),
        *[(fingerprint, writer, SETTLE) for fingerprint in (EMPTY, MISSING, FOLDER) for writer in WriterState],
    ],
)
def test_how_long_it_takes(fingerprint: Fingerprint, writer: WriterState, seconds: float) -> None:
    event = LastEvent(writer, 100.0)
    debouncer = Debouncer(SETTLE)
    assert wait(fingerprint, event, debouncer=debouncer) == pytest.approx(seconds)
    assert wait(fingerprint, event, now=100.0 + seconds * 0.6, debouncer=debouncer) == pytest.approx(seconds * 0.4)
    assert wait(fingerprint, event, now=100.0 + seconds, debouncer=debouncer) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("is_open", [None, False, True])
@pytest.mark.parametrize("writer", WriterState)
def test_after_a_long_start_a_rest_is_enough(writer: WriterState, is_open: bool | None) -> None:
    debouncer = Debouncer(SETTLE)
    for now, least, most in ((100.0, 0.0, SETTLE), (100.0 + SETTLE + 1e-6, 0.0, 0.0)):
        seconds = debouncer.wait(
            FULL,
            LastEvent(writer, 100.0),
            now,
            0.0,
            enough_rest=SETTLE,
            event_delay=EVENT_DELAY,
            open_for_writing=lambda: is_open,
        )
        assert least <= seconds <= most
    if is_open:
        assert wait(FULL, LastEvent(writer, 100.0), now=100.0 + SETTLE, is_open=is_open) > 0, (
            "any other check waits for the writer"
        )


@pytest.mark.parametrize("writer", [WriterState.UNKNOWN, WriterState.ADDED])
def test_a_settle_of_zero_means_no_wait_where_closes_are_not_reported(writer: WriterState) -> None:
    assert wait(FULL, LastEvent(writer, 100.0), debouncer=Debouncer(0.0)) == 0.0
    assert wait(FULL, LastEvent(WriterState.OPEN, 100.0), debouncer=Debouncer(0.0)) == pytest.approx(UNCLOSED)


def test_the_first_check_trusts_the_age_of_the_file() -> None:
    assert wait(FULL, age=0.04) == pytest.approx(0.06)
    assert wait(FULL, age=3600.0) == 0.0
    assert wait(FULL, age=-5.0) == pytest.approx(SETTLE)  # the file system's clock is ahead
    assert wait(FULL, LastEvent(WriterState.OPEN, 100.0), age=3600.0) == pytest.approx(UNCLOSED), "somebody is writing"
    debouncer = Debouncer(SETTLE)
    debouncer.mark_read(99.0)
    assert wait(EMPTY, age=3600.0, debouncer=debouncer) == pytest.approx(SETTLE), "after that, only rest counts"


def test_a_file_that_was_complete_before_the_swap_is_read_at_once() -> None:
    debouncer = Debouncer(SETTLE)
    debouncer.mark_read(99.0)
    assert wait(FULL, debouncer=debouncer, swap=Swap.COMPLETE) == 0.0
    assert wait(EMPTY, debouncer=debouncer, swap=Swap.COMPLETE) == pytest.approx(SETTLE)
    assert wait(MISSING, debouncer=debouncer, swap=Swap.COMPLETE) == pytest.approx(SETTLE)


@pytest.mark.parametrize(("is_open", "seconds"), [(None, SETTLE), (False, 0.0), (True, SETTLE)])
def test_a_file_that_was_written_after_the_swap_waits_for_its_writer(is_open: bool | None, seconds: float) -> None:
    """No event has reported the writer. If the kernel knows of one, it is asked again and again, since no event may report the close."""
    debouncer = Debouncer(SETTLE)
    debouncer.mark_read(99.0)
    assert wait(FULL, debouncer=debouncer, swap=Swap.UNCLEAR, is_open=is_open) == pytest.approx(seconds)
    later = wait(FULL, debouncer=debouncer, swap=Swap.UNCLEAR, is_open=is_open, now=105.0)
    assert later == (pytest.approx(SETTLE) if is_open else 0.0)
    assert wait(FULL, debouncer=debouncer, swap=Swap.UNCLEAR, is_open=is_open, now=111.0) == 0.0
    event = LastEvent(WriterState.OPEN, 112.0)
    assert wait(FULL, event, debouncer=debouncer, swap=Swap.UNCLEAR, now=112.0) == pytest.approx(UNCLOSED)


@pytest.mark.parametrize(
    ("fingerprint", "writer", "swap"),
    [
        (FULL, WriterState.UNKNOWN, Swap.NONE),
        (FULL, WriterState.CLOSED, Swap.NONE),
        (FULL, WriterState.MOVED, Swap.NONE),
        (FULL, WriterState.UNKNOWN, Swap.COMPLETE),
        (Fingerprint(1, 1, 10, 1, 1, links=2), WriterState.CREATED, Swap.NONE),
        (MOVED, WriterState.ADDED, Swap.NONE),
    ],
)
def test_a_file_that_is_still_open_is_not_read(fingerprint: Fingerprint, writer: WriterState, swap: Swap) -> None:
    """Its writer pauses for long, another process has closed it, or it was moved here before it was finished."""
    debouncer = Debouncer(SETTLE)
    debouncer.mark_read(99.0)
    event = LastEvent(writer, 100.0)
    wait(fingerprint, event, debouncer=debouncer, swap=swap, is_open=True)
    for now in (100.2, 104.0, 109.5):
        assert wait(fingerprint, event, debouncer=debouncer, swap=swap, now=now, is_open=True) == pytest.approx(SETTLE)
    assert wait(fingerprint, event, debouncer=debouncer, swap=swap, now=109.5, is_open=False) == 0.0
    assert wait(fingerprint, event, debouncer=debouncer, swap=swap, now=110.1, is_open=True) == 0.0


@pytest.mark.parametrize("writer", [WriterState.OPEN, WriterState.CREATED])
def test_truncate_never_closes(writer: WriterState) -> None:
    event = LastEvent(writer, 100.0)
    assert wait(FULL, event, is_open=False) == pytest.approx(SETTLE)
    assert wait(FULL, event, is_open=True) == pytest.approx(UNCLOSED)


def test_an_event_before_the_read_does_not_count() -> None:
    debouncer = Debouncer(SETTLE)
    event = LastEvent(WriterState.OPEN, 98.0)
    assert debouncer.has_event_since_read(event)
    debouncer.mark_read(99.0)
    assert not debouncer.has_event_since_read(event)
    assert debouncer.has_event_since_read(LastEvent(WriterState.OPEN, 99.5))
    assert wait(FULL, event, debouncer=debouncer) == pytest.approx(SETTLE)


class Write(NamedTuple):
    """The file gets another size."""

    size: int
    reported: bool


class Close(NamedTuple):
    """Its writer closes it, and this is reported."""


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
    """The model knows the time of the last write and the last event, and is asked after every step."""
    debouncer, now = Debouncer(SETTLE), 1000.0
    debouncer.mark_read(now)
    size, clock, event = 3, 1, LastEvent()
    fingerprint = Fingerprint(1, 1, size, clock, clock, 1)
    debouncer.wait(fingerprint, event, now, 0.0, event_delay=EVENT_DELAY)
    last_write = now
    state = WriterState.UNKNOWN
    for step in script:
        now += 1e-6
        promised = None
        if isinstance(step, Write):
            size, clock, last_write = step.size, clock + 1, now
            fingerprint = Fingerprint(1, 1, size, clock, clock, 1)
            if step.reported:
                state, event = WriterState.OPEN, LastEvent(WriterState.OPEN, now)
        elif isinstance(step, Close):
            state, event, last_write = WriterState.CLOSED, LastEvent(WriterState.CLOSED, now), now
        else:
            promised = now + debouncer.wait(fingerprint, event, now, 0.0, event_delay=EVENT_DELAY)
            now += step.seconds
        seconds = debouncer.wait(fingerprint, event, now, 0.0, event_delay=EVENT_DELAY)
        needed = SETTLE if size == 0 or state is WriterState.UNKNOWN else UNCLOSED if state is WriterState.OPEN else 0.0
        assert seconds == pytest.approx(max(0.0, last_write + needed - now), abs=1e-6)
        if promised is not None:
            assert now + seconds <= max(promised, now) + 1e-6, "asked later, it takes no longer"


def test_a_file_that_was_written_before_it_was_added_was_moved() -> None:
    """The clock may be behind by a tick, and the event late: a file that may have been created has to wait."""
    event = LastEvent(WriterState.ADDED, 100.0)
    assert wait(FULL, event, now=100.001, age=0.07) == 0.0
    assert wait(FULL, event, now=100.001, age=0.02) > 0.0, (
        "created 20 ms ago, first written 10 ms ago, reported just now"
    )
    assert wait(FULL, LastEvent(WriterState.CREATED, 100.0), now=100.001, age=0.07) > EVENT_DELAY
