"""Iterators of the blocking form: threads that wait, timeouts, Ctrl-C, the end."""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.threads import in_thread, soon

from hotsettings import Applied, Rejected
from hotsettings.testing import Workspace


def test_a_timeout_and_asked_again(live: Any, workspace: Workspace) -> None:
    changes = live.changes("A", timeout=0.02)
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(TimeoutError, match=r"nothing has come for 0.02 s"):
            next(changes)
    assert 0.06 <= time.monotonic() - began < 0.8
    workspace.write({"A": 2})
    live.reload()
    assert next(changes).new.A == 2
    with pytest.raises(TimeoutError):
        next(changes)
    workspace.write({"A": 2, "B": 1})
    live.reload()
    with pytest.raises(TimeoutError):
        next(changes)


@pytest.mark.parametrize("timeout", [0.0, 1e-9])
def test_what_is_there_is_handed_on_however_short_the_timeout(live: Any, workspace: Workspace, timeout: float) -> None:
    changes, events = live.changes(timeout=timeout), live.events(timeout=timeout)
    for iterator in (changes, events):
        with pytest.raises(TimeoutError):
            next(iterator)
    for number in range(2, 12):
        workspace.write({"A": number})
        live.reload()
        assert number == next(changes).new.A
        assert isinstance(next(events), Applied)


def test_nothing_is_lost_by_timeouts(live: Any, workspace: Workspace) -> None:
    """They fall before, upon and after each change."""
    changes, events = live.changes(timeout=0.002), live.events(timeout=0.001)
    states, generations = list[tuple[int, int]](), list[int]()

    def read(iterator: Any, found: list[Any], take: Callable[[Any], object]) -> None:
        while True:
            try:
                found.extend(take(each) for each in iterator)
                return
            except TimeoutError:
                pass

    readers = [
        in_thread(read, changes, states, lambda change: (change.old.A, change.new.A)),
        in_thread(read, events, generations, lambda event: event.generation),
    ]
    for number in range(2, 102):
        workspace.write({"A": number})
        live.reload()
        time.sleep(0.001 * (number % 5))
    live.stop()
    for reader in readers:
        reader.join()
    assert generations == list(range(2, 102)), "each event"
    assert all(old == before for (old, _), (_, before) in zip(states[1:], states, strict=False)), (
        "each begins where the last one ended"
    )
    assert states[0][0] == 1
    assert len(states) > 50


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_what_is_no_timeout(live: Any, timeout: float) -> None:
    says = f"timeout must be 0 seconds or more, or None, not {timeout}"
    for call in (live.changes, live.events, live.wait_applied):
        with pytest.raises(ValueError, match=says):
            call(timeout=timeout)


def test_many_threads_share_one(live: Any, workspace: Workspace) -> None:
    events = live.events()
    found: list[int] = []
    threads = [in_thread(lambda: found.extend(event.generation for event in events)) for _ in range(8)]
    for number in range(2, 52):
        workspace.write({"A": number})
        live.reload()
    soon(lambda: len(found) == 50)
    live.stop()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(2, 52))


def test_a_thread_waits_for_its_turn_no_longer_than_the_timeout(live: Any) -> None:
    changes = live.changes(timeout=0.3)
    changes._timeout = None
    first = in_thread(list, changes)
    soon(changes._one_at_a_time.locked)
    changes._timeout = 0.01
    with pytest.raises(TimeoutError):
        next(changes)
    changes.close()
    first.join()


def test_closed(live: Any, workspace: Workspace) -> None:
    changes, events = live.changes(), live.events()
    waiting = in_thread(list, changes)
    soon(changes._one_at_a_time.locked)
    workspace.write({"A": "bad"})
    with pytest.raises(Rejected):
        live.reload()
    for iterator in (changes, events):
        iterator.close()
        iterator.close()
        assert list(iterator) == []
    assert waiting.result() == []
    assert live.statistics().subscribers == 0
    live.wait_applied(timeout=5)


def test_dropping_one_ends_it(live: Any, workspace: Workspace) -> None:
    for number in (2, 3):
        changes = live.changes()
        workspace.write({"A": number})
        live.reload()
        for _ in changes:
            break
        del changes
    gc.collect()
    live.wait_applied(timeout=5)
    assert live.statistics().subscribers == 0


def test_what_was_not_read_before_the_end(live: Any, workspace: Workspace) -> None:
    events, closed, changes = live.events(), live.events(), live.changes()
    for number in (2, 3):
        workspace.write({"A": number})
        live.reload()
    live.stop()
    closed.close()
    assert [event.generation for event in events] == [2, 3]
    assert list(closed) == list(changes) == []
    assert list(live.changes("A")) == list(live.events()) == []
    assert events.dropped == 0


def test_the_end_while_threads_wait(live: Any) -> None:
    waiting = [in_thread(list, iterator) for iterator in (live.changes(), live.changes("A"), live.events())]
    soon(lambda: live.statistics().subscribers == 2)
    live.stop()
    assert [thread.result() for thread in waiting] == [[], [], []]


@pytest.fixture
def alarm() -> Iterator[Callable[[float], object]]:
    """Let Ctrl-C come after so many seconds."""

    def ring(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


needs_alarms = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signal here")


@needs_alarms
@pytest.mark.parametrize("what", ["changes", "events"])
def test_ctrl_c_loses_nothing(live: Any, workspace: Workspace, alarm: Callable[[float], object], what: str) -> None:
    iterator = getattr(live, what)()
    for number in range(2, 8):
        alarm(0.02)
        with pytest.raises(KeyboardInterrupt):
            next(iterator)
        workspace.write({"A": number})
        live.reload()
        assert next(iterator).generation == number


@needs_alarms
def test_ctrl_c_upon_a_change(live: Any, workspace: Workspace, alarm: Callable[[float], object]) -> None:
    """At any moment of its delivery."""
    events, seen, interrupted = live.events(), list[int](), 0

    def write() -> None:
        for number in range(2, 102):
            workspace.write({"A": number})
            live.reload()

    writing = in_thread(write)
    while len(seen) < 100:
        try:
            alarm(0.0005 * (1 + len(seen) % 7))
            event = next(events)
            seen.append(event.generation)
            alarm(0)
        except KeyboardInterrupt:
            interrupted += 1
    alarm(0)
    writing.result()
    assert sorted({*seen, *range(2, 102)}) == list(range(2, 102))
    assert interrupted


@needs_alarms
def test_ctrl_c_in_other_calls(live: Any, workspace: Workspace, alarm: Callable[[float], object]) -> None:
    go = threading.Event()

    def hook(_: object) -> None:
        go.wait(10)

    live.prepare(hook, "B")
    live.on_change(lambda _: go.wait(10), "A")
    workspace.write({"A": 2})
    live.reload()
    alarm(0.05)
    with pytest.raises(KeyboardInterrupt):
        live.wait_applied()
    workspace.write({"A": 2, "B": 1})
    alarm(0.05)
    with pytest.raises(KeyboardInterrupt):
        live.reload()
    go.set()
    live.reload()
    live.wait_applied()
    assert live.current.B == 1


def test_the_barrier_inside_of_its_loop(live: Any, workspace: Workspace) -> None:
    """A `wait_applied` in a loop over changes waits neither for that loop nor for another one that calls it too."""
    passed: list[int] = []

    def follow(changes: Any) -> None:
        for change in changes:
            live.wait_applied(timeout=20)
            passed.append(change.new.A)

    threads = [in_thread(follow, live.changes()) for _ in range(3)]
    live.on_change(lambda _: live.wait_applied(timeout=20))
    for number in (2, 3, 4):
        workspace.write({"A": number})
        live.reload()
        live.wait_applied(timeout=20)
    assert sorted(passed) == [2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert live.status.callback_failures == 0
    live.stop()
    for thread in threads:
        thread.result()


def test_the_barrier_waits_for_a_loop(live: Any, workspace: Workspace) -> None:
    changes = live.changes()
    workspace.write({"A": 2})
    live.reload()
    with pytest.raises(TimeoutError, match=r"not every subscriber has finished within 0.02 s"):
        in_thread(live.wait_applied, timeout=0.02).result()
    next(changes)
    with pytest.raises(TimeoutError):
        in_thread(live.wait_applied, timeout=0.02).result()
    live.wait_applied(timeout=20)  # inside of the loop, so to say
    asked = in_thread(next, changes, None)
    in_thread(live.wait_applied, timeout=20).result()
    live.stop()
    assert asked.result() is None
