"""Bind mounts of a single file, as containers have them: the watched process lives in a mount namespace of its own."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.examples import covering
from support.faults.harness import SETTLE, Place, Watched, replace, with_mounts
from support.faults.tagged import text, whole
from support.faults.volumes import Volume

RESCAN = 0.3


def container(watcher: str, *mounts: tuple[Path, Path]) -> AbstractContextManager[Watched]:
    """A process that sees the first of each pair of paths at the second one; out here nobody does."""
    return with_mounts(watcher, *(f"mount --bind '{outside}' '{inside}'" for outside, inside in mounts))


@pytest.fixture
def host(place: Place) -> Path:
    """The file outside, whole(1)."""
    folder = place.folder.parent / "host"
    folder.mkdir()
    host = folder / "config.toml"
    host.write_text(text(1))
    return host


@pytest.mark.parametrize("watcher", ["inotify", "watchfiles", "poll"])
def test_a_single_file(place: Place, host: Path, watcher: str) -> None:
    with (
        container(watcher, (host, place.config)) as watched,
        watched.follow(place, rescan_interval=RESCAN) as following,
    ):
        watched.wait("", "log", lambda report: "mount of a single file" in report["message"])
        assert "let a symlink keep the path" in watched.logged()[0]
        # Edits in place arrive.
        host.write_text(text(2))
        following.reaches(whole(2), time.monotonic(), RESCAN + SETTLE)
        assert following.status()["layers"]["base"] == "read"
        # One that replaces the file outside never does. That is told, with the way out, once.
        replace(host, text(3))
        watched.wait("", "log", lambda report: "replaced outside" in report["message"])
        status = following.status()
        assert status["layers"] == {"base": "stale", "secrets": "read"}
        assert not status["healthy"]
        assert status["state"] == [[2], [0], [-1]]
        # The other files are followed all the same.
        place.secrets.write_text(text(4, "S"))
        following.reaches(whole(2, 4), time.monotonic(), RESCAN + SETTLE)
        assert len([message for message in watched.logged() if "replaced outside" in message]) == 1
        following.saw_only([whole(1), whole(2), whole(2, 4)])


def test_in_place_edits_are_told(place: Place, host: Path) -> None:
    """No look is needed for them: the file itself is watched."""
    with container("inotify", (host, place.config)) as watched, watched.follow(place) as following:
        host.write_text(text(2))
        following.reaches(whole(2), time.monotonic(), 0.02)
        following.saw_only([whole(1), whole(2)])


@pytest.mark.parametrize("watcher", ["inotify", "watchfiles"])
def test_a_folder_is_the_way_out(place: Place, watcher: str) -> None:
    """The volume is mounted as a folder, and a link keeps the path."""
    volume = Volume(place.folder.parent / "host")
    volume.publish({"secrets.toml": text(0, "S")})
    inside = place.folder.parent / "inside"
    inside.mkdir()
    place.secrets.unlink()
    place.secrets.symlink_to(inside / "secrets.toml")
    with container(watcher, (volume.folder, inside)) as watched, watched.follow(place) as following:
        following.reaches(whole(1, 2), volume.publish({"secrets.toml": text(2, "S")}), 0.02)
        assert not watched.logged()
        following.saw_only([whole(1), whole(1, 2)])


@pytest.mark.parametrize(
    ("watcher", "what"),
    covering(["inotify", "watchfiles", "poll"], ["renamed", "replaced", "the one above renamed", "removed"]),
)
def test_the_folder_itself_is_moved_outside(place: Place, watcher: str, what: str) -> None:
    """The mount follows the folder, whoever edits follows the path."""
    host = place.folder.parent / "host"
    folder, inside = host / "conf", place.folder.parent / "inside"
    folder.mkdir(parents=True)
    inside.mkdir()
    place.config.rename(folder / "config.toml")
    place.config = inside / "config.toml"
    with container(watcher, (folder, inside)) as watched, watched.follow(place, rescan_interval=RESCAN) as following:
        time.sleep(3 * RESCAN)
        assert not watched.logged()
        if what == "removed":
            (folder / "config.toml").unlink()
            folder.rmdir()
        else:
            (host if what == "the one above renamed" else folder).rename(place.folder.parent / "old")
        if what == "replaced":
            folder.mkdir()
            (folder / "config.toml").write_text(text(2))
        watched.wait("", "log", lambda report: f"mounted at {inside} was renamed or removed" in report["message"])
        status = following.status()
        assert status["layers"] == {"base": "stale", "secrets": "read"}
        assert not status["healthy"]
        if what != "removed":
            # What is edited in here is followed all the same, and what is put back is as it was before.
            current = next((place.folder.parent / "old").rglob("config.toml"))
            current.write_text(text(3))
            following.reaches(whole(3), time.monotonic(), RESCAN + SETTLE)
            assert following.status()["layers"]["base"] == "stale"
        if what == "renamed":
            (place.folder.parent / "old").rename(folder)
            deadline = time.monotonic() + 10
            while not following.status()["healthy"]:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert len([message for message in watched.logged() if "mounted at" in message]) == 1
        following.saw_only([whole(1), whole(3)])


@pytest.mark.parametrize("watcher", ["inotify", "watchfiles", "poll"])
def test_a_single_file_that_keeps_another_name(place: Place, host: Path, watcher: str) -> None:
    """An editor renames the old file to a backup. So the file in here is in no way removed, and no edit arrives."""
    with (
        container(watcher, (host, place.config)) as watched,
        watched.follow(place, rescan_interval=RESCAN) as following,
    ):
        host.rename(host.with_name("config.toml~"))
        host.write_text(text(2))
        watched.wait("", "log", lambda report: "replaced outside" in report["message"])
        assert following.status()["layers"]["base"] == "stale"
        following.saw_only([whole(1)])


def test_a_subpath_of_a_volume(place: Place) -> None:
    """Kubernetes mounts the file that the link leads to at the start: it never updates, and this is told at the start."""
    volume = Volume(place.folder.parent / "host")
    volume.publish({"config.toml": text(1)})
    target = (volume.folder / "config.toml").resolve()
    with (
        container("inotify", (target, place.config)) as watched,
        watched.follow(place, rescan_interval=RESCAN) as following,
    ):
        watched.wait("", "log", lambda report: "mount of a single file" in report["message"])
        volume.publish({"config.toml": text(2)})  # and the old folder is removed
        watched.wait("", "log", lambda report: "replaced outside" in report["message"])
        assert following.status()["layers"]["base"] == "stale"
        following.saw_only([whole(1)])


def test_one_folder_at_two_places(place: Place, host: Path) -> None:
    """Two mounts are one and the same folder to the kernel: each layer is told of what concerns it."""
    one, other = place.folder.parent / "one", place.folder.parent / "other"
    one.mkdir()
    other.mkdir()
    (host.parent / "secrets.toml").write_text(text(0, "S"))
    place.config, place.secrets = one / "config.toml", other / "secrets.toml"
    with container("inotify", (host.parent, one), (host.parent, other)) as watched, watched.follow(place) as following:
        following.reaches(whole(2), replace(host, text(2)), 0.02)
        following.reaches(whole(2, 3), replace(host.with_name("secrets.toml"), text(3, "S")), 0.02)
        host.unlink()
        with open(host, "x") as file:
            file.write(text(4)[:500])
            file.flush()
            time.sleep(3 * SETTLE)
            file.write(text(4)[500:])
        following.reaches(whole(4, 3), time.monotonic(), 0.02)
        following.saw_only([whole(1), whole(2), whole(2, 3), whole(4, 3)])


def test_hard_linked_layers(place: Place) -> None:
    """Two layers are one file, by two names in two folders."""
    other = place.folder.parent / "other"
    other.mkdir()
    both = text(1) + text(1, "S")
    place.config.write_text(both)
    place.secrets = other / "secrets.toml"
    os.link(place.config, place.secrets)
    watched = Watched("inotify")
    try:
        watched.ready()
        with watched.follow(place) as following:
            place.secrets.write_text(text(2) + text(2, "S"))
            following.reaches(whole(2, 2), time.monotonic(), 0.02)
            with open(place.config, "r+") as file:
                file.write(text(3))
                file.flush()
                time.sleep(3 * SETTLE)
                file.write(text(3, "S"))
            following.reaches(whole(3, 3), time.monotonic(), 0.02)
            following.saw_only([whole(1, 1), whole(2, 2), whole(3, 3)])
    finally:
        watched.end()
