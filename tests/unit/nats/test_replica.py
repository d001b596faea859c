"""The replica alone: whatever is told, in whichever order, what it shows has stood."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotsettings._layers.store import StoreValue
from hotsettings.nats.replica import Entry, Last, Replica, State

MADE = datetime(2026, 1, 2, tzinfo=UTC)
LATER = datetime(2026, 1, 3, tzinfo=UTC)

KEYS = ("a", "b", "c")
STREAMS = st.lists(st.tuples(st.sampled_from(KEYS), st.none() | st.binary(max_size=3)), max_size=12)
Written = Sequence[tuple[str, bytes | None]]


def entries(written: Written) -> list[Entry]:
    """A stream's entries, of which the first is at position 1."""
    return [Entry(key, number, data) for number, (key, data) in enumerate(written, 1)]


def stood(stream: Sequence[Entry]) -> dict[str, StoreValue]:
    return {entry.key: StoreValue(entry.position, entry.data) for entry in stream}


def newest(stream: Sequence[Entry]) -> list[Entry]:
    """What a new watch begins with: the last entry of each key, in the stream's order."""
    last = {entry.key: entry for entry in stream}
    return sorted(last.values(), key=lambda entry: entry.position)


def filled(stream: Sequence[Entry], last: int | None = None) -> Replica:
    replica = Replica()
    told = Last(len(stream) if last is None else last, MADE)
    replica.begin(told)
    replica.fill(newest(stream), told)
    return replica


def test_nothing_at_all() -> None:
    replica = filled([])
    assert replica.state == State()
    assert not replica.behind(Last(0, MADE))
    assert replica.behind(Last(1, MADE))


def test_what_there_is_and_what_comes() -> None:
    replica = filled(entries([("a", b"1"), ("b", b"2"), ("a", b"3")]))
    assert dict(replica.state.documents) == {"a": StoreValue(3, b"3"), "b": StoreValue(2, b"2")}
    assert replica.take(Entry("b", 4, None))
    assert replica.state.documents["b"] == StoreValue(4, None)
    assert replica.state.position == 4
    assert not replica.take(Entry("a", 3, b"3")), "told twice"
    assert replica.state.position == 4


def test_a_state_that_was_handed_out_does_not_change() -> None:
    replica = filled(entries([("a", b"1")]))
    before = replica.state
    replica.take(Entry("a", 2, b"2"))
    assert before.documents["a"] == StoreValue(1, b"1")
    with pytest.raises(TypeError):
        before.documents["a"] = StoreValue()  # type: ignore[index]


@given(STREAMS, st.data())
def test_it_only_shows_what_stood_and_never_goes_back(written: Written, data: st.DataObject) -> None:
    """Watches begin anew at any time, at servers that lag behind, and tell things twice."""
    stream = entries(written)
    replica, positions = Replica(), [0]
    for _ in range(data.draw(st.integers(1, 4))):
        known = data.draw(st.integers(0, len(stream)))
        last = Last(data.draw(st.integers(max(known, positions[-1]), len(stream))), MADE)
        replica.begin(last)
        beginning = newest(stream[:known])
        replica.fill(data.draw(st.permutations(beginning)), last)
        positions.append(replica.state.position)
        again = data.draw(st.integers(0, known))
        for entry in stream[again : data.draw(st.integers(known, len(stream)))]:
            replica.take(entry)
            positions.append(replica.state.position)
            assert dict(replica.state.documents) == stood(stream[: replica.state.position])
    assert positions == sorted(positions)


@given(STREAMS)
def test_it_ends_with_the_last(written: Written) -> None:
    stream = entries(written)
    replica = filled(stream[: len(stream) // 2], last=len(stream))
    for entry in stream[len(stream) // 2 :]:
        replica.take(entry)
    assert dict(replica.state.documents) == stood(stream)
    assert not replica.behind(Last(len(stream), MADE))


def test_a_server_that_lags_is_not_believed() -> None:
    stream = entries([("a", b"1"), ("a", b"2"), ("a", b"3")])
    replica = filled(stream)
    replica.begin(Last(3, MADE))
    assert not replica.fill(stream[:1], Last(3, MADE))
    assert replica.state.position == 3
    assert not replica.take(stream[1])
    assert not replica.take(stream[2]), "nothing new"
    assert replica.take(Entry("a", 4, b"4"))


def test_silence_is_found_out() -> None:
    replica = filled(entries([("a", b"1")]))
    assert not replica.behind(Last(1, MADE))
    assert replica.behind(Last(2, MADE))
    replica.take(Entry("a", 2, b"2"))
    assert not replica.behind(Last(2, MADE))


def test_a_last_position_that_nobody_can_tell_of_is_no_silence() -> None:
    """Its message was removed from the stream: the newest watch has told of all that there is."""
    replica = filled(entries([("a", b"1")]), last=5)
    assert not replica.behind(Last(5, MADE))
    assert replica.behind(Last(6, MADE))


def test_a_bucket_made_anew_begins_again() -> None:
    replica = filled(entries([("a", b"1"), ("b", b"2")]))
    assert not replica.belongs(Last(7, LATER))
    replica.begin(Last(1, LATER))
    assert replica.state.documents["a"] == StoreValue(1, b"1"), "what was held is shown until the new one is known"
    assert replica.fill([Entry("a", 1, b"new")], Last(1, LATER))
    assert dict(replica.state.documents) == {"a": StoreValue(1, b"new")}
    assert replica.belongs(Last(1, LATER))
    assert replica.behind(Last(2, LATER)), "what was known of the old one is forgotten"


def test_an_empty_bucket_made_anew_shows_that_it_is_empty() -> None:
    replica = filled(entries([("a", b"1")]))
    replica.begin(Last(0, LATER))
    assert replica.fill([], Last(0, LATER))
    assert dict(replica.state.documents) == {}


def test_positions_that_stay_behind_are_those_of_another_stream() -> None:
    """A backup was restored. A leader that has just been chosen may be behind for a moment, and that is none."""
    replica = filled(entries([("a", b"1"), ("a", b"2"), ("a", b"3")]))
    assert replica.belongs(Last(2, MADE))
    assert replica.belongs(Last(3, MADE))
    assert [replica.belongs(Last(2, MADE)) for _ in range(3)] == [True, True, False]
    replica.begin(Last(2, MADE))
    assert replica.fill([Entry("a", 2, b"2")], Last(2, MADE))
    assert replica.state.position == 2
    assert replica.belongs(Last(2, MADE))
