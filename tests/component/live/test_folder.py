"""A folder with one file for each key, while it is followed."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.live import until

from hotsettings import BaseSettings, Change, FileLayer, FolderLayer, LayerError, Live, Rejected, Secret, ValuesLayer
from hotsettings._layers import file as layer_files
from hotsettings._layers.folder import list_folder
from hotsettings._loading.load import documents_or_error
from hotsettings._schema.schema import schema_of
from hotsettings._watching import fingerprint
from hotsettings._watching.consistent_read import ConsistentReader, Read, Unchanged, Unsettled
from hotsettings._watching.debounce import LastEvent
from hotsettings._watching.sources import file as files
from hotsettings._watching.sources import folder as folders

pytestmark = pytest.mark.anyio

SETTLE = 0.05


class Settings(BaseSettings):
    A: int = 0
    B: int = 0
    NAME: str = ""
    TOKEN: Secret[str] = ""
    LABELS: Mapping[str, str] = {}


@pytest.fixture(params=["inotify", "watchfiles", "poll"])
def watcher(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "A").write_text("1")
    return path


def follow(folder: Path, watcher: Any = "inotify", **options: Any) -> AbstractAsyncContextManager[Live[Settings]]:
    rescan = 0.05 if watcher == "poll" else 60.0
    layers = [ValuesLayer({"B": 1}, name="options"), FolderLayer(folder, **options)]
    return Settings.watch(layers=layers, watcher=watcher, settle=SETTLE, rescan_interval=rescan)


async def next_change(changes: Any) -> Change[Settings]:
    with anyio.fail_after(10):
        change: Change[Settings] = await anext(changes)
        return change


def renamed(path: Path, text: str) -> None:
    beside = path.with_name(".beside")
    beside.write_text(text)
    os.replace(beside, path)


def volume(path: Path, number: int, texts: Mapping[str, str]) -> None:
    """Swap in a volume as the kubelet does."""
    path.mkdir(exist_ok=True)
    inside = path / f"..{number}"
    inside.mkdir()
    for name, text in texts.items():
        (inside / name).write_text(text)
    old = os.path.realpath(path / "..data")
    (path / "..data_tmp").symlink_to(inside.name)
    os.replace(path / "..data_tmp", path / "..data")
    for name in texts:
        if not (path / name).is_symlink():
            (path / name).symlink_to(f"..data/{name}")
    for each in path.iterdir():
        if each.name[0] != "." and each.name not in texts:
            each.unlink()
    if number > 1:
        shutil.rmtree(old)


WRITERS: dict[str, tuple[Callable[[Path], object], dict[str, object]]] = {
    "in place": (lambda folder: (folder / "A").write_text("2"), {"A": 2}),
    "renamed over": (lambda folder: renamed(folder / "A", "2"), {"A": 2}),
    "new": (lambda folder: (folder / "NAME").write_text("n\n"), {"NAME": "n"}),
    "renamed in": (lambda folder: renamed(folder / "LABELS.x", "n"), {"LABELS": {"x": "n"}}),
    "linked in": (lambda folder: os.link(folder / "A", folder / "B"), {"B": 1}),
    "a symbolic link": (lambda folder: (folder / "NAME").symlink_to("A"), {"NAME": "1"}),
    "removed": (lambda folder: (folder / "A").unlink(), {"A": 0}),
    "renamed to another key": (lambda folder: (folder / "A").rename(folder / "NAME"), {"A": 0, "NAME": "1"}),
}


@pytest.mark.parametrize("writer", WRITERS)
async def test_every_writer_is_seen(folder: Path, watcher: Any, writer: str) -> None:
    (folder / "TOKEN").write_text("t")
    write, expected = WRITERS[writer]
    layers = [ValuesLayer({"B": 5}, name="options"), FolderLayer(folder)]
    rescan = 0.05 if watcher == "poll" else 60.0
    async with Settings.watch(layers=layers, watcher=watcher, settle=SETTLE, rescan_interval=rescan) as live:
        changes = live.changes()
        await anyio.sleep(0.1)
        write(folder)
        seen: dict[str, object] = {}
        while not expected.items() <= seen.items():
            new = (await next_change(changes)).new
            seen = {name: getattr(new, name) for name in new.__struct_fields__}
        assert live.status.healthy
        assert [(layer.name, layer.file, layer.state) for layer in live.status.layers][-1] == (
            "folder",
            str(folder),
            "read",
        )


async def test_a_half_written_file_never_goes_live(folder: Path, watcher: Any) -> None:
    async with follow(folder, watcher) as live:
        seen: list[tuple[str, int]] = []
        live.on_change(lambda change: seen.append((change.new.NAME, change.new.A)))
        for name in ("NAME", "A"):
            with (folder / name).open("w") as file:
                for digit in "234":
                    file.write(digit)
                    file.flush()
                    await anyio.sleep(3 * SETTLE)
            await until(lambda name=name: str(getattr(live.current, name)) == "234")  # type: ignore[misc]
        await live.wait_applied()
        assert seen == [("234", 1), ("234", 234)]


async def test_volumes_are_seen_whole(tmp_path: Path, watcher: Any) -> None:
    path = tmp_path / "volume"
    volume(path, 1, {"A": "1", "B": "1"})
    async with follow(path, watcher) as live:
        seen: list[Settings] = []
        live.on_change(lambda change: seen.append(change.new))
        for number in range(2, 12):
            texts = {"A": str(number), "B": str(number), f"LABELS.k{number}": str(number)}
            volume(path, number, texts)
            await anyio.sleep(0.02)
        await until(lambda: live.current.A == 11)
    for each in seen:
        assert (each.B, {f"k{each.A}": str(each.A)}) == (each.A, each.LABELS)


@pytest.mark.parametrize("text", ["2", ""])
async def test_a_volume_is_seen_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What is new, gone or empty in a volume needs no rest: nobody writes to it after the swap."""
    monkeypatch.setattr(files, "age", lambda _: 60.0)  # what is there at the start needs no rest
    path = tmp_path / "volume"
    volume(path, 1, {"NAME": "1", "A": "1"})
    layers = [FolderLayer(path)]
    async with Settings.watch(layers=layers, watcher="inotify", settle=20.0, rescan_interval=60.0) as live:
        monkeypatch.undo()
        changes = live.changes()
        volume(path, 2, {"NAME": text, "B": "2"})
        change = await next_change(changes)
        assert (text, 0, 2) == (change.new.NAME, change.new.A, change.new.B)


async def test_a_folder_that_is_gone_or_empty_is_a_rejection(folder: Path, watcher: Any) -> None:
    async with follow(folder, watcher, label="conf") as live:
        (folder / "A").unlink()
        await rejected(live, "conf  the folder is empty")
        (folder / "A").write_text("2")
        await until(lambda: live.current.A == 2 and live.status.healthy)
        shutil.rmtree(folder)
        await rejected(live, "conf  no such folder")
        assert live.current.A == 2
        os.mkdir(folder)
        await rejected(live, "conf  the folder is empty")
        (folder / "A").write_text("3")
        await until(lambda: live.current.A == 3 and live.status.healthy)


async def test_an_optional_folder(tmp_path: Path, watcher: Any) -> None:
    path = tmp_path / "folder"
    async with follow(path, watcher, required=False, label="conf") as live:
        assert [layer.state for layer in live.status.layers] == ["read", "missing"]
        beside = tmp_path / "beside"
        beside.mkdir()
        (beside / "A").write_text("2")
        beside.rename(path)
        await until(lambda: live.current.A == 2)
        shutil.rmtree(path)
        await until(lambda: not live.status.healthy)
        assert "there is no folder any more, and there was content before" in str(
            live.status.last_error
        ) or "empty" in str(live.status.last_error)


async def test_anything_else_is_a_rejection(folder: Path) -> None:
    async with follow(folder, label="conf") as live:
        os.mkfifo(folder / "NAME")
        await rejected(live, "conf/NAME  NAME: not a regular file but a FIFO")
        (folder / "NAME").unlink()
        await until(lambda: live.status.healthy)
        (folder / "NAME").write_bytes(b"x" * 2**20)
        await rejected(live, "conf  its files have more than 1048576 bytes (1 MiB) together")
        with pytest.raises(Rejected):
            await live.reload()
        (folder / "NAME").unlink()
        await until(lambda: live.status.healthy)
        (folder / "B").write_text("x")
        await rejected(live, "conf/B:1:1  B: not valid TOML")
        assert (live.current.A, live.current.NAME) == (1, "")


async def test_names_that_are_no_keys_are_said_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    def said() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]

    (folder / "tls.crt").write_text("x")
    async with follow(folder, label="conf") as live:
        (folder / "A").write_text("2")
        await until(lambda: live.current.A == 2)
        assert said() == ["conf/tls.crt  tls.crt: no key, ignored"]
        (folder / "NAEM").write_text("x")
        (folder / "A").write_text("3")
        await until(lambda: live.current.A == 3)
        await live.reload()
        assert said()[1:] == ["conf/NAEM  NAEM: no key, ignored; did you mean NAME?"]


async def test_a_thousand_files(tmp_path: Path, watcher: Any) -> None:
    path = tmp_path / "volume"
    texts = {f"LABELS.k{number}": str(number) for number in range(1000)}
    volume(path, 1, texts)
    async with follow(path, watcher) as live:
        assert len(live.current.LABELS) == 1000
        changes = live.changes()
        volume(path, 2, {**texts, "LABELS.k5": "new"})
        assert (await next_change(changes)).new.LABELS["k5"] == "new"


async def test_the_secrets_of_a_folder_are_redacted(folder: Path) -> None:
    (folder / "TOKEN").write_text("hunter2-4711\n")
    async with follow(folder, secret=True) as live:

        @live.prepare
        def refuse(change: Change[Settings]) -> None:
            raise ValueError(f"not {change.new.TOKEN} nor {change.old.TOKEN} nor {change.new.NAME}")

        (folder / "TOKEN").write_text("hunter3-4712\n")
        (folder / "NAME").write_text("swordfish-5\n")
        await until(lambda: live.status.last_error is not None)
        with pytest.raises(Rejected) as caught:
            await live.reload()
        for text in (str(caught.value), str(live.status), repr(live.explain("NAME"))):
            assert not any(word in text for word in ("hunter", "swordfish"))


@pytest.mark.parametrize("part", ["a file", "the folder"])
async def test_a_failing_read_is_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    failing = True

    def fails(work: Callable[..., Any]) -> Callable[..., Any]:
        def read(*args: Any) -> Any:
            if failing:
                raise OSError(errno.EMFILE, "Too many open files")
            return work(*args)

        return read

    async with follow(folder) as live:
        monkeypatch.setattr(files, "REJECT_AFTER", 0.3)
        if part == "a file":
            monkeypatch.setattr(files, "fetch_once", fails(layer_files.fetch_once))
        else:
            monkeypatch.setattr(folders, "list_folder", fails(list_folder))
        (folder / "A").write_text("2")
        await until(lambda: live.status.layers[1].state == "unreadable")
        await until(lambda: "cannot be read: too many open files" in str(live.status.last_error))
        assert live.current.A == 1
        failing = False
        await live.reload()
        assert (live.current.A, live.status.healthy, live.status.layers[1].state) == (2, True, "read")


async def test_a_start_that_fails(tmp_path: Path, watcher: Any) -> None:
    with pytest.raises(LayerError, match="no such folder"):
        async with follow(tmp_path / "none", watcher):
            pass
    (tmp_path / "empty").mkdir()
    with pytest.raises(LayerError, match="the folder is empty"):
        async with follow(tmp_path / "empty", watcher):
            pass


async def test_values_and_a_file_beside_a_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("NAME = 'file'\n")
    layers = [FileLayer(tmp_path / "config.toml"), FolderLayer(folder), ValuesLayer({"B": 7}, name="command line")]
    async with Settings.watch(layers=layers, settle=SETTLE) as live:
        assert (live.current.A, live.current.B, live.current.NAME) == (1, 7, "file")
        assert [(each.name, each.state, each.file) for each in live.status.layers][2] == ("command line", "read", "")
        assert str(live.snapshot.origins["B"]) == "command line"
        assert await live.reload() is None
        (tmp_path / "config.toml").write_text("NAME = 'new'\n")
        await until(lambda: live.current.NAME == "new")


async def test_wrong_values_fail_the_start() -> None:
    with pytest.raises(LayerError, match="command line  B: cannot be made of object"):
        async with Settings.watch(layers=[ValuesLayer({"B": object()}, name="command line")]):
            pass


async def test_the_folder_may_change_at_any_moment_of_a_check(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that comes after the paths were resolved is resolved by the next check."""
    listed: Iterator[int] = iter(range(10_000))
    true_list = list_folder
    grow = False

    def growing(layer: FolderLayer) -> Any:
        if grow and next(listed) == 2:
            (folder / "NAME").write_text("new")
        return true_list(layer)

    monkeypatch.setattr(folders, "list_folder", growing)
    async with follow(folder) as live:
        grow = True
        await live.reload(timeout=10)
        await until(lambda: live.current.NAME == "new")


async def rejected(live: Live[Settings], said: str) -> None:
    await until(lambda: said in str(live.status.last_error))
    assert not live.status.healthy


class Checked:
    """A folder as a reader checks it, without events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.schema = schema_of(Settings)
        self.reader = ConsistentReader(self.schema, [FolderLayer(folder)], 0.0)

    def check(self, watch: Callable[[object], bool] = lambda _: False) -> object:
        return self.reader.check(watch, lambda _: LastEvent(), 0.0)

    def values(self) -> dict[str, Any]:
        read = self.check()
        while not isinstance(read, Read):
            read = self.check()
        [document] = documents_or_error(self.schema, read.documents)
        return document.values


async def test_a_name_that_comes_after_the_paths_were_resolved(folder: Path) -> None:
    checked = Checked(folder)
    assert checked.values() == {"A": 1}

    def watch(_: object) -> bool:
        (folder / "NAME").write_text("x")
        return False

    assert isinstance(checked.check(watch), Unsettled)
    assert checked.values() == {"A": 1, "NAME": "x"}


async def test_only_what_has_changed_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_COARSEST_CLOCK", 0.0)
    (folder / "NAME").write_text("x")
    checked = Checked(folder)
    assert checked.values() == {"A": 1, "NAME": "x"}
    assert isinstance(checked.check(), Unchanged)
    assert checked.reader.unchanged()
    read: list[str] = []
    fetch = layer_files.fetch_once

    def counted(layer: FileLayer) -> bytes | None:
        read.append(layer.label)
        return fetch(layer)

    monkeypatch.setattr(files, "fetch_once", counted)
    renamed(folder / "NAME", "y")
    assert not checked.reader.unchanged()
    assert checked.values() == {"A": 1, "NAME": "y"}
    assert read == [str(folder / "NAME")]
    (folder / "A").unlink()
    assert not checked.reader.unchanged()
    assert checked.values() == {"NAME": "y"}
    checked.reader.force_read()
    assert checked.values() == {"NAME": "y"}
    checked.reader.invalidate()
    assert checked.values() == {"NAME": "y"}


async def test_a_folder_without_keys_is_read_again_when_asked(folder: Path) -> None:
    (folder / "A").rename(folder / "tls.crt")
    checked = Checked(folder)
    assert checked.values() == {}
    for ask in (checked.reader.invalidate, checked.reader.force_read):
        ask()
        assert isinstance(checked.check(), Read)
        assert isinstance(checked.check(), Unchanged)


@pytest.mark.parametrize("write", [Path.write_text, renamed])
async def test_a_new_key_is_live_at_its_close(
    folder: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, str], object]
) -> None:
    """The events about a name count from its first one on, before anybody knows that it is a key."""
    monkeypatch.setattr(files, "age", lambda _: 60.0)  # what is there at the start needs no rest
    layers = [FolderLayer(folder)]
    async with Settings.watch(layers=layers, watcher="inotify", settle=20.0, rescan_interval=60.0) as live:
        monkeypatch.undo()
        write(folder / "NAME", "x")
        with anyio.fail_after(10):
            await until(lambda: live.current.NAME == "x")


@pytest.mark.parametrize("kind", ["inotify", "watchfiles"])
async def test_temporary_files_leave_nothing_behind(folder: Path, kind: str) -> None:
    """The last event about a name is dropped when the name is gone."""
    async with follow(folder, kind) as live:
        for number in range(50):
            (folder / f"beside{number}").write_text(str(number + 2))
            os.replace(folder / f"beside{number}", folder / "A")
        await until(lambda: live.current.A == 51)
        notifier: Any = live._source._watcher._notifier  # type: ignore[attr-defined]
        (folder / "A").write_text("60")
        await until(lambda: live.current.A == 60 and len(notifier._last_events) < 8)
