"""Kubernetes volumes: the files of one are never seen mixed, and a swap is live at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faults.harness import Followers, Party, Place
from support.faults.tagged import text, whole
from support.faults.volumes import Volume

SWAPS = 200


def files(tag: int) -> dict[str, str]:
    return {"config.toml": text(tag), "secrets.toml": text(tag, "S")}


@pytest.fixture
def volume(place: Place) -> Iterator[Volume]:
    """One volume that holds the configuration and the secrets."""
    volume = Volume(place.folder.parent / "volume")
    volume.publish(files(0))
    place.config, place.secrets = volume.folder / "config.toml", volume.folder / "secrets.toml"
    yield volume


def both(tag: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    return whole(tag, tag)


def ends_well(followers: Followers, volume: Volume, last: int) -> None:
    followers.reach(both(last), volume.publish(files(last)), 0.02)
    followers.saw_only(both(tag) for tag in range(last + 1))


def test_step_by_step(everybody: Party, place: Place, volume: Volume) -> None:
    with everybody.follow(place) as followers:
        for tag in (1, 2):
            swapped = volume.publish(files(tag), lambda: time.sleep(0.03))
            followers.reach(both(tag), swapped, 0.02)
        ends_well(followers, volume, 3)


def test_swapped_every_few_milliseconds(everybody: Party, place: Place, volume: Volume) -> None:
    with everybody.follow(place, readers=3, pause=0.0002, looking=0.02) as followers:
        for tag in range(1, SWAPS):
            volume.publish(files(tag))
            time.sleep(0.001 * (tag % 8))
        ends_well(followers, volume, SWAPS)
        assert all(len(following.states) > 5 for following in followers.of("inotify"))  # it was not idle meanwhile


def test_reached_through_links_of_the_image(party: Party, place: Place, volume: Volume) -> None:
    """/app/secrets.toml -> /etc/app/secrets/secrets.toml, as is advised where the path has to stay."""
    app = place.folder
    for name in ("config.toml", "secrets.toml"):
        (app / name).unlink()
        (app / name).symlink_to(volume.folder / name)
    place.config, place.secrets = app / "config.toml", app / "secrets.toml"
    with party.follow(place) as followers:
        followers.reach(both(1), volume.publish(files(1)), 0.02)
        ends_well(followers, volume, 2)


def test_a_volume_for_each_file(party: Party, place: Place, volume: Volume) -> None:
    secret = Volume(place.folder.parent / "secret")
    secret.publish({"secrets.toml": text(0, "S")})
    place.secrets = secret.folder / "secrets.toml"
    with party.follow(place) as followers:
        followers.reach(whole(1, 0), volume.publish({"config.toml": text(1)}), 0.02)
        followers.reach(whole(1, 2), secret.publish({"secrets.toml": text(2, "S")}), 0.02)
        followers.saw_only([whole(0, 0), whole(1, 0), whole(1, 2)])


def test_a_file_leaves_the_volume_and_comes_back(party: Party, place: Place, volume: Volume) -> None:
    with party.follow(place) as followers:
        volume.publish({"config.toml": text(1)})
        followers.rejected("no such file")
        followers.reach(both(2), volume.publish(files(2)), 0.02)
        followers.saw_only([both(0), both(2)])


def test_an_override_beside_both(party: Party, place: Place, volume: Volume, tmp_path: Path) -> None:
    place.override = tmp_path / "config.worker.toml"
    place.override.write_text(text(7, "O"))
    with party.follow(place) as followers:
        followers.reach(whole(1, 1, 7), volume.publish(files(1)), 0.02)
        place.override.write_text(text(8, "O"))
        followers.reach(whole(1, 1, 8), time.monotonic(), 0.15)
        followers.saw_only([whole(0, 0, 7), whole(1, 1, 7), whole(1, 1, 8)])
