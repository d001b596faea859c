"""Reading real files together. The test reports the events, and moves the clocks."""

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
from hotsettings._layers import file as layer_files
from hotsettings._layers import layer as layers
from hotsettings._layers.file import FileLayer
from hotsettings._loading.load import documents_or_error
from hotsettings._schema.schema import schema_of
from hotsettings._watching import consistent_read as reader_module
from hotsettings._watching import fingerprint as fingerprints
from hotsettings._watching.consistent_read import CheckResult, ConsistentReader, Read, Unchanged, Unsettled
from hotsettings._watching.debounce import LastEvent, WriterState
from hotsettings._watching.sources import file as files
from hotsettings._watching.sources import source as source_module
from hotsettings._watching.symlinks import ResolvedPath

SETTLE = 0.125  # exact in binary, as all times here


class Clock:
    """Takes the place of the module time: two clocks that the test moves together."""

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
    monkeypatch.setattr(reader_module, "time", clock)
    monkeypatch.setattr(fingerprints, "time", clock)
    return clock


class Anything(BaseSettings):
    A: int = 0


class Watched:
    """Two layers in a folder, and the last events about them."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.config = folder / "config.toml"
        self.secrets = folder / "secrets.toml"
        self.config.write_text("A = 1")
        self.schema = schema_of(Anything)
        self.reader = ConsistentReader(
            self.schema,
            [
                FileLayer(str(self.config), name="base", label="config.toml"),
                FileLayer(str(self.secrets), name="secrets", label="secrets.toml", required=False, secret=True),
            ],
            SETTLE,
        )
        self.last_events: dict[str, LastEvent] = {}
        self.watch: Callable[[Sequence[ResolvedPath]], bool] = lambda _: False

    def report(self, path: Path, writer: WriterState) -> None:
        self.last_events[os.path.realpath(path)] = LastEvent(writer, self.clock.monotonic())

    def check(self, after: float = 0.0) -> CheckResult:
        self.clock.ahead += after
        return self.reader.check(self.watch, lambda target: self.last_events.get(target, LastEvent()), 0.01)

    def read(self, after: float = 0.0) -> Read:
        seen = self.check(after)
        assert isinstance(seen, Read), seen
        return seen

    def values(self, after: float = 0.0) -> list[dict[str, object]]:
        seen = self.read(after)
        return [document.values for document in documents_or_error(self.schema, seen.documents)]

    def error(self, after: float = 0.0) -> str:
        seen = self.read(after)
        with pytest.raises(LayerError) as caught:
            documents_or_error(self.schema, seen.documents)
        return str(caught.value)


@pytest.fixture
def watched(tmp_path: Path, clock: Clock) -> Watched:
    return Watched(tmp_path, clock)


def replace(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    os.replace(new, path)


def test_the_first_check(watched: Watched) -> None:
    assert not watched.reader.unchanged()
    first = watched.check()
    assert isinstance(first, Unsettled)
    assert 0 < first.seconds <= SETTLE
    assert watched.values(after=SETTLE) == [{"A": 1}, {}]
    assert watched.reader.targets == [os.path.realpath(watched.config), os.path.realpath(watched.secrets)]
    assert [layer.state for layer in watched.reader.statuses()] == ["read", "missing"]


def test_nothing_new(watched: Watched) -> None:
    watched.values(after=5.0)
    seen = watched.check(after=5.0)
    assert isinstance(seen, Unchanged)
    assert watched.reader.unchanged()


def test_a_rename_is_read_at_once_where_it_is_reported(watched: Watched) -> None:
    watched.values(after=5.0)
    replace(watched.config, "A = 2")
    assert not watched.reader.unchanged()
    watched.clock.ahead += 0.0078125
    watched.report(watched.config, WriterState.CLOSED)
    assert watched.values() == [{"A": 2}, {}]


def test_without_events_a_file_has_to_rest(watched: Watched) -> None:
    watched.values(after=5.0)
    replace(watched.config, "A = 2")
    seen = watched.check()
    assert isinstance(seen, Unsettled)
    assert seen.seconds == pytest.approx(SETTLE)
    replace(watched.config, "A = 3")
    seen = watched.check(after=SETTLE / 2)
    assert isinstance(seen, Unsettled)
    assert seen.seconds == pytest.approx(SETTLE)
    assert watched.values(after=SETTLE) == [{"A": 3}, {}]


def test_all_layers_wait_for_one_open_writer(watched: Watched) -> None:
    watched.values(after=5.0)
    with watched.secrets.open("w") as file:
        file.write("S = ")
        file.flush()
        watched.clock.ahead += 0.0078125
        watched.report(watched.secrets, WriterState.OPEN)
        replace(watched.config, "A = 2")
        watched.report(watched.config, WriterState.MOVED)
        for waited in (0.0, 1.0):
            seen = watched.check(after=waited)
            assert isinstance(seen, Unsettled)
            assert seen.seconds == pytest.approx(2.0 - waited)
        file.write("1")
    watched.report(watched.secrets, WriterState.CLOSED)
    assert watched.values() == [{"A": 2}, {"S": 1}]


def test_other_layers_do_not_wait_for_ever(watched: Watched) -> None:
    """A layer that is written for long keeps its last complete content meanwhile."""
    watched.secrets.write_text("S = 1")
    assert watched.values(after=5.0) == [{"A": 1}, {"S": 1}]
    with watched.secrets.open("a") as file:
        for number in range(5):
            file.write(f"\nT{number} = 1")
            file.flush()
            watched.clock.ahead += 0.5
            watched.report(watched.secrets, WriterState.OPEN)
            if number == 1:
                replace(watched.config, "A = 2")
                watched.report(watched.config, WriterState.MOVED)
            if number < 4:
                seen = watched.check()
                assert isinstance(seen, Unsettled)
                if number > 1:
                    assert seen.seconds == pytest.approx(2.0 - 0.5 * number), "until the other layers wait no longer"
                assert list(watched.reader.writing()) == ["secrets"]
        assert watched.clock.monotonic() - watched.reader.writing()["secrets"] == pytest.approx(2.0)
        assert watched.reader.due is None
        assert watched.values() == [{"A": 2}, {"S": 1}]
        assert watched.reader.due == pytest.approx(watched.clock.monotonic() + 10.0)
        assert [os.path.basename(path) for path in watched.reader.complete_targets] == ["config.toml"]
        seen = watched.check(after=5.0)
        assert isinstance(seen, Unsettled), "no other layer is to be read"
        assert seen.seconds == pytest.approx(5.0)
    watched.report(watched.secrets, WriterState.CLOSED)
    assert watched.values() == [{"A": 2}, {"S": 1, **{f"T{number}": 1 for number in range(5)}}]
    assert not watched.reader.writing()


def test_all_wait_for_a_layer_that_was_never_complete(watched: Watched) -> None:
    with watched.config.open("w") as file:
        file.write("A = 1")
        file.flush()
        for _ in range(8):
            os.utime(watched.config)
            watched.report(watched.config, WriterState.OPEN)
            assert isinstance(watched.check(after=1.0), Unsettled)


def test_a_change_within_a_tick_of_the_clock_is_still_seen(watched: Watched) -> None:
    """The size and the times stay the same, so only another read finds it."""
    watched.values(after=0.25)
    before = watched.config.stat()
    with watched.config.open("r+") as file:
        file.write("A = 7")
    os.utime(watched.config, ns=(before.st_atime_ns, before.st_mtime_ns))
    [(_, found), _] = watched.reader._files
    assert found.reread
    found.fingerprint_when_read = found.fingerprint = fingerprints.fingerprint_of(
        str(watched.config)
    )  # as if ctime had stayed the same, too
    seen = watched.check(after=0.0078125)
    assert isinstance(seen, Unsettled), "its writer may not have finished"
    assert watched.values(after=SETTLE) == [{"A": 7}, {}]


def test_what_changes_while_it_is_read_is_read_again(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.values(after=5.0)
    replace(watched.config, "A = 2")

    def attempt(layer: FileLayer) -> bytes | None:
        data = layer_files.fetch_once(layer)
        if layer.name == "base":
            replace(watched.config, "A = 33")
            monkeypatch.setattr(files, "fetch_once", layer_files.fetch_once)
        return data

    watched.clock.ahead += 0.0078125
    watched.report(watched.config, WriterState.CLOSED)
    monkeypatch.setattr(files, "fetch_once", attempt)
    seen = watched.check()
    assert isinstance(seen, Unsettled)
    assert seen.seconds == 0.0
    watched.report(watched.config, WriterState.CLOSED)
    assert watched.values(after=SETTLE) == [{"A": 33}, {}]


@pytest.mark.parametrize("found_by", ["the fingerprint", "the events"])
def test_half_of_a_write_never_goes_live(watched: Watched, monkeypatch: pytest.MonkeyPatch, found_by: str) -> None:
    """What was read meanwhile does not count, even when the other layers go on without this one."""
    watched.values(after=5.0)
    replace(watched.config, "A = 33")

    def attempt(layer: FileLayer) -> bytes | None:
        if found_by == "the fingerprint" and layer.name == "base":
            os.utime(watched.config)
        return layer_files.fetch_once(layer)

    watched.clock.ahead += 0.0078125
    watched.report(watched.config, WriterState.CLOSED)
    monkeypatch.setattr(files, "fetch_once", attempt)
    if found_by == "the fingerprint":
        assert isinstance(watched.check(), Unsettled)
    else:
        watched.read()
        watched.reader.invalidate()
    monkeypatch.setattr(files, "fetch_once", layer_files.fetch_once)
    with watched.config.open("a"):
        watched.clock.ahead += 0.0078125
        watched.report(watched.config, WriterState.OPEN)
        assert isinstance(watched.check(), Unsettled)
        watched.clock.ahead += 2.0
        replace(watched.secrets, "S = 1")
        watched.report(watched.secrets, WriterState.MOVED)
        assert watched.values() == [{"A": 1}, {"S": 1}]
    watched.report(watched.config, WriterState.CLOSED)
    assert watched.values() == [{"A": 33}, {"S": 1}]


def test_paths_are_resolved_again_after_a_watch_has_changed(watched: Watched) -> None:
    armed: list[int] = []

    def watch(resolved: Sequence[ResolvedPath]) -> bool:
        armed.append(len(resolved))
        if len(armed) == 1:
            replace(watched.config, "A = 5")
        return len(armed) < 3

    watched.watch = watch
    watched.check()
    assert armed == [2, 2, 2]
    assert watched.values(after=SETTLE) == [{"A": 5}, {}]


@pytest.mark.parametrize("what", ["missing", "empty", "folder", "bad", "not UTF-8"])
def test_bad_layers_name_what_is_wrong(watched: Watched, what: str) -> None:
    watched.values(after=5.0)
    watched.reader.accepted()
    watched.config.unlink()
    if what == "empty":
        watched.config.touch()
    elif what == "folder":
        watched.config.mkdir()
    elif what == "bad":
        watched.config.write_text("A =")
    elif what == "not UTF-8":
        watched.config.write_bytes(b"A = '\xff'")
    assert isinstance(watched.check(), Unsettled)
    text = watched.error(after=SETTLE)
    assert {"missing": "no such file", "empty": "content before", "folder": "a directory", "bad": "TOML"}.get(
        what, what
    ) in text


def test_a_layer_that_had_content_may_not_lose_it(watched: Watched) -> None:
    watched.secrets.write_text("S = 1")
    assert watched.values(after=5.0) == [{"A": 1}, {"S": 1}]
    watched.reader.accepted()
    watched.secrets.unlink()
    watched.check()
    assert "no file any more, and there was content before" in watched.error(after=SETTLE)
    watched.secrets.touch()
    watched.check()
    assert "the file is empty, and there was content before" in watched.error(after=SETTLE)
    watched.secrets.write_text("# empty on purpose")
    watched.check()
    assert watched.values(after=SETTLE) == [{"A": 1}, {}]


def test_a_missing_or_empty_layer_that_never_had_content_is_fine(watched: Watched) -> None:
    watched.values(after=5.0)
    watched.reader.accepted()
    watched.secrets.touch()
    watched.check()
    assert watched.values(after=SETTLE) == [{"A": 1}, {}]


def test_parses_only_what_has_changed(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.secrets.write_text("S = 1")
    watched.values(after=5.0)
    parsed: list[str] = []

    def parse(layer: FileLayer, data: bytes) -> layers.Document | layers.Unreadable:
        parsed.append(layer.name)
        return layers.parse(layer, data)

    monkeypatch.setattr(source_module, "parse", parse)
    replace(watched.config, "A = 2")
    os.utime(watched.secrets)
    watched.check()
    assert watched.values(after=SETTLE) == [{"A": 2}, {"S": 1}]
    assert parsed == ["base"]


def test_parses_nothing_that_may_not_belong_together(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that changes while another one is read has to be read again, and so has the other one."""
    watched.secrets.write_text("S = 1")
    parsed: list[str] = []
    moves = [lambda: replace(watched.config, "A = 3")]

    def parse(layer: FileLayer, data: bytes) -> layers.Document | layers.Unreadable:
        parsed.append(layer.name)
        return layers.parse(layer, data)

    def attempt(layer: FileLayer) -> bytes | None:
        if layer.name == "secrets" and moves:
            moves.pop()()
        return layer_files.fetch_once(layer)

    monkeypatch.setattr(source_module, "parse", parse)
    monkeypatch.setattr(files, "fetch_once", attempt)
    assert watched.check(after=5.0) == Unsettled(0.0)
    assert parsed == []
    assert watched.values(after=5.0) == [{"A": 3}, {"S": 1}]
    assert parsed == ["base", "secrets"]


def test_a_swapped_symlink_is_read_at_once(tmp_path: Path, swapped: Watched) -> None:
    (tmp_path / "new").symlink_to("two")
    os.replace(tmp_path / "new", tmp_path / "data")
    assert swapped.values() == [{"A": "two"}, {}]


@pytest.fixture
def swapped(tmp_path: Path, clock: Clock) -> Watched:
    """A path that leads through a symlink to a folder, which can be swapped. The first state was read."""
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
def test_a_file_that_is_written_after_the_swap_has_to_be_finished(
    swapped: Watched, monkeypatch: pytest.MonkeyPatch, knows: bool
) -> None:
    if not knows:
        monkeypatch.setattr(files, "open_for_writing", lambda path: None)
    elif fingerprints.open_for_writing(str(swapped.config)) is None:
        pytest.skip("the system does not say who has a file open")
    swap(swapped)
    with swapped.config.open("w") as file:
        file.write("A = 3\n")
        file.flush()
        seen = swapped.check()
        assert isinstance(seen, Unsettled)
        assert seen.seconds == pytest.approx(SETTLE)
        if knows:
            assert isinstance(swapped.check(after=9.5), Unsettled)
        file.write("B = 3\n")
    swapped.clock.ahead += 0.0078125
    swapped.report(swapped.config, WriterState.CLOSED)
    assert swapped.values() == [{"A": 3, "B": 3}, {}]


def test_a_kubernetes_volume_is_read_at_once(swapped: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet writes the files and swaps the link within one tick of the clock."""
    monkeypatch.setattr(files, "open_for_writing", lambda path: None)
    folder = swapped.config.parent
    (folder / "data").rename(folder / "..data")
    swapped.config.unlink()
    swapped.config.symlink_to("..data/config.toml")
    assert isinstance(swapped.check(after=5.0), Unchanged), "another path to the same file"
    (folder / "two" / "config.toml").write_text("A = 2")
    swap(swapped, "..data")
    assert swapped.values() == [{"A": 2}, {}]


def test_a_folder_that_is_renamed_in_is_read_at_once(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not a folder that is created: its times do not show when it took the place of the other."""
    monkeypatch.setattr(files, "open_for_writing", lambda path: None)
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
    seen = watched.check()
    assert isinstance(seen, Unsettled)
    assert seen.seconds == pytest.approx(SETTLE)
    assert watched.values(after=SETTLE) == [{"A": 3}, {}]


def wait_for_a_tick(folder: Path) -> None:
    """Wait for the next tick of the file system's clock."""
    probe = folder / "tick"
    probe.touch()
    began = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == began:
        probe.touch()


def test_whether_a_file_is_open_for_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    assert fingerprints.open_for_writing(str(path)) is None
    path.touch()
    if fingerprints.open_for_writing(str(path)) is None:
        pytest.skip("the system does not say who has a file open")
    with path.open():
        assert fingerprints.open_for_writing(str(path)) is False
    with path.open("a"):
        assert fingerprints.open_for_writing(str(path)) is True
    assert fingerprints.open_for_writing(str(path)) is False
    assert fingerprints.open_for_writing("/dev/null") is None, "there is no lease on a device"
    monkeypatch.setattr("sys.platform", "darwin")
    assert fingerprints.open_for_writing(str(path)) is None


class Disk:
    """Reads files, or fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: OSError | None = None
        monkeypatch.setattr(files, "fetch_once", self.attempt)

    def attempt(self, layer: FileLayer) -> bytes | None:
        if self.error is not None and layer.name == "base":
            raise self.error
        return layer_files.fetch_once(layer)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def unsettled(watched: Watched, after: float = 0.0) -> float:
    seen = watched.check(after)
    assert isinstance(seen, Unsettled), seen
    return seen.seconds


def fail(watched: Watched, disk: Disk) -> None:
    watched.values(after=5.0)
    watched.reader.accepted()
    disk.error = OSError(errno.EIO, "Input/output error")
    replace(watched.config, "A = 2")
    watched.clock.ahead += 0.0078125
    watched.report(watched.config, WriterState.MOVED)
    assert unsettled(watched) == pytest.approx(0.1)


def test_a_read_that_fails_is_tried_again(watched: Watched, disk: Disk) -> None:
    fail(watched, disk)
    [base, _] = watched.reader.statuses()
    assert base.state == "unreadable"
    assert base.since is not None
    assert not watched.reader.unchanged()
    assert unsettled(watched, after=0.0625) == pytest.approx(0.0375), "not before its time"
    assert unsettled(watched, after=0.0625) == pytest.approx(0.2)
    disk.error = None
    assert watched.values(after=0.25) == [{"A": 2}, {}]
    [base, _] = watched.reader.statuses()
    assert (base.state, base.since) == ("read", None)


def test_a_read_that_goes_on_failing_is_a_rejection_until_it_succeeds(watched: Watched, disk: Disk) -> None:
    fail(watched, disk)
    assert "input/output error" in watched.error(after=2.0)
    assert "input/output error" in watched.error(after=2.0), "and it is tried again"
    assert watched.reader.statuses()[0].state == "unreadable"
    disk.error = None
    assert watched.values(after=2.0) == [{"A": 2}, {}]


def test_a_failed_read_is_tried_at_once_when_the_file_changes_or_a_read_is_forced(watched: Watched, disk: Disk) -> None:
    fail(watched, disk)
    disk.error = None
    watched.reader.invalidate()
    assert watched.values() == [{"A": 2}, {}]
    disk.error = OSError(errno.EACCES, "Permission denied")
    replace(watched.config, "A = 3")
    watched.clock.ahead += 0.0078125
    watched.report(watched.config, WriterState.MOVED)
    assert unsettled(watched) == pytest.approx(0.1)
    disk.error = None
    watched.config.chmod(0o600)
    assert watched.values() == [{"A": 3}, {}]


def test_at_the_start_a_read_that_fails_is_an_error(watched: Watched, disk: Disk) -> None:
    disk.error = PermissionError(errno.EACCES, "Permission denied")
    assert "permission denied" in watched.error(after=5.0)


def test_an_error_of_the_path_itself_is_not_tried_again(watched: Watched) -> None:
    watched.values(after=5.0)
    watched.config.unlink()
    watched.config.symlink_to(watched.config.name)
    watched.check()
    assert watched.error(after=SETTLE)
    assert watched.reader.statuses()[0].state != "unreadable"


def test_an_inode_that_differs_at_each_stat(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is compared at every check instead."""
    inodes = count(1)
    real = fingerprints._stat
    monkeypatch.setattr(
        fingerprints, "_stat", lambda path: replaced(real(path), inode=next(inodes) if real(path).inode else 0)
    )
    watched.check(after=5.0)
    assert watched.values(after=SETTLE) == [{"A": 1}, {}]
    assert not watched.reader.unchanged()
    assert watched.values() == [{"A": 1}, {}]
    replace(watched.config, "A = 2")
    watched.check()
    watched.check()
    assert watched.values(after=SETTLE) == [{"A": 2}, {}]


def test_a_path_that_changes_all_the_time_is_not_resolved_for_ever(watched: Watched) -> None:
    watched.watch = lambda resolved: True
    assert watched.values(after=5.0) == [{"A": 1}, {}]


def test_fingerprint() -> None:
    assert fingerprints.fingerprint_of("/nowhere/at/all").missing
    odd = fingerprints.fingerprint_of("/etc/passwd/below-a-file")
    assert not odd.missing
    assert odd.error
    assert fingerprints.fingerprint_of("nul\0byte").error == -1
    folder = fingerprints.fingerprint_of("/")
    assert not folder.regular
    assert folder.changed_ns == max(folder.mtime_ns, folder.ctime_ns)
    assert folder.changed_just_before(folder.changed_ns + 1)
    assert not folder.changed_just_before(folder.changed_ns + 10**10)
    assert not fingerprints.Fingerprint().changed_just_before(0)
    assert fingerprints.age(folder) > 0
