"""The copy on disk: whole or absent, nobody else's business, and whatever is at its path, an answer at once."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from support.examples import examples
from support.faults.harness import allowed, needs

from hotsettings import BaseSettings, LayerError, Secret
from hotsettings._layers.file import FileLayer
from hotsettings._layers.layer import Document, parse
from hotsettings._redaction import Redactor
from hotsettings._schema.schema import Schema, schema_of
from hotsettings.nats.disk_copy import file as copies
from hotsettings.nats.disk_copy.file import LARGEST_COPY, CopiedDocument, Copy, load, save
from hotsettings.nats.disk_copy.screening import may_be_copied

posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no such thing on Windows")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
BUCKET = "settings"


def copy_of(text: str = "port = 1\n", *, position: int = 17, bucket: str = BUCKET) -> Copy:
    return Copy(
        bucket,
        position,
        {"config.toml": CopiedDocument(position, text), "more.toml": CopiedDocument(3, "a = 'ü'\n")},
        AT,
    )


def refusal(path: Path | str, bucket: str = BUCKET) -> str:
    """What is wrong with the file at this path, told at once."""
    began = time.monotonic()
    with pytest.raises(LayerError) as caught:
        load(str(path), bucket)
    assert time.monotonic() - began < 5
    assert caught.value.__cause__ is None
    (problem,) = caught.value.problems
    assert problem.origin.file == str(path)
    assert str(path) in str(caught.value)
    return f"{problem.message}; {problem.hint}"


def sealed(body: bytes, version: int = 1) -> bytes:
    return f"hotsettings-copy {version} {sha256(body).hexdigest()}\n".encode() + body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.copy"


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a process asks the system for in a folder where it saves once; it would let everybody read what it makes."""
    needs(allowed("strace", "-V"), "there is no strace")
    folder = tmp_path_factory.mktemp("calls")
    command = ["strace", "-f", "-y", "-e", "trace=open,openat,creat,write,fsync,rename,renameat,renameat2"]
    command += [sys.executable, "-c", f"import os; os.umask(0)\n{SAVING}", str(folder / "copy"), "1"]
    traced = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return [call for call in traced.splitlines() if str(folder) in call and "execve" not in call]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that many examples are written to, one after the other."""
    return tmp_path_factory.mktemp("copies") / "copy"


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


class TestWhatIsSavedIsLoaded:
    def test_all_of_it(self, path: Path) -> None:
        save(str(path), copy_of())
        assert load(str(path), BUCKET) == copy_of()

    @given(
        documents=st.dictionaries(st.text(), st.builds(CopiedDocument, revision=st.integers(0, 2**63), text=st.text())),
        bucket=st.text(),
        position=st.integers(0, 2**63),
        at=st.datetimes(timezones=st.just(UTC)),
    )
    def test_whatever_it_is(
        self, documents: Mapping[str, CopiedDocument], bucket: str, position: int, at: datetime
    ) -> None:
        copy = Copy(bucket, position, MappingProxyType(documents), at)
        assert copies._decoded(copies._encoded(copy), bucket) == copy

    def test_nothing_at_all(self, path: Path) -> None:
        empty = Copy(BUCKET, 0, {}, AT)
        save(str(path), empty)
        assert load(str(path), BUCKET) == empty

    def test_a_later_one_replaces_it(self, path: Path) -> None:
        for position in (1, 2):
            save(str(path), copy_of(position=position))
        loaded = load(str(path), BUCKET)
        assert loaded is not None
        assert loaded.position == 2
        assert os.listdir(path.parent) == [path.name]

    def test_no_file(self, path: Path) -> None:
        assert load(str(path), BUCKET) is None
        assert load(str(path.parent / "no folder" / "either"), BUCKET) is None

    def test_a_person_can_read_it(self, path: Path) -> None:
        save(str(path), copy_of("name = 'München'\n"))
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        assert first.startswith("hotsettings-copy 1 ")
        assert "München" in "".join(rest)
        assert len(rest) > 5
        assert sealed(path.read_bytes().partition(b"\n")[2]) == path.read_bytes()

    def test_it_cannot_be_changed(self, path: Path) -> None:
        save(str(path), copy_of())
        loaded = load(str(path), BUCKET)
        assert loaded is not None
        with pytest.raises(TypeError):
            loaded.documents["config.toml"] = CopiedDocument(1, "")  # type: ignore[index]

    def test_a_repr_shows_no_text(self) -> None:
        assert "port" not in repr(copy_of())
        assert "CopiedDocument(revision=17)" in repr(copy_of())

    def test_relative_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        save("settings.copy", copy_of())
        assert load("settings.copy", BUCKET) == load(str(tmp_path / "settings.copy"), BUCKET) == copy_of()


@posix
class TestNobodyElseReadsIt:
    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777], ids=oct)
    def test_whatever_the_umask(self, path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            save(str(path), copy_of())
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert load(str(path), BUCKET) == copy_of()

    def test_a_wider_one_is_replaced(self, path: Path) -> None:
        path.touch(0o666)
        path.chmod(0o666)
        save(str(path), copy_of())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @linux
    @pytest.mark.slow
    def test_at_no_moment(self, calls: list[str]) -> None:
        """It is made once, with these rights and in no other way."""
        (created,) = [call for call in calls if "O_CREAT" in call]
        assert all(word in created for word in ("O_EXCL", "O_NOFOLLOW", "0600"))

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666, 0o610])
    def test_what_others_have_rights_on_is_refused(self, path: Path, mode: int) -> None:
        save(str(path), copy_of())
        path.chmod(mode)
        assert f"mode 0{mode:o}" in refusal(path)
        path.chmod(0o600)
        assert load(str(path), BUCKET) == copy_of()

    def test_only_readable(self, path: Path) -> None:
        save(str(path), copy_of())
        path.chmod(0o400)
        assert load(str(path), BUCKET) == copy_of()

    def test_somebody_elses_is_refused(self, path: Path) -> None:
        needs(os.geteuid() == 0, "only root can give files away")
        save(str(path), copy_of())
        os.chown(path, 12345, 0)
        assert "belongs to user 12345, and this process runs as user 0" in refusal(path)

    def test_roots_own_is_taken_by_anybody(self, path: Path) -> None:
        needs(os.geteuid() == 0, "only root can become somebody else")
        save(str(path), copy_of())
        status = os.stat(path)
        assert as_user(12345, lambda: copies._examine(status)) is None
        os.chown(path, 23456, 0)
        status = os.stat(path)
        assert "user 23456, and this process runs as user 12345" in str(as_user(12345, lambda: copies._examine(status)))

    def test_no_right_to_read(self, path: Path) -> None:
        needs(os.geteuid() == 0, "only root can become somebody else")
        save(str(path), copy_of())
        error = as_user(12345, lambda: load(str(path), BUCKET))
        assert "cannot be read: permission denied" in str(error)


def as_user(user: int, do: Callable[[], object]) -> Exception | None:
    """What goes wrong when this user does it."""
    os.seteuid(user)
    try:
        do()
    except Exception as error:
        return error
    finally:
        os.seteuid(0)
    return None


class TestWhatIsNoRegularFile:
    def test_a_folder(self, path: Path) -> None:
        path.mkdir()
        assert "a directory" in refusal(path)
        with pytest.raises(FileExistsError, match="a directory"):
            save(str(path), copy_of())

    @posix
    @pytest.mark.parametrize("kind", ["fifo", "socket", "link", "dangling", "device"])
    def test_others(self, path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(path.parent)
        real = path.with_name("real")
        save(str(real), copy_of())
        held = socket.socket(socket.AF_UNIX)
        words = {"fifo": "a FIFO", "socket": "a socket", "device": "a device"}
        make: dict[str, Callable[[], Any]] = {
            "fifo": lambda: os.mkfifo(path),
            "socket": lambda: held.bind(path.name),  # the whole path may be too long
            "link": lambda: path.symlink_to(real),
            "dangling": lambda: path.symlink_to("nowhere"),
            "device": lambda: null_device(path),
        }
        with held:
            make[kind]()
            before, entries = os.lstat(path), sorted(os.listdir(path.parent))
            word = words.get(kind, "a symbolic link")
            assert f"not a regular file but {word}" in refusal(path)
            with pytest.raises(FileExistsError, match=word) as caught:
                save(str(path), copy_of(position=99))
            assert caught.value.filename == str(path)
            assert os.lstat(path).st_ino == before.st_ino
            assert sorted(os.listdir(path.parent)) == entries
            assert load(str(real), BUCKET) == copy_of()

    @posix
    def test_links_above_it_are_followed(self, path: Path) -> None:
        (path.parent / "data").mkdir()
        (path.parent / "link").symlink_to("data")
        save(str(path.parent / "link" / "copy"), copy_of())
        assert load(str(path.parent / "data" / "copy"), BUCKET) == copy_of()

    @posix
    @pytest.mark.parametrize("kind", ["fifo", "link", "others'"])
    def test_what_comes_after_the_look(self, path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between the look at what is there and its opening, something else takes its place."""
        real = path.with_name("real")
        for each in (path, real):
            save(str(each), copy_of())
        look = os.lstat

        def swap(path_: str) -> os.stat_result:
            status = look(path_)
            path.unlink()
            {"fifo": lambda: os.mkfifo(path), "link": lambda: path.symlink_to(real)}.get(
                kind, lambda: real.rename(path)
            )()
            return status

        if kind == "others'":
            real.chmod(0o666)
        monkeypatch.setattr(os, "lstat", swap)
        words = {"fifo": "a FIFO", "link": os.strerror(errno.ELOOP).lower(), "others'": "mode 0666"}
        assert words[kind] in refusal(path)

    def test_a_path_that_cannot_be_one(self) -> None:
        assert "not a path" in refusal("a\0b")

    def test_a_file_where_a_folder_should_be(self, path: Path) -> None:
        path.touch()
        assert "cannot be read" in refusal(path / "copy")


def null_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root can make devices")


class TestWhatIsNoCopy:
    def test_of_another_bucket(self, path: Path) -> None:
        save(str(path), copy_of(bucket="others"))
        assert "a copy of bucket 'others', not of 'settings'" in refusal(path)
        assert load(str(path), "others") == copy_of(bucket="others")

    def test_of_another_format(self, path: Path) -> None:
        assert "a copy of format 2, and only format 1 is known" in refusal(put(path, sealed(b"{}", 2)))

    def test_of_a_format_that_is_written_in_another_way(self, path: Path) -> None:
        save(str(path), copy_of())
        assert "not a copy" in refusal(put(path, path.read_bytes().replace(b"copy 1 ", b"copy 01 ", 1)))

    def test_with_another_digest(self, path: Path) -> None:
        save(str(path), copy_of())
        put(path, path.read_bytes().replace(b"port = 1", b"port = 2"))
        assert "digest does not match; delete it, and start once" in refusal(path)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"[1]",
            b'"\xff"',
            b'{"\xff": 1}',
            b'{"bucket": "\xff"}',
            b'{"x": ' + b"[" * 100_000,
            b'{"bucket": "settings", "position": -1, "documents": {}, "at": "2026-01-01T00:00:00Z"}',
            b'{"bucket": "settings", "position": 1, "documents": {}, "at": "2026-01-01T00:00:00"}',
            b'{"bucket": "settings", "position": 1, "documents": {"a": {"revision": 1}}, "at": "2026-01-01T00:00:00Z"}',
            b'{"bucket": "settings", "position": 1, "documents": {"a": 1}, "at": "2026-01-01T00:00:00Z"}',
            b'{"bucket": "settings", "position": 1, "documents": {}, "at": "2026-01-01T00:00:00Z"}}',
        ],
        ids=range(12),
    )
    def test_though_its_digest_matches(self, path: Path, body: bytes) -> None:
        assert "though its digest matches" in refusal(put(path, sealed(body)))

    @given(st.binary() | st.binary().map(sealed))
    def test_any_bytes(self, scratch: Path, data: bytes) -> None:
        with pytest.raises(LayerError):
            from_bytes(scratch, data)

    @given(st.data())
    @examples(300)
    def test_any_damage(self, scratch: Path, data: st.DataObject) -> None:
        whole = WHOLE
        at = data.draw(st.integers(0, len(whole) - 1), label="at")
        end = data.draw(st.integers(at, len(whole)), label="end")
        put_in = data.draw(
            st.binary(max_size=4) | st.just(whole) | st.integers(0, len(whole)).map(lambda start: whole[start:])
        )
        damaged = data.draw(
            st.sampled_from(
                [
                    whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[at + 1 :],
                    whole[:at] + put_in + whole[end:],
                    whole[:at] + whole[end:],
                ]
            )
        )
        if damaged == whole:
            assert from_bytes(scratch, damaged) == copy_of()
        else:
            with pytest.raises(LayerError):
                from_bytes(scratch, damaged)

    def test_cut_off_anywhere(self, scratch: Path) -> None:
        for size in range(len(WHOLE)):
            with pytest.raises(LayerError):
                from_bytes(scratch, WHOLE[:size])
        assert from_bytes(scratch, WHOLE) == copy_of()

    def test_too_large(self, path: Path) -> None:
        with put(path, b"").open("r+b") as file:
            file.truncate(LARGEST_COPY + 1)  # a hole, which takes no room
        assert f"larger than {LARGEST_COPY} bytes" in refusal(path)
        os.truncate(path, LARGEST_COPY)
        assert "not a copy" in refusal(path)

    def test_too_large_to_be_saved(self, path: Path) -> None:
        save(str(path), copy_of())
        with pytest.raises(OSError, match=r"64 MiB") as caught:
            save(str(path), copy_of("\0" * (LARGEST_COPY // 6)))
        assert caught.value.errno == errno.EFBIG
        assert load(str(path), BUCKET) == copy_of()
        assert os.listdir(path.parent) == [path.name]


WHOLE = copies._encoded(copy_of())


def from_bytes(path: Path, data: bytes) -> Copy | None:
    return load(str(put(path, data)), BUCKET)


SAVING = """
import itertools, sys
from datetime import UTC, datetime
from hotsettings.nats.disk_copy.file import CopiedDocument, Copy, save
at = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
path, number = sys.argv[1], int(sys.argv[2])
for position in itertools.count(number) if number == 0 else [number]:
    size = position * 7919 % 50_000
    text = f"size = {size}\\n" + "#" * size
    save(path, Copy("settings", position, {key: CopiedDocument(position, text) for key in ("one", "two")}, at))
"""
"""Saves without end from position 0 on, or that one position."""


def whole(copy: Copy | None) -> int:
    """The position of a copy that SAVING has made."""
    assert copy is not None
    size = copy.position * 7919 % 50_000
    assert copy.documents == dict.fromkeys(
        ("one", "two"), CopiedDocument(copy.position, f"size = {size}\n" + "#" * size)
    )
    return copy.position


class TestFaults:
    @linux
    @pytest.mark.slow
    def test_the_order_in_which_it_reaches_the_disk(self, calls: list[str]) -> None:
        """The content before the name, and the name before it is called saved."""
        names = [call.partition("(")[0].split()[-1] for call in calls]
        assert names[-6:] == ["openat", "write", "fsync", "rename", "openat", "fsync"]
        assert ".new>" in calls[-4]
        assert ".new>" not in calls[-1]

    def test_a_missing_folder(self, path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            save(str(path / "copy"), copy_of())

    def test_a_folder_that_may_not_be_written(self, path: Path) -> None:
        with pytest.raises(OSError, match=r"."):
            save("/proc/settings.copy" if sys.platform == "linux" else os.devnull, copy_of())

    @posix
    def test_the_file_may_not_grow(self, path: Path) -> None:
        """The size that a process may write ends in the middle of the copy."""
        import resource

        save(str(path), copy_of())
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
                save(str(path), copy_of("#" * 100_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, before)
        assert os.listdir(path.parent) == [path.name]
        assert load(str(path), BUCKET) == copy_of()

    @linux
    def test_a_full_disk(self, path: Path) -> None:
        needs(allowed("unshare", "--mount", "true"), "the system allows no mount namespaces")
        script = (
            SAVING
            + """
import errno, os
from hotsettings.nats.disk_copy.file import load
before = load(path, "settings")
for _ in range(20):
    try:
        save(path, Copy("settings", 99, {"big": CopiedDocument(99, "#" * 300_000)}, at))
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    else:
        raise SystemExit("it was not full")
assert load(path, "settings") == before
assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
save(path, Copy("settings", 100, {}, at))
"""
        )
        mount = f"mount --make-rprivate / && mount -t tmpfs -o size=256k none '{path.parent}' && exec \"$@\""
        command = ["unshare", "--mount", "sh", "-c", mount, "sh", sys.executable, "-c", script, str(path), "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")

    def test_what_killed_processes_left_is_removed_in_time(self, path: Path) -> None:
        left = path.with_name(f".{path.name}.0123456789abcdef.new")
        young = path.with_name(f".{path.name}.1123456789abcdef.new")
        others = [path.with_name(name) for name in (".other.0123456789abcdef.new", f".{path.name}.mine.new", "x")]
        for each in (left, young, *others):
            each.touch()
            if each is not young:
                os.utime(each, (0, 0))
        save(str(path), copy_of())
        assert sorted(path.parent.iterdir()) == sorted([path, young, *others])

    @posix
    def test_what_is_planted_beside_it_is_not_followed(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Somebody has guessed the name."""
        monkeypatch.setattr(os, "urandom", bytes)
        victim = path.with_name("victim")
        victim.write_text("precious")
        beside = path.with_name(f".{path.name}.{'00' * 8}.new")
        plants: list[Callable[[], None]] = [
            lambda: beside.symlink_to(victim),
            lambda: beside.symlink_to("new"),
            beside.touch,
        ]
        for plant in plants:
            plant()
            with pytest.raises(FileExistsError):
                save(str(path), copy_of())
            assert os.path.lexists(beside)  # it is not ours to remove
            beside.unlink()
        assert victim.read_text() == "precious"
        assert os.listdir(path.parent) == ["victim"]

    @pytest.mark.slow
    @posix
    def test_killed_at_any_moment(self, path: Path) -> None:
        """A process that saves in a loop is killed, again and again; every load gives a whole copy, none older."""
        kills = 0
        ends = time.monotonic() + 2
        while kills < 3 or time.monotonic() < ends:
            path.unlink(missing_ok=True)
            with saving(path) as process, Reader(path) as reader:
                reader.wait(partial(differ, 1 + 3 * kills))  # each lives a little longer than the one before
                process.kill()
                process.wait()
                kills += 1
            assert reader.seen == sorted(reader.seen)
            assert whole(load(str(path), BUCKET)) >= reader.seen[-1]
            assert len(os.listdir(path.parent)) <= 1 + kills

    @pytest.mark.slow
    def test_several_share_it(self, path: Path) -> None:
        """The last one wins, and nothing is ever mixed."""
        with saving(path), saving(path), Reader(path) as reader:
            reader.wait(lambda seen: any(old > new for old, new in pairwise(seen)) and len(set(seen)) > 100)
        save(str(path), copy_of())
        assert load(str(path), BUCKET) == copy_of()


def differ(number: int, seen: list[int]) -> bool:
    return len(set(seen)) >= number


@contextmanager
def saving(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that saves in a loop."""
    process = subprocess.Popen([sys.executable, "-c", SAVING, str(path), "0"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Reader:
    """Loads in a loop, in a thread of its own, and keeps the positions that it has seen."""

    def __init__(self, path: Path) -> None:
        self.seen: list[int] = []
        self._path = path
        self._failure: BaseException | None = None
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()
        assert self._failure is None, self._failure

    def wait(self, until: Callable[[list[int]], bool]) -> None:
        deadline = time.monotonic() + 30
        while not until(list(self.seen)) and self._failure is None:
            assert time.monotonic() < deadline, self.seen
            time.sleep(0.001)

    def _read(self) -> None:
        try:
            while not self._leaving.is_set():
                copy = load(str(self._path), BUCKET)
                if copy is not None or self.seen:  # there is none before the first
                    self.seen.append(whole(copy))
        except BaseException as error:
            self._failure = error


class Db(Struct, frozen=True):
    host: str = ""
    password: Secret[str] = ""
    partition_key: str = ""


class Known(BaseSettings):
    db: Db = Db()
    token: Secret[str] = ""
    token_minutes: int = 1
    key: Secret[int] = 0
    tokens: int = 0
    port: int = 0
    headers: Secret[Mapping[str, str]] = {}  # noqa: RUF012
    names: tuple[str, ...] = ()


class Within(BaseSettings):
    dbs: tuple[Db, ...] = ()
    pair: tuple[int, Db | None] = (1, None)
    by_name: Mapping[str, Db] = {}
    one: Db | None = None


class Open(BaseSettings):
    port: int = 0
    names: tuple[str, ...] = ()


KNOWN, OPEN = schema_of(Known), schema_of(Open)
SECRETS = parse(
    FileLayer("secrets.toml", secret=True), b"""a = ["hunter2-canary", "p\\"\\u00e4\\\\x", 4711147, "abc"]"""
)


def live(schema: Schema) -> Redactor:
    assert isinstance(SECRETS, Document)
    return Redactor(schema, [SECRETS])


class TestWhatMayBeCopied:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "port = 1 # of the server\n",
            "token_minutes = 30  # how long one lasts, in minutes\n[db]\npartition_key = 'user'\n",
            "names = ['monkey', 'tokenizer', 'hotkeys', 'abcd', 'C:\\temp']\n",
            'names = ["\\\\x61 \\n \\" \\u00e4"]\n# \\UFFFFFFFF\n',
            "tokens = 3",
            "# a port is a number: a small one\nport = 4711\n",
            "# Neither token nor headers belong here.\nport = 1 # token\n",
            "# db_password_2024 is not used any more\n",
        ],
    )
    def test_it_may(self, text: str) -> None:
        assert may_be_copied(text, live(KNOWN))

    @pytest.mark.parametrize(
        "text",
        [
            "token = 'x'",
            "port = 1 # token = 1",
            "# TOKEN: x",
            "#token=x",
            "db.password = 'x'",
            "db = { password = 'x' }",
            '[db]\n"password" = "x"',
            '[db]\n"pass\\u0077ord" = "x"',
            '[db]\n"p\\U00000061ssword" = "x"',
            '# "pass\\u0077ord" = "x"',
            "[db]\npasswort = 'x'",
            "# passwd_old = 1\n# pasword = 1",
            "[headers]\nx = 'y'",
            "[header]\nx = 'y'",
            "[[extra]]\nlist = [{ tokenn = 1 }]",
            "not TOML",
            "port = 1\nport = 2",
        ],
    )
    def test_it_names_a_secret(self, text: str) -> None:
        assert not may_be_copied(text, Redactor(KNOWN))

    @pytest.mark.parametrize(
        "text",
        [
            "names = ['hunter2-canary']",
            "port = 1 # hunter2-canary",
            "names = ['redis://:hunter2-canary@host']",
            'names = ["hunter2\\u002dcanary"]',
            'names = ["""hunter2\\\n   -canary"""]',
            'names = ["p\\"\\u00e4\\\\x"]',
            "names = ['p\"ä\\x']",
            "port = 4711147",
            "port = 4_711_147",
            "port = 0x47E2EB",
            "'hunter2-canary' = 1",
            "[x.'hunter2-canary']",
        ],
    )
    @pytest.mark.parametrize("schema", [KNOWN, OPEN], ids=["with secrets", "without"])
    def test_it_holds_one(self, text: str, schema: Schema) -> None:
        assert not may_be_copied(text, live(schema))
        assert may_be_copied(text, Redactor(OPEN))

    @pytest.mark.parametrize("fields", [["dbs"], ["pair"], ["by_name"], ["one"]])
    @pytest.mark.parametrize("text", ["# password = 'x'", "#passwort: x", "# [[dbs]]\n#   password='x'"])
    def test_it_names_a_secret_of_a_struct_that_is_nested_in_anything(self, fields: list[str], text: str) -> None:
        within: Any = Within
        annotations = {field.name: field.type for field in msgspec.structs.fields(within) if field.name in fields}
        cls = types.new_class(
            "One", (BaseSettings,), {}, lambda namespace: namespace.update(__annotations__=annotations)
        )
        assert not may_be_copied(text, Redactor(Schema(cls)))
        assert may_be_copied("# partition_key = 'x'\n# host = 'y'", Redactor(Schema(cls)))

    def test_a_key_that_is_no_word(self) -> None:
        class Odd(BaseSettings, rename={"one": "The Key"}):
            one: Secret[str] = ""
            key: int = 0

        assert may_be_copied("key = 1", live(schema_of(Odd)))
        for text in ("'The Key' = 'x'", '"The\\u0020Key" = "x"', "# 'THE KEY' = 'x'"):
            assert not may_be_copied(text, live(schema_of(Odd))), text
