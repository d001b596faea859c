"""Events that never come: the watched process was stopped, the system has no more to give, or somebody else is loud."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from support.examples import covering, first
from support.faults.harness import NEVER, SETTLE, Party, Place, allowed, needs, process, replace
from support.faults.tagged import text, whole
from support.faults.writers import chunks
from support.traced import TRACED


@pytest.mark.parametrize("edit", ["at the end", "in the middle", "in place"])
def test_the_queue_overflows_while_the_process_is_stopped(party: Party, place: Place, edit: str) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    needs(limit <= 100_000, "the queue is too long to fill")
    names = [place.folder / f"noise{number}" for number in range(limit // 3 + 500)]
    with party.follow(place) as followers:
        for member in party.members:
            member.stop()
        for number, name in enumerate(names):
            if edit == "in the middle" and number == len(names) - 200:
                replace(place.config, text(2))  # among those that are lost
            name.touch()
            name.unlink()
        if edit == "at the end":
            replace(place.config, text(2))
        elif edit == "in place":
            place.config.write_text(text(2))
        for member in party.members:
            member.go_on()
        # watchfiles does not tell that it has lost events. What it still tells wakes all the same.
        followers.reach(whole(2), time.monotonic(), SETTLE + 0.05)
        last = followers.take_a_good_edit(place, 3)
        followers.saw_only([whole(1), whole(2), last])


def test_what_was_told_before_the_queue_overflowed_is_worth_nothing(everybody: Party, place: Place) -> None:
    """It was closed: that has arrived. It was opened again and is half written: that was lost."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    needs(limit <= 100_000, "the queue is too long to fill")
    # One thread follows, which is what a signal stops at once; others stop a moment later.
    told = Party([member for member in everybody.members if member.name == "inotify on asyncio"])
    with told.follow(place) as followers:
        for member in told.members:
            member.stop()
        place.config.write_text(text(2))
        for number in range(limit // 3 + 500):
            name = place.folder / f"noise{number}"
            name.touch()
            name.unlink()
        with open(place.config, "w") as file:
            parts = chunks(text(3), 12)
            file.write(parts[0])
            file.flush()
            for member in told.members:
                member.go_on()
            for part in parts[1:]:
                time.sleep(SETTLE / 2)
                file.write(part)
                file.flush()
        followers.reach(whole(3), time.monotonic(), 0.02)
        followers.saw_only([whole(1), whole(3)])


def test_stopped_again_and_again(party: Party, place: Place) -> None:
    """A process that gets little time sees states late, and never torn ones."""
    over = threading.Event()

    def starve() -> None:
        while not over.is_set():
            for member in party.members:
                member.stop()
            time.sleep(0.03)
            for member in party.members:
                member.go_on()
            time.sleep(0.01)

    with party.follow(place) as followers:
        starving = threading.Thread(target=starve)
        starving.start()
        try:
            for tag in range(2, 40):
                if tag % 2:
                    place.config.write_text(text(tag))
                else:
                    replace(place.config, text(tag))
                time.sleep(0.01)
        finally:
            over.set()
            starving.join()
        last = followers.take_a_good_edit(place, 50)
        followers.saw_only([last, *map(whole, range(1, 40))])


IN_OWN_USER_NAMESPACE = ("unshare", "--user", "--map-root-user")


def limits_can_be_set() -> bool:
    """In a user namespace of its own a process can limit itself and hurts nobody."""
    return allowed(*IN_OWN_USER_NAMESPACE, "sh", "-c", "echo 1 > /proc/sys/user/max_inotify_watches")


@pytest.mark.parametrize(
    ("kind", "name"),
    covering(
        [("inotify", "asyncio"), ("watchfiles", "asyncio"), ("inotify", "trio"), ("auto", "uvloop")],
        ["max_inotify_instances", "max_inotify_watches"],
    ),
)
def test_no_inotify_left(place: Place, kind: tuple[str, str], name: str) -> None:
    watcher, backend = kind
    needs(limits_can_be_set(), "the system allows no user namespaces")
    with process(watcher, backend, under=IN_OWN_USER_NAMESPACE) as watched:
        watched.ask("limit", "limited", name=name, value=0)
        with watched.follow(place, rescan_interval=0.3) as following:
            # It starts all the same, with one warning, and looks.
            following.reaches(whole(2), replace(place.config, text(2)), 0.3 + SETTLE)
            place.config.write_text(text(3))
            following.reaches(whole(3), time.monotonic(), 0.3 + SETTLE)
            assert len(watched.logged()) == 1, watched.logged()
            assert "no more file events" in watched.logged()[0]
            # It has them again as soon as they can be had.
            watched.ask("limit", "limited", name=name, value=100)
            watched.wait("", "log", lambda report: "file events are available again" in report["message"])
            following.reaches(whole(4), replace(place.config, text(4)), 0.1)
            following.saw_only(map(whole, range(1, 5)))
            assert len(watched.logged()) == 1, watched.logged()


@pytest.mark.parametrize(
    ("watcher", "backend"), [("inotify", "asyncio"), ("watchfiles", "asyncio"), ("watchfiles", "trio")]
)
def test_a_neighbour_whose_name_is_no_text(place: Place, watcher: str, backend: str) -> None:
    """watchfiles fails at its name. inotify does not mind."""
    with process(watcher, backend) as watched, watched.follow(place, rescan_interval=0.3) as following:
        odd = os.fsencode(place.folder) + b"/caf\xe9"
        for tag in range(2, 7):
            os.close(os.open(odd, os.O_CREAT | os.O_WRONLY))
            os.unlink(odd)
            following.reaches(whole(tag), replace(place.config, text(tag)), 0.3 + SETTLE)
        if watcher == "watchfiles":
            watched.wait("", "log", lambda report: "file events are available again" in report["message"])
            time.sleep(0.3 + SETTLE)
            following.reaches(whole(9), replace(place.config, text(9)), 0.1)
        assert len(watched.logged()) == (watcher == "watchfiles"), watched.logged()
        following.saw_only(map(whole, [*range(1, 7), 9]))


def test_watches_run_out_later(place: Place) -> None:
    """A link leads to more folders than there are watches left."""
    needs(limits_can_be_set(), "the system allows no user namespaces")
    far = place.folder.parent / "far"
    far.mkdir()
    (far / "config.toml").write_text(text(2))
    with (
        process("inotify", under=IN_OWN_USER_NAMESPACE) as watched,
        watched.follow(place, rescan_interval=0.3) as following,
    ):
        following.reaches(whole(3), replace(place.config, text(3)), 0.02)
        watched.ask("limit", "limited", name="max_inotify_watches", value=4)
        link = place.folder / "link"
        link.symlink_to(far / "config.toml")
        os.replace(link, place.config)
        following.reaches(whole(2), time.monotonic(), 0.3 + SETTLE)
        assert len(watched.logged()) == 1, watched.logged()
        watched.ask("limit", "limited", name="max_inotify_watches", value=100)
        watched.wait("", "log", lambda report: "file events are available again" in report["message"])
        following.saw_only([whole(1), whole(2), whole(3)])


@pytest.mark.parametrize("tight", [False, True], ids=["ten thousand lines", "files that come and go"])
def test_a_busy_log_in_the_same_folder(party: Party, place: Place, tight: bool) -> None:
    over = threading.Event()

    def log() -> None:
        with open(place.folder / "app.log", "a") as file:
            while not over.is_set():
                if tight:
                    (place.folder / "scratch").touch()
                    (place.folder / "scratch").unlink()
                else:
                    file.write("a line\n" * 10)
                    file.flush()
                time.sleep(0.0005)

    noise = threading.Thread(target=log)
    with party.follow(place, rescan_interval=NEVER, pause=0.1) as followers:
        noise.start()
        try:
            for turn in range(5):  # a busy machine makes what it does dearer for a while
                used = [member.measure()["cpu"] for member in party.members]
                began = time.monotonic()
                for tag in range(2 + 4 * turn, 6 + 4 * turn):
                    edited = time.monotonic()
                    if tag % 2:
                        place.config.write_text(text(tag))
                    else:
                        edited = replace(place.config, text(tag))
                    followers.reach(whole(tag), edited, 0.2)
                took = time.monotonic() - began
                shares = {
                    member.name: (member.measure()["cpu"] - before) / took
                    for member, before in zip(party.members, used, strict=True)
                }
                if TRACED or max(shares.values()) < 0.6:
                    break
            else:
                raise AssertionError(f"of a core they use {shares}")
        finally:
            over.set()
            noise.join()
        followers.saw_only(map(whole, range(1, tag + 1)))


@pytest.mark.parametrize(
    ("watcher", "backend"),
    [
        ("inotify", "asyncio"),
        pytest.param("watchfiles", "trio", marks=pytest.mark.thorough),
        pytest.param("poll", "uvloop", marks=pytest.mark.thorough),
    ],
)
def test_a_read_that_hangs(place: Place, watcher: str, backend: str) -> None:
    with process(watcher, backend) as watched:
        with watched.follow(place) as following:
            watched.ask("block", "blocked")
            edited = replace(place.config, text(2))
            deadline = time.monotonic() + 20
            while (status := following.status())["layers"]["base"] != "reading":
                assert time.monotonic() < deadline, status
                time.sleep(0.05)
            assert not status["healthy"]
            assert status["state"] == [[1], [0], [-1]]
            watched.ask("unblock", "unblocked")
            following.reaches(whole(2), edited, 20)
            assert following.status()["healthy"]
            watched.ask("block", "blocked")
            replace(place.config, text(3))
            deadline = time.monotonic() + 20
            while following.status()["layers"]["base"] != "reading":
                assert time.monotonic() < deadline
                time.sleep(0.05)
            following.leave()  # quick all the same
            watched.ask("unblock", "unblocked")
            following.leave = lambda: None  # type: ignore[method-assign]  # done


def test_a_layer_that_never_stands_still(everybody: Party, place: Place) -> None:
    """Somebody appends to the secrets all the time, and never closes them: edits of the base are live after two seconds."""
    told = Party([member for member in everybody.members if member.watcher == "inotify"])
    with told.follow(place, rescan_interval=NEVER) as followers:
        with place.secrets.open("a") as file:
            over = threading.Event()

            def append() -> None:
                while not over.is_set():
                    file.write(f"# {time.monotonic()}\n")
                    file.flush()
                    time.sleep(0.05)

            appending = threading.Thread(target=append)
            appending.start()
            try:
                time.sleep(SETTLE)
                for tag in (2, 3):
                    followers.reach(whole(tag), replace(place.config, text(tag)), 2.0)
            finally:
                over.set()
                appending.join()
            file.seek(0)
            file.truncate()
            file.write(text(5, "S"))
        followers.reach(whole(3, 5), time.monotonic(), 0.02)
        followers.saw_only([whole(1), whole(2), whole(3), whole(3, 5)])


def test_edits_while_the_watch_begins(everybody: Party, place: Place) -> None:
    """Between the first read and the first watch nothing is told, and nothing must be missed."""
    # Who only looks waits until nobody has written for as long as ``settle``.
    party = Party([member for member in everybody.members if member.watcher != "poll"])
    over = threading.Event()
    tags: list[int] = []

    def edit() -> None:
        for tag in range(2, 100_000):
            if over.is_set():
                return
            replace(place.config, text(tag))
            tags.append(tag)
            time.sleep(0.002)

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        for _ in range(3):
            with party.follow(place, readers=1) as followers:
                pass
        with party.follow(place, readers=1) as followers:
            over.set()
            editor.join()
            for following in followers:
                following.comes_to(whole(tags[-1]))
            followers.saw_only(map(whole, [1, *tags]))
    finally:
        over.set()
        editor.join()


@pytest.mark.parametrize("delay", first(3, [0.0, 0.003, 0.03, 0.001, 0.01, 0.09]))
def test_an_edit_while_the_watch_begins(everybody: Party, place: Place, delay: float) -> None:
    def edit() -> None:
        time.sleep(delay)
        replace(place.config, text(2))

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        with everybody.follow(place) as followers:
            for following in followers:
                following.comes_to(whole(2))
            followers.saw_only([whole(1), whole(2)])
    finally:
        editor.join()
