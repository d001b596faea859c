"""Each way in which files are changed in the wild: nothing torn is seen, and what was written is live in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from support.examples import some_of
from support.faults.harness import NEVER, SETTLE, Party, Place, Watched, replace
from support.faults.tagged import ABSENT, State, text, whole
from support.faults.writers import WRITERS, InPlace, Replace, Writer, chunks

LATER = 2, 3
LAST = 9
GONE = whole(ABSENT), whole(ABSENT, ABSENT)
"""Between two files of a key there may be none for longer than a busy machine lets us look."""


def in_a_file(party: Party, place: Place, kind: type[Writer]) -> None:
    writer = kind(place.folder)
    place.config.unlink()
    writer.begin(text(1))
    place.config = writer.path
    # What nobody tells is found by looking; everything else must not need that.
    rescan = NEVER if writer.told else 0.3
    promised = SETTLE + 0.05 if writer.told else rescan + SETTLE
    with party.follow(place, rescan_interval=rescan) as followers:
        for tag in LATER:
            writer.write(text(tag))
            followers.reach(whole(tag), time.monotonic(), promised)
        last = followers.take_a_good_edit(place, LAST)
        followers.saw_only([whole(1), *map(whole, LATER), last])


def in_a_folder(party: Party, place: Place, kind: type[Writer]) -> None:
    writer = kind(place.folder)
    place.config.unlink()
    writer.begin(text(1))
    place.config, place.layer = writer.path, writer.path.parent

    def state(tag: int) -> State:
        return whole(tag, 0 if (writer.path.parent / "secrets.toml").exists() else ABSENT)

    rescan = NEVER if writer.told else 0.3
    promised = SETTLE + 0.05 if writer.told else rescan + SETTLE
    with party.follow(place, rescan_interval=rescan) as followers:
        for tag in LATER:
            writer.write(text(tag))
            followers.reach(state(tag), time.monotonic(), promised)
        writer.path.write_text(text(LAST))
        followers.reach(state(LAST), time.monotonic(), SETTLE + 0.05)
        followers.saw_only([*map(state, (1, *LATER, LAST)), *GONE])


Check: TypeAlias = Callable[[Party, Place, type[Writer]], None]
FILE = pytest.param(in_a_file, id="file")
FOLDER = pytest.param(in_a_folder, id="folder")
"""Its keys are followed as files are, so two of the writers always go into one, and all of them in a thorough run."""
WHERE = pytest.mark.parametrize("check", [FILE, pytest.param(in_a_folder, id="folder", marks=pytest.mark.thorough)])


@WHERE
@pytest.mark.parametrize("kind", [w for w in WRITERS if not w.only_closes_tell], ids=lambda kind: kind.__name__)
def test_on_every_watcher(party: Party, place: Place, kind: type[Writer], check: Check) -> None:
    check(party, place, kind)


@WHERE
@pytest.mark.parametrize("kind", [w for w in WRITERS if w.only_closes_tell], ids=lambda kind: kind.__name__)
def test_where_only_a_close_tells_that_it_is_whole(
    everybody: Party, place: Place, kind: type[Writer], check: Check
) -> None:
    told = [member for member in everybody.members if member.watcher == "inotify"]
    check(Party(told), place, kind)


@pytest.mark.parametrize("check", [FILE, FOLDER])
@pytest.mark.parametrize("kind", [InPlace, Replace], ids=lambda kind: kind.__name__)
def test_on_every_event_loop(everybody: Party, place: Place, kind: type[Writer], check: Check) -> None:
    check(everybody, place, kind)


@pytest.mark.thorough
@pytest.mark.parametrize("check", [FILE, FOLDER])
@pytest.mark.parametrize("kind", [w for w in WRITERS if not w.only_closes_tell], ids=lambda kind: kind.__name__)
def test_on_the_blocking_form(blocking: Party, place: Place, kind: type[Writer], check: Check) -> None:
    check(blocking, place, kind)


def test_the_secrets_are_followed_in_the_same_way(everybody: Party, place: Place) -> None:
    with everybody.follow(place) as followers:
        place.secrets.write_text(text(5, "S"))
        followers.reach(whole(1, 5), time.monotonic(), SETTLE + 0.05)
        place.secrets.unlink()
        followers.rejected("no such file")
        place.secrets.write_text(text(6, "S"))
        followers.reach(whole(1, 6), time.monotonic(), SETTLE + 0.05)
        followers.saw_only([whole(1), whole(1, 5), whole(1, 6)])


@pytest.mark.parametrize("in_place", [False, True], ids=["renamed in", "written in place"])
def test_the_last_of_several_edits_is_never_missed(everybody: Party, place: Place, in_place: bool) -> None:
    """An edit meets each step of the look that the one before it has caused."""
    party = Party([member for member in everybody.members if member.watcher == "inotify"])
    with party.follow(place) as followers:
        tag = 1
        for turn in some_of(range(100)):
            for _ in range(2):
                tag += 1
                if in_place:
                    place.config.write_text(text(tag))
                else:
                    replace(place.config, text(tag))
                time.sleep(turn % 25 * 0.0002)
            followers.reach(whole(tag), time.monotonic(), 0.02)
        followers.saw_only(map(whole, range(1, tag + 1)))


def test_a_file_is_renamed_in_and_at_once_written_to(everybody: Party, place: Place) -> None:
    """The rename says that it is whole. The look that follows may meet the half of the next state."""
    told = Party([member for member in everybody.members if member.watcher == "inotify"])
    rounds = range(1, len(some_of(range(60))) + 1)
    with told.follow(place) as followers:
        for turn in rounds:
            replace(place.config, text(2 * turn))
            time.sleep(turn % 20 * 0.0001)
            with open(place.config, "w") as file:
                file.write(text(2 * turn + 1)[: 40 * turn])
                file.flush()
                time.sleep(0.02)
                file.write(text(2 * turn + 1)[40 * turn :])
            followers.reach(whole(2 * turn + 1), time.monotonic(), 0.02)
        followers.saw_only(map(whole, range(1, 2 * len(rounds) + 2)))


def test_a_file_that_is_made_anew_at_every_pace(processes: list[Watched], place: Place) -> None:
    """watchfiles tells of the new name before, with or after the first write: each looks like a finished file."""
    party = Party([watched for watched in processes if watched.watcher == "watchfiles"])
    paces = range(2, 32, 2)
    with party.follow(place) as followers:
        for tag, pace in enumerate(paces, 2):
            place.config.unlink()
            with open(place.config, "x") as file:
                for chunk in chunks(text(tag), 4):
                    time.sleep(pace / 1000)
                    file.write(chunk)
                    file.flush()
            followers.reach(whole(tag), time.monotonic(), SETTLE + 0.05)
        followers.saw_only(map(whole, range(1, len(paces) + 2)))


def test_a_writer_at_work_when_the_watch_begins(everybody: Party, place: Place) -> None:
    """What is half written then is waited for."""
    writing = threading.Thread(target=write_at_ease, args=(place.config, text(2)))
    writing.start()
    try:
        with everybody.follow(place) as followers:
            followers.saw_only([whole(2)])
    finally:
        writing.join()


def write_at_ease(path: Path, content: str) -> None:
    """Never at rest for as long as ``settle``, but busy while several processes start to watch."""
    with open(path, "w") as file:
        for chunk in chunks(content, 30):
            file.write(chunk)
            file.flush()
            time.sleep(SETTLE / 5)
