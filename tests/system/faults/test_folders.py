"""A folder with one file for each key: what writers of all kinds do to it is seen whole and in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from support.faults.harness import SETTLE, Party, Place
from support.faults.tagged import ABSENT, text, whole
from support.faults.volumes import Volume
from support.faults.writers import chunks


def test_keys_come_and_go(everybody: Party, place: Place) -> None:
    place.layer = place.folder
    with everybody.follow(place) as followers:
        place.secrets.unlink()
        followers.reach(whole(1, ABSENT), time.monotonic(), SETTLE + 0.05)
        place.secrets.write_text(text(5, "S"))
        followers.reach(whole(1, 5), time.monotonic(), SETTLE + 0.05)
        place.secrets.unlink()
        place.config.unlink()
        followers.rejected("the folder is empty")
        place.config.write_text(text(2))
        followers.reach(whole(2, ABSENT), time.monotonic(), SETTLE + 0.05)
        followers.saw_only([whole(1), whole(1, ABSENT), whole(1, 5), whole(ABSENT, 5), whole(2, ABSENT)])


def test_a_new_key_is_live_at_its_close(everybody: Party, place: Place) -> None:
    """No earlier, however long its writer rests, and no later."""
    told = Party([member for member in everybody.members if member.watcher == "inotify"])
    place.layer = place.folder
    place.secrets.unlink()
    with told.follow(place) as followers:
        for tag in range(1, 6):
            with open(place.secrets, "w") as file:
                for chunk in chunks(text(tag, "S"), 3):
                    file.write(chunk)
                    file.flush()
                    time.sleep(1.5 * SETTLE)
            followers.reach(whole(1, tag), time.monotonic(), 0.02)
            place.secrets.unlink()
            followers.reach(whole(1, ABSENT), time.monotonic(), SETTLE + 0.05)
        followers.saw_only([whole(1, ABSENT), *(whole(1, tag) for tag in range(1, 6))])


def test_a_writer_that_is_stopped_in_the_middle(everybody: Party, place: Place) -> None:
    told = Party([member for member in everybody.members if member.watcher == "inotify"])
    place.layer = place.folder
    script = "import sys; f = open(sys.argv[1], 'w'); f.write(sys.argv[2]); f.flush(); print(flush=True); input(); f.write(sys.argv[3])"
    half = len(text(2)) // 2
    with told.follow(place) as followers:
        writer = subprocess.Popen(
            [sys.executable, "-c", script, place.config, text(2)[:half], text(2)[half:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        writer.send_signal(signal.SIGSTOP)
        time.sleep(4 * SETTLE)
        writer.send_signal(signal.SIGCONT)
        writer.communicate(b"\n")
        followers.reach(whole(2), time.monotonic(), SETTLE + 0.05)
        followers.saw_only([whole(1), whole(2)])


def test_volumes_are_swapped_whole(everybody: Party, place: Place) -> None:
    volume = Volume(place.folder.parent / "volume")
    volume.publish({"config.toml": text(0), "secrets.toml": text(0, "S")})
    place.layer = volume.folder
    with everybody.follow(place, readers=2, pause=0.0002) as followers:
        for tag in range(1, 60):
            texts = {"config.toml": text(tag)}
            if tag % 3:
                texts["secrets.toml"] = text(tag, "S")
            texts |= {f"other{tag}": "x"}
            volume.publish(texts, lambda tag=tag: time.sleep(0.0005 * (tag % 5)))  # type: ignore[misc]
        swapped = volume.publish({"config.toml": text(60), "secrets.toml": text(60, "S")})
        followers.reach(whole(60, 60), swapped, 0.02)
        published = [whole(tag, tag if tag % 3 or not tag else ABSENT) for tag in range(60)]
        followers.saw_only([*published, whole(60, 60)])


def test_a_thousand_files(party: Party, place: Place) -> None:
    place.layer = place.folder
    for number in range(1000):
        (place.folder / f"others.k{number}").write_text("x")
    with party.follow(place) as followers:
        os.replace(written(place.folder / ".new", text(2)), place.config)
        followers.reach(whole(2), time.monotonic(), SETTLE + 0.05)
        followers.saw_only([whole(1), whole(2)])


def written(path: Path, content: str) -> Path:
    path.write_text(content)
    return path
