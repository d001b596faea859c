"""Real files, looked at with a watcher of the test's own behind it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace as replaced

from hotsettings import BaseSettings, LayerError
from hotsettings._layers import layer as layers
from hotsettings._layers.layer import FileLayer
from hotsettings._loading.load import readable
from hotsettings._watching import consistent_read as stack
from hotsettings._watching import fingerprint as sight
from hotsettings._watching.consistent_read import Observation, Read, Stack, Unchanged, Unsettled
from hotsettings._watching.debounce import Told, Writer
from hotsettings._watching.sources import file as files
from hotsettings._watching.sources import source as followed
from hotsettings._watching.symlinks import Route
from hotsettings.settings import schema_of

SETTLE = 0.125  # exact in binary, as all times here


class Clock:
    """Stands in for the module time: two clocks that the test moves on together."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.ahead

    def time_ns(self) -> int:
        return time.time_ns() + int(self.ahead * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(files, "time", clock)
    monkeypatch.setattr(stack, "time", clock)
    monkeypatch.setattr(sight, "time", clock)
    return clock


class Anything(BaseSettings):
    A: int = 0


class Watched:
    """Two layers in a folder, and whatever is told of them."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.config = folder / "config.toml"
        self.secrets = folder / "secrets.toml"
        self.config.write_text("A = 1")
        self.stack = Stack(
            [
                FileLayer(str(self.config), name="base", label="config.toml"),
                FileLayer(str(self.secrets), name="secrets", label="secrets.toml", required=False, secret=True),
            ],
            SETTLE,
        )
        self.schema = schema_of(Anything)
        self.told: dict[str, Told] = {}
        self.arm: Callable[[Sequence[Route]], bool] = lambda _: False

    def tell(self, path: Path, writer: Writer) -> None:
        self.told[os.path.realpath(path)] = Told(writer, self.clock.monotonic())

    def look(self, after: float = 0.0) -> Observation:
        self.clock.ahead += after
        return self.stack.observe(self.arm, lambda target: self.told.get(target, Told()), 0.01)

    def read(self, after: float = 0.0) -> Read:
        seen = self.look(after)
        assert isinstance(seen, Read), seen
        return seen

    def values(self, after: float = 0.0) -> list[dict[str, object]]:
        seen = self.read(after)
        return [document.values for document in readable(self.schema, seen.documents)]

    def error(self, after: float = 0.0) -> str:
        seen = self.read(after)
        with pytest.raises(LayerError) as caught:
            readable(self.schema, seen.documents)
        return str(caught.value)


@pytest.fixture
def watched(tmp_path: Path, clock: Clock) -> Watched:
    return Watched(tmp_path, clock)


def replace(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    os.replace(new, path)


def test_the_first_look(watched: Watched) -> None:
    assert not watched.stack.unmoved()
    first = watched.look()
    assert isinstance(first, Unsettled)
    assert 0 < first.seconds <= SETTLE
    assert watched.values(after=SETTLE) == [{"A": 1}, {}]
    assert watched.stack.targets == [os.path.realpath(watched.config), os.path.realpath(watched.secrets)]
    assert [layer.state for layer in watched.stack.statuses()] == ["read", "missing"]


def test_nothing_new(watched: Watched) -> None:
    watched.values(after=5.0)
    seen = watched.look(after=5.0)
    assert isinstance(seen, Unchanged)
    assert watched.stack.unmoved()


def test_a_rename_is_taken_at_once_where_it_is_told(watched: Watched) -> None:
    watched.values(after=5.0)
    replace(watched.config, "A = 2")
    assert not watched.stack.unmoved()
    watched.clock.ahead += 0.0078125
    watched.tell(watched.config, Writer.CLOSED)
    assert watched.values() == [{"A": 2}, {}]


def test_where_nothing_is_told_it_has_to_stand_still(watched: Watched) -> None:
    watched.values(after=5.0)
    replace(watched.config, "A = 2")
    seen = watched.look()
    assert isinstance(seen, Unsettled)
    assert seen.seconds == pytest.approx(SETTLE)
    replace(watched.config, "A = 3")
    seen = watched.look(after=SETTLE / 2)
    assert isinstance(seen, Unsettled)
    assert seen.seconds == pytest.approx(SETTLE)
    assert watched.values(after=SETTLE) == [{"A": 3}, {}]


def test_one_open_writer_holds_all(watched: Watched) -> None:
    watched.values(after=5.0)
    with watched.secrets.open("w") as file:
        file.write("S = ")
        file.flush()
        watched.clock.ahead += 0.0078125
        watched.tell(watched.secrets, Writer.OPEN)
        replace(watched.config, "A = 2")
        watched.tell(watched.config, Writer.MOVED)
        for waited in (0.0, 1.0):
            seen = watched.look(after=waited)
            assert isinstance(seen, Unsettled)
            assert seen.seconds == pytest.approx(2.0 - waited)
        file.write("1")
    watched.tell(watched.secrets, Writer.CLOSED)
    assert watched.values() == [{"A": 2}, {"S": 1}]


def test_the_others_do_not_wait_for_ever(watched: Watched) -> None:
    """A layer that is written for long says meanwhile what it said before; each says it when it was asked for."""
    watched.secrets.write_text("S = 1")
    assert watched.values(after=5.0) == [{"A": 1}, {"S": 1}]
    with watched.secrets.open("a") as file:
        for number in range(5):
            file.write(f"\nT{number} = 1")
            file.flush()
            watched.clock.ahead += 0.5
            watched.tell(watched.secrets, Writer.OPEN)
            if number == 1:
                replace(watched.config, "A = 2")
                watched.tell(watched.config, Writer.MOVED)
            if number < 4:
                seen = watched.look()
                assert isinstance(seen, Unsettled)
                if number > 1:
                    assert seen.seconds == pytest.approx(2.0 - 0.5 * number), "until the others wait no longer"
                assert list(watched.stack.writing()) == ["secrets"]
        assert watched.clock.monotonic() - watched.stack.writing()["secrets"] == pytest.approx(2.0)
        assert watched.stack.due is None
        assert watched.values() == [{"A": 2}, {"S": 1}]
        assert watched.stack.due == pytest.approx(watched.clock.monotonic() + 10.0)
        assert [os.path.basename(path) for path in watched.stack.complete_targets] == ["config.toml"]
        seen = watched.look(after=5.0)
        assert isinstance(seen, Unsettled), "there is nothing to be read but this"
        assert seen.seconds == pytest.approx(5.0)
    watched.tell(watched.secrets, Writer.CLOSED)
    assert watched.values() == [{"A": 2}, {"S": 1, **{f"T{number}": 1 for number in range(5)}}]
    assert not watched.stack.writing()


def test_a_layer_that_was_never_complete_is_waited_for(watched: Watched) -> None:
    with watched.config.open("w") as file:
        file.write("A = 1")
        file.flush()
        for _ in range(8):
            os.utime(watched.config)
            watched.tell(watched.config, Writer.OPEN)
            assert isinstance(watched.look(after=1.0), Unsettled)


def test_a_change_within_a_tick_of_the_clock_is_still_seen(watched: Watched) -> None:
    """Same size, same times: only reading it again can tell."""
    watched.values(after=0.25)
    before = watched.config.stat()
    with watched.config.open("r+") as file:
        file.write("A = 7")
    os.utime(watched.config, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = watched.stack._files[0]
    assert found.racy
    found.seen = found.sight = sight.look(str(watched.config))  # as if the change time had not moved on either
    seen = watched.look(after=0.0078125)
    assert isinstance(seen, Unsettled), "it may not be finished"
    assert watched.values(after=SETTLE) == [{"A": 7}, {}]


def test_what_changes_while_it_is_read_is_read_again(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.values(after=5.0)
    replace(watched.config, "A = 2")

    def attempt(layer: FileLayer) -> bytes | None:
        data = layers.attempt(layer)
        if layer.name == "base":
            replace(watched.config, "A = 33")
            monkeypatch.setattr(files, "attempt", layers.attempt)
        return data

    watched.clock.ahead += 0.0078125
    watched.tell(watched.config, Writer.CLOSED)
    monkeypatch.setattr(files, "attempt", attempt)
    seen = watched.look()
    assert isinstance(seen, Unsettled)
    assert seen.seconds == 0.0
    watched.tell(watched.config, Writer.CLOSED)
    assert watched.values(after=SETTLE) == [{"A": 33}, {}]


@pytest.mark.parametrize("found_by", ["the sight", "the events"])
def test_what_was_read_of_a_writer_never_serves(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, found_by: str
) -> None:
    """The half that was read meanwhile does not count, even when the others go on without this layer."""
    watched.values(after=5.0)
    replace(watched.config, "A = 33")

    def attempt(layer: FileLayer) -> bytes | None:
        if found_by == "the sight" and layer.name == "base":
            os.utime(watched.config)
        return layers.attempt(layer)

    watched.clock.ahead += 0.0078125
    watched.tell(watched.config, Writer.CLOSED)
    monkeypatch.setattr(files, "attempt", attempt)
    if found_by == "the sight":
        assert isinstance(watched.look(), Unsettled)
    else:
        watched.read()
        watched.stack.distrust()
    monkeypatch.setattr(files, "attempt", layers.attempt)
    with watched.config.open("a"):
        watched.clock.ahead += 0.0078125
        watched.tell(watched.config, Writer.OPEN)
        assert isinstance(watched.look(), Unsettled)
        watched.clock.ahead += 2.0
        replace(watched.secrets, "S = 1")
        watched.tell(watched.secrets, Writer.MOVED)
        assert watched.values() == [{"A": 1}, {"S": 1}]
    watched.tell(watched.config, Writer.CLOSED)
    assert watched.values() == [{"A": 33}, {"S": 1}]


def test_looks_again_after_arming(watched: Watched) -> None:
    armed: list[int] = []

    def arm(routes: Sequence[Route]) -> bool:
        armed.append(len(routes))
        if len(armed) == 1:
            replace(watched.config, "A = 5")
        return len(armed) < 3

    watched.arm = arm
    watched.look()
    assert armed == [2, 2, 2]
    assert watched.values(after=SETTLE) == [{"A": 5}, {}]


@pytest.mark.parametrize("what", ["missing", "empty", "folder", "bad", "not UTF-8"])
def test_bad_layers_name_what_is_wrong(watched: Watched, what: str) -> None:
    watched.values(after=5.0)
    watched.stack.accepted()
    watched.config.unlink()
    if what == "empty":
        watched.config.touch()
    elif what == "folder":
        watched.config.mkdir()
    elif what == "bad":
        watched.config.write_text("A =")
    elif what == "not UTF-8":
        watched.config.write_bytes(b"A = '\xff'")
    assert isinstance(watched.look(), Unsettled)
    text = watched.error(after=SETTLE)
    assert {"missing": "no such file", "empty": "content before", "folder": "a directory", "bad": "TOML"}.get(
        what, what
    ) in text


def test_a_layer_that_had_content_may_not_lose_it(watched: Watched) -> None:
    watched.secrets.write_text("S = 1")
    assert watched.values(after=5.0) == [{"A": 1}, {"S": 1}]
    watched.stack.accepted()
    watched.secrets.unlink()
    watched.look()
    assert "no file any more, and there was content before" in watched.error(after=SETTLE)
    watched.secrets.touch()
    watched.look()
    assert "the file is empty, and there was content before" in watched.error(after=SETTLE)
    watched.secrets.write_text("# nothing any more, but said so")
    watched.look()
    assert watched.values(after=SETTLE) == [{"A": 1}, {}]


def test_a_missing_or_empty_layer_that_never_had_content_is_fine(watched: Watched) -> None:
    watched.values(after=5.0)
    watched.stack.accepted()
    watched.secrets.touch()
    watched.look()
    assert watched.values(after=SETTLE) == [{"A": 1}, {}]


def test_parses_only_what_has_changed(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.secrets.write_text("S = 1")
    watched.values(after=5.0)
    parsed: list[str] = []

    def parse(layer: FileLayer, data: bytes) -> layers.Document | layers.Unreadable:
        parsed.append(layer.name)
        return layers.parse(layer, data)

    monkeypatch.setattr(followed, "parse", parse)
    replace(watched.config, "A = 2")
    os.utime(watched.secrets)
    watched.look()
    assert watched.values(after=SETTLE) == [{"A": 2}, {"S": 1}]
    assert parsed == ["base"]


def test_a_swapped_link_is_taken_at_once(tmp_path: Path, clock: Clock) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text(f"A = '{name}'")
    watched = Watched(tmp_path, clock)
    watched.config.unlink()
    watched.config.symlink_to("data/config.toml")
    (tmp_path / "data").symlink_to("one")
    assert watched.values(after=5.0) == [{"A": "one"}, {}]
    (tmp_path / "new").symlink_to("two")
    os.replace(tmp_path / "new", tmp_path / "data")
    assert watched.values() == [{"A": "two"}, {}]


@pytest.fixture
def swapped(tmp_path: Path, clock: Clock) -> Watched:
    """The file is reached through a link to a folder, which can be swapped; the first state was read."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text(f"A = '{name}'")
    watched = Watched(tmp_path, clock)
    watched.config.unlink()
    watched.config.symlink_to("data/config.toml")
    (tmp_path / "data").symlink_to("one")
    assert watched.values(after=5.0) == [{"A": "one"}, {}]
    return watched


def swap(watched: Watched, link: str = "data") -> None:
    folder = watched.config.parent
    (folder / "new").symlink_to("two")
    os.replace(folder / "new", folder / link)


@pytest.mark.parametrize("knows", [True, False], ids=["the kernel says who writes", "it does not"])
def test_what_is_written_after_the_swap_has_to_be_finished(
    swapped: Watched, monkeypatch: pytest.MonkeyPatch, knows: bool
) -> None:
    if not knows:
        monkeypatch.setattr(files, "being_written", lambda path: None)
    elif sight.being_written(str(swapped.config)) is None:
        pytest.skip("the system does not tell who has a file open")
    swap(swapped)
    with swapped.config.open("w") as file:
        file.write("A = 3\n")
        file.flush()
        seen = swapped.look()
        assert isinstance(seen, Unsettled)
        assert seen.seconds == pytest.approx(SETTLE)
        if knows:
            assert isinstance(swapped.look(after=9.5), Unsettled)
        file.write("B = 3\n")
    swapped.clock.ahead += 0.0078125
    swapped.tell(swapped.config, Writer.CLOSED)
    assert swapped.values() == [{"A": 3, "B": 3}, {}]


def test_a_kubernetes_volume_is_taken_at_once(swapped: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet writes the files and swaps the link within one tick of the clock."""
    monkeypatch.setattr(files, "being_written", lambda path: None)
    folder = swapped.config.parent
    (folder / "data").rename(folder / "..data")
    swapped.config.unlink()
    swapped.config.symlink_to("..data/config.toml")
    assert isinstance(swapped.look(after=5.0), Unchanged), "another way to the same file"
    (folder / "two" / "config.toml").write_text("A = 2")
    swap(swapped, "..data")
    assert swapped.values() == [{"A": 2}, {}]


def test_a_folder_that_is_renamed_in_is_taken_at_once(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not one that is made anew: its times tell nothing of when it has come."""
    monkeypatch.setattr(files, "being_written", lambda path: None)
    folder = watched.config.parent
    conf, fresh = folder / "conf", folder / "fresh"
    watched.config.rename(folder / "first")
    watched.config.symlink_to("conf/config.toml")
    conf.mkdir()
    (folder / "first").rename(conf / "config.toml")
    assert watched.values(after=5.0) == [{"A": 1}, {}]
    fresh.mkdir()
    (fresh / "config.toml").write_text("A = 2")
    wait_for_a_tick(folder)
    conf.rename(folder / "old")
    fresh.rename(conf)
    assert watched.values() == [{"A": 2}, {}]
    conf.rename(folder / "older")
    conf.mkdir()
    (conf / "config.toml").write_text("A = 3")
    wait_for_a_tick(folder)
    (conf / "another").touch()
    seen = watched.look()
    assert isinstance(seen, Unsettled)
    assert seen.seconds == pytest.approx(SETTLE)
    assert watched.values(after=SETTLE) == [{"A": 3}, {}]


def wait_for_a_tick(folder: Path) -> None:
    """Wait until the file system's clock has moved on."""
    probe = folder / "tick"
    probe.touch()
    began = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == began:
        probe.touch()


def test_who_has_a_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    assert sight.being_written(str(path)) is None
    path.touch()
    if sight.being_written(str(path)) is None:
        pytest.skip("the system does not tell who has a file open")
    with path.open():
        assert sight.being_written(str(path)) is False
    with path.open("a"):
        assert sight.being_written(str(path)) is True
    assert sight.being_written(str(path)) is False
    assert sight.being_written("/dev/null") is None, "there is nothing that could be told"
    monkeypatch.setattr("sys.platform", "darwin")
    assert sight.being_written(str(path)) is None


class Disk:
    """Reads, or fails to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: OSError | None = None
        monkeypatch.setattr(files, "attempt", self.attempt)

    def attempt(self, layer: FileLayer) -> bytes | None:
        if self.error is not None and layer.name == "base":
            raise self.error
        return layers.attempt(layer)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def unsettled(watched: Watched, after: float = 0.0) -> float:
    seen = watched.look(after)
    assert isinstance(seen, Unsettled), seen
    return seen.seconds


def fail(watched: Watched, disk: Disk) -> None:
    watched.values(after=5.0)
    watched.stack.accepted()
    disk.error = OSError(errno.EIO, "Input/output error")
    replace(watched.config, "A = 2")
    watched.clock.ahead += 0.0078125
    watched.tell(watched.config, Writer.MOVED)
    assert unsettled(watched) == pytest.approx(0.1)


def test_a_read_that_fails_is_tried_again(watched: Watched, disk: Disk) -> None:
    fail(watched, disk)
    [base, _] = watched.stack.statuses()
    assert base.state == "unreadable"
    assert base.since is not None
    assert not watched.stack.unmoved()
    assert unsettled(watched, after=0.0625) == pytest.approx(0.0375), "not before its time"
    assert unsettled(watched, after=0.0625) == pytest.approx(0.2)
    disk.error = None
    assert watched.values(after=0.25) == [{"A": 2}, {}]
    [base, _] = watched.stack.statuses()
    assert (base.state, base.since) == ("read", None)


def test_a_read_that_goes_on_failing_is_a_rejection_until_it_does_not(watched: Watched, disk: Disk) -> None:
    fail(watched, disk)
    assert "input/output error" in watched.error(after=2.0)
    assert "input/output error" in watched.error(after=2.0), "and it is still tried"
    assert watched.stack.statuses()[0].state == "unreadable"
    disk.error = None
    assert watched.values(after=2.0) == [{"A": 2}, {}]


def test_a_read_that_fails_is_tried_at_once_when_the_file_changes_or_somebody_asks(
    watched: Watched, disk: Disk
) -> None:
    fail(watched, disk)
    disk.error = None
    watched.stack.distrust()
    assert watched.values() == [{"A": 2}, {}]
    disk.error = OSError(errno.EACCES, "Permission denied")
    replace(watched.config, "A = 3")
    watched.clock.ahead += 0.0078125
    watched.tell(watched.config, Writer.MOVED)
    assert unsettled(watched) == pytest.approx(0.1)
    disk.error = None
    watched.config.chmod(0o600)
    assert watched.values() == [{"A": 3}, {}]


def test_at_the_start_a_read_that_fails_is_an_error(watched: Watched, disk: Disk) -> None:
    disk.error = PermissionError(errno.EACCES, "Permission denied")
    assert "permission denied" in watched.error(after=5.0)


def test_what_is_to_blame_on_the_path_is_not_tried_again(watched: Watched) -> None:
    watched.values(after=5.0)
    watched.config.unlink()
    watched.config.symlink_to(watched.config.name)
    watched.look()
    assert watched.error(after=SETTLE)
    assert watched.stack.statuses()[0].state != "unreadable"


def test_an_inode_that_is_another_at_each_look(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells nothing; so the content is compared at every look."""
    inodes = count(1)
    real = sight._look
    monkeypatch.setattr(
        sight, "_look", lambda path: replaced(real(path), inode=next(inodes) if real(path).inode else 0)
    )
    watched.look(after=5.0)
    assert watched.values(after=SETTLE) == [{"A": 1}, {}]
    assert not watched.stack.unmoved()
    assert watched.values() == [{"A": 1}, {}]
    replace(watched.config, "A = 2")
    watched.look()
    watched.look()
    assert watched.values(after=SETTLE) == [{"A": 2}, {}]


def test_a_way_that_changes_at_each_look_is_not_followed_for_ever(watched: Watched) -> None:
    watched.arm = lambda routes: True
    assert watched.values(after=5.0) == [{"A": 1}, {}]


def test_sight() -> None:
    assert sight.look("/nowhere/at/all").missing
    odd = sight.look("/etc/passwd/below-a-file")
    assert not odd.missing
    assert odd.error
    assert sight.look("nul\0byte").error == -1
    folder = sight.look("/")
    assert not folder.regular
    assert folder.changed_ns == max(folder.mtime_ns, folder.ctime_ns)
    assert folder.racy(folder.changed_ns + 1)
    assert not folder.racy(folder.changed_ns + 10**10)
    assert not sight.Sight().racy(0)
    assert sight.age(folder) > 0
