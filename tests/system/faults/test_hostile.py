"""What is no settings file, or not to be had: a rejection, the old settings serve, and the next good state is live."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.faults.harness import SETTLE, Party, Place, Watched, needs, replace
from support.faults.tagged import text, whole

Break = Callable[[Path], None]


def emptied(path: Path) -> None:
    path.write_text("")


def deleted(path: Path) -> None:
    path.unlink()


def deleted_with_its_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def not_toml(path: Path) -> None:
    path.write_text("B00 = = 1\n")


def not_valid(path: Path) -> None:
    path.write_text('B00 = "text"\n')


def not_utf8(path: Path) -> None:
    path.write_bytes(b"B00 = 1\n# \xff\xfe\n")


def huge(path: Path) -> None:
    with open(path, "w") as file:
        file.truncate(3_000_000_000)


def too_large(path: Path) -> None:
    path.write_text("# " + "x" * 1_200_000 + "\n")


def nested_bomb(path: Path) -> None:
    path.write_text("B00 = " + "[" * 100_000)


def dotted_bomb(path: Path) -> None:
    path.write_text("a." * 100_000 + "b = 1\n")


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def bound_socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as made:
        here = os.getcwd()
        os.chdir(path.parent)  # the address has to be short
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def terminal(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/tty")


def own_descriptors(path: Path) -> None:
    path.unlink()
    path.symlink_to("/proc/self/mem")


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere/at/all")


def loop(path: Path) -> None:
    other = path.with_name("other")
    path.unlink()
    path.symlink_to(other)
    other.symlink_to(path)


def folder_loop(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.symlink_to(path.parent.name)


BREAKS: list[Break] = [
    emptied, deleted, deleted_with_its_folder, not_toml, not_valid, not_utf8, huge, too_large, nested_bomb, dotted_bomb,
    fifo, directory, bound_socket, device, terminal, own_descriptors, dangling, loop, folder_loop,
]  # fmt: skip


def heal(path: Path, content: str) -> float:
    """Put a good file where anything else may be now."""
    if path.parent.is_symlink():
        path.parent.unlink()
    path.parent.mkdir(exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    return replace(path, content)


@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__)
def test_it_is_rejected_and_the_next_good_state_is_applied(party: Party, place: Place, spoil: Break) -> None:
    own = place.folder / "own"  # so that its folder can go too
    own.mkdir()
    place.config = own / "config.toml"
    place.begin()
    with party.follow(place) as followers:
        spoil(place.config)
        followers.rejected()
        for following in followers:
            status = following.status()
            assert not status["healthy"]
            assert status["state"] == [[1], [0], [-1]]
        followers.reach(whole(2), heal(place.config, text(2)), 0.02)
        for following in followers:
            status = following.status()
            assert status["healthy"], status
            assert len([report for report in following.reports if report["what"] == "rejected"]) <= 2
        followers.saw_only([whole(1), whole(2)])


def test_a_dangling_link_is_healed_by_its_target(party: Party, place: Place) -> None:
    """The folder of the target does not exist yet either."""
    with party.follow(place) as followers:
        fresh = place.folder / "fresh"
        fresh.symlink_to("later/real.toml")
        os.replace(fresh, place.config)
        followers.rejected("no")
        (place.folder / "later").mkdir()
        time.sleep(0.02)
        (place.folder / "later" / "real.toml").write_text(text(2))
        followers.reach(whole(2), time.monotonic(), SETTLE + 0.05)
        followers.saw_only([whole(1), whole(2)])


def test_deep_folders_that_come_one_by_one(party: Party, place: Place) -> None:
    place.secrets = place.folder / "a" / "b" / "c" / "secrets.toml"
    place.secrets_are_optional = True
    with party.follow(place) as followers:
        place.secrets.parent.mkdir(parents=True)
        place.secrets.write_text(text(3, "S"))
        followers.reach(whole(1, 3), time.monotonic(), SETTLE + 0.05)
        shutil.rmtree(place.folder / "a")
        followers.rejected("no file any more")
        place.secrets.parent.mkdir(parents=True)
        place.secrets.write_text(text(4, "S"))
        followers.reach(whole(1, 4), time.monotonic(), SETTLE + 0.05)
        followers.saw_only([whole(1, -1), whole(1, 3), whole(1, 4)])


@pytest.fixture
def nobody() -> Iterator[Watched]:
    """A process that may read only what everybody may read."""
    needs(os.geteuid() == 0, "only root can become somebody else")
    watched = Watched("inotify")
    watched.ready()
    yield watched
    watched.end()


def test_permission_taken_away_and_given_back(nobody: Watched, open_place: Place) -> None:
    place = open_place
    with nobody.follow(place):
        pass  # whatever it imports is imported now
    nobody.ask("become", "became", uid=54_321)
    # Who may not read a file may not watch it either: that it can be read again is found by looking.
    with nobody.follow(place, rescan_interval=0.3) as following:
        place.config.chmod(0)
        following.rejected(containing="permission denied")
        place.config.chmod(0o644)
        following.wait("applied")
        place.folder.chmod(0)
        following.rejected(containing="permission denied")
        place.folder.chmod(0o755)
        following.reaches(whole(2), replace(place.config, text(2)), SETTLE)
        following.saw_only([whole(1), whole(2)])


def truncate(party: Party, place: Place, promised: float) -> None:
    """Cut a file off by name: this tells of a change, and nobody closes."""
    with party.follow(place) as followers:
        place.config.write_text(text(2) + "# more\n")
        followers.reach(whole(2), time.monotonic(), SETTLE + 0.05)
        os.truncate(place.config, len(text(2)) // 20 * 3)  # three keys are left
        truncated = time.monotonic()
        expected = ((-1, 2), (0,), (-1,))
        for following in followers:
            following.reaches(expected, truncated, max(promised, SETTLE + following.looks_every))
        last = followers.take_a_good_edit(place, 9)
        followers.saw_only([whole(1), whole(2), expected, last])


def test_truncated_by_name_and_never_closed(party: Party, place: Place) -> None:
    """The kernel says that nobody has it open."""
    truncate(party, place, SETTLE)


@pytest.mark.thorough  # it waits for ten seconds
def test_truncated_by_name_where_the_kernel_does_not_say_who_writes(nobody: Watched, open_place: Place) -> None:
    """It is taken after ten seconds at rest."""
    with nobody.follow(open_place):
        pass
    nobody.ask("become", "became", uid=54_321)
    truncate(Party([nobody]), open_place, 10.0)
