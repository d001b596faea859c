"""Reading fails for a while: the edit that was missed is live as soon as it can be read, and nothing sticks."""

from __future__ import annotations

import errno
import os
import time
from functools import partial

import pytest
from support.examples import first
from support.faults.harness import (
    NEVER,
    SETTLE,
    Party,
    Place,
    becomes_unreadable,
    process,
    rejections,
    replace,
)
from support.faults.tagged import text, whole

FAILURES = [errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE, errno.ENOMEM, errno.EACCES, errno.EINTR, errno.EAGAIN]
watchers = pytest.mark.parametrize(
    ("watcher", "backend"),
    [
        ("inotify", "asyncio"),
        pytest.param("watchfiles", "asyncio", marks=pytest.mark.thorough),
        ("poll", "trio"),
        pytest.param("inotify", "uvloop", marks=pytest.mark.thorough),
    ],
)


@watchers
def test_no_descriptor_is_left(place: Place, watcher: str, backend: str) -> None:
    with process(watcher, backend) as watched, watched.follow(place) as following:
        watched.ask("starve", "starved")
        replace(place.config, text(2))
        becomes_unreadable(following)
        watched.ask("mend", "mended")
        following.reaches(whole(2), time.monotonic(), 1.0)
        assert following.status()["healthy"]
        assert not rejections(following), "it was too short for that"
        following.saw_only([whole(1), whole(2)])


@watchers
def test_no_descriptor_is_left_for_long(place: Place, watcher: str, backend: str) -> None:
    """To say what is wrong takes no descriptor either."""
    with process(watcher, backend) as watched, watched.follow(place, rescan_interval=0.3, looking=0.3) as following:
        watched.ask("starve", "starved")
        replace(place.config, text(2))
        following.rejected(containing="too many open files")
        watched.ask("mend", "mended")
        following.reaches(whole(2), time.monotonic(), 0.3 + SETTLE)
        assert following.status()["healthy"]
        # A look that meets the moment when one descriptor is free again can read one layer, but not yet all of them.
        said = rejections(following)
        assert 1 <= len(said) <= 2
        assert len(set(said)) == len(said), "the same state is rejected once"
        following.saw_only([whole(1), whole(2)])


@pytest.mark.parametrize("number", first(3, FAILURES))
def test_a_read_fails_and_then_does_not(place: Place, number: int) -> None:
    """Nothing tells that it can be read again, and the next regular look is far away."""
    with process("inotify") as watched, watched.follow(place) as following:
        watched.ask("fail", "failing", errno=number)
        replace(place.config, text(2))
        becomes_unreadable(following)
        watched.ask("mend", "mended")
        following.reaches(whole(2), time.monotonic(), 1.0)
        assert not rejections(following)
        following.saw_only([whole(1), whole(2)])


@watchers
def test_a_failure_that_lasts_is_a_rejection_and_heals_by_itself(place: Place, watcher: str, backend: str) -> None:
    with process(watcher, backend) as watched, watched.follow(place, rescan_interval=0.3, looking=0.3) as following:
        watched.ask("fail", "failing", errno=errno.EIO)
        edited = replace(place.config, text(2))
        report = following.rejected()
        assert report["at"] - edited > 1.5
        time.sleep(1)  # it goes on failing
        assert len(rejections(following)) == 1
        watched.ask("mend", "mended")
        following.reaches(whole(2), time.monotonic(), 0.3 + SETTLE)
        assert following.status()["healthy"]
        following.saw_only([whole(1), whole(2)])


def test_what_is_live_already_cannot_be_read_again(place: Place) -> None:
    """A file that was just written is read again at the next look. If that fails for long, it is rejected, and forgiven."""
    with process("inotify") as watched, watched.follow(place, rescan_interval=0.3) as following:
        following.reaches(whole(2), replace(place.config, text(2)), 0.02)
        watched.ask("fail", "failing", errno=errno.EMFILE)
        becomes_unreadable(following)
        following.rejected()
        watched.ask("mend", "mended")
        following.wait("applied", lambda report: report["keys"] == 0)
        deadline = time.monotonic() + 10
        while not (status := following.status())["healthy"]:
            assert time.monotonic() < deadline, status
        assert status["generation"] == 2


def test_a_reload_reads_at_once(place: Place) -> None:
    with process("inotify") as watched, watched.follow(place) as following:
        watched.ask("fail", "failing", errno=errno.EIO)
        replace(place.config, text(2))
        following.rejected()
        assert "rejected" in following.ask("reload", "reloaded")
        watched.ask("mend", "mended")
        assert following.ask("reload", "reloaded")["state"] == [[2], [0], [-1]]
        watched.ask("fail", "failing", errno=errno.EIO)
        assert "rejected" in following.ask("reload", "reloaded"), "though nothing has changed"
        watched.ask("mend", "mended")
        assert not following.ask("reload", "reloaded")["changed"]
        assert following.status()["healthy"]


@pytest.mark.parametrize("delay", first(2, [0.001, 1.0, 0.1, 0.0, 0.01]))
def test_mode_and_owner_are_set_after_the_rename(strangers: Party, open_place: Place, delay: float) -> None:
    """As a deployment tool that runs as root does it."""
    place = open_place
    with strangers.follow(place, rescan_interval=NEVER) as followers:
        for tag, set_it in enumerate(
            (partial(os.chmod, place.config, 0o644), partial(os.chown, place.config, 54_321, -1)), 2
        ):
            fresh = place.config.with_name("fresh")
            fresh.write_text(text(tag))
            fresh.chmod(0o600)
            os.replace(fresh, place.config)
            time.sleep(delay)
            set_it()
            readable = time.monotonic()
            followers.reach(whole(tag), readable, SETTLE + 0.05)
            # It is told, and need not be found by the next try: after a second that is half a second away.
            assert all(following.reaches(whole(tag), readable, 0.02) < 0.3 for following in followers.of("inotify"))
        for following in followers:
            assert not rejections(following)
        followers.saw_only(map(whole, (1, 2, 3)))


def test_it_may_not_be_read(strangers: Party, open_place: Place) -> None:
    place = open_place
    with strangers.follow(place, rescan_interval=0.3) as followers:
        place.config.chmod(0)
        followers.rejected("permission denied")
        for following in followers:
            assert following.status()["layers"]["base"] == "unreadable"
        place.config.chmod(0o644)
        for following in followers:
            following.wait("applied")
        last = followers.take_a_good_edit(place, 2)
        followers.saw_only([whole(1), last])
