"""Reading one layer: whatever is at the path, it becomes a document or a LayerError that helps, at once."""

import os
import pickle
import socket
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import toml_rs
from hypothesis import given as having
from hypothesis import strategies as st
from support.examples import examples
from support.toml_texts import documents, soups

from hotsettings import BaseSettings, LayerError, Origin, Problem, Secret
from hotsettings._layers.file import FileLayer, fetch, read
from hotsettings._layers.layer import LARGEST, Document, Unreadable, in_memory, origin_of, parse
from hotsettings._layers.toml.positions import places
from hotsettings._loading.load import documents_or_error
from hotsettings._schema.schema import schema_of
from hotsettings.errors import PROGRAM

T = TypeVar("T")

posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no such thing on Windows")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")

TOO_DEEP = "nested more than 32 levels deep"
TOO_MANY_PARTS = "a key of more than 33 dotted parts"
TOO_LONG = "an integer outside 64 bits"
NO_TIME = "a date or time that Python does not have"


def base(path: Path | str = "config.toml", **about: Any) -> FileLayer:
    return FileLayer(os.fspath(path), name="base", label=os.fspath(path), **about)


class NoSecrets(BaseSettings):
    PLAIN: int = 0


class Named(BaseSettings):
    OTHER: Secret[int] = 0
    KEY: Secret[str] = ""


def refusal(layer: FileLayer, data: bytes | None = None, cls: type[BaseSettings] = NoSecrets) -> Problem:
    """The one problem of a layer that is read, or of one that holds these bytes, which must not work."""

    def failing() -> LayerError:
        with pytest.raises(LayerError) as caught:
            documents_or_error(schema_of(cls), [read(layer) if data is None else parse(layer, data)])
        return caught.value

    error = at_once(failing)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.origin == error.problems[0].origin
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    (problem,) = error.problems
    assert problem.key == "" or problem.code == "duplicate-key"
    assert problem.origin.layer == layer.name
    assert problem.origin.file == layer.label
    return problem


def parsed(data: bytes) -> Document:
    document = parse(base(), data)
    assert isinstance(document, Document)
    return document


def at_once(function: Callable[[], T]) -> T:
    """Call in a thread with a small stack, and not wait for what hangs."""
    results: list[T] = []
    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join(20)
    assert not thread.is_alive(), "it hangs"
    (result,) = results
    return result


def text_of(path: Path, **about: Any) -> str:
    return at_once(lambda: read(base(path, **about))).text


class TestFiles:
    def test_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "config.toml"
        path.write_text("a = 1\n[b]\nc = [2.5]\n")
        layer = base(path)
        assert read(layer) == Document(layer, "a = 1\n[b]\nc = [2.5]\n", {"a": 1, "b": {"c": [2.5]}})

    def test_empty(self, tmp_path: Path) -> None:
        path = tmp_path / "config.toml"
        path.touch()
        assert read(base(path)) == Document(base(path), "", {})

    def test_relative_paths_are_taken_from_the_working_directory_of_the_call(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layer = base("c.toml")
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "c.toml").write_text(f"{name} = 1")
            monkeypatch.chdir(tmp_path / name)
            assert read(layer) == Document(layer, f"{name} = 1", {name: 1})
        assert str(refusal(base("three.toml")).origin) == "three.toml"

    @posix
    def test_a_symlink_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real").write_text("a = 1")
        (tmp_path / "config.toml").symlink_to("real")
        assert text_of(tmp_path / "config.toml") == "a = 1"

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("base", "create it, or name the file to read with config_path="),
            ("override", "create it"),
        ],
    )
    def test_missing(self, tmp_path: Path, name: str, hint: str) -> None:
        path = str(tmp_path / "none.toml")
        problem = refusal(FileLayer(path, name=name, label="none.toml"))
        message = f"no such file in {tmp_path}"
        assert problem == Problem("", message, Origin(name, "none.toml"), hint, "missing-file")
        assert str(LayerError([problem])) == f"Unreadable settings: 1 problem\n  none.toml  {message}; {hint}"

    def test_a_relative_path_says_from_where(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for path in ("conf/none.toml", "./conf//none.toml"):
            assert refusal(FileLayer(path)).message == f"no such file in {tmp_path}"
        assert refusal(FileLayer(tmp_path / "none.toml")).message == "no such file"
        monkeypatch.chdir("/")
        assert refusal(FileLayer("none.toml")).message == "no such file in /"

    def test_a_tilde_is_not_expanded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        problem = refusal(FileLayer("~/none.toml"))
        assert problem.hint == "a ~ is not expanded: write the whole path, or use os.path.expanduser"

    @pytest.mark.parametrize("path", ["none.toml", "none/none.toml", ""])
    def test_missing_but_not_required(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
        monkeypatch.chdir(tmp_path)
        layer = base(path, required=False)
        assert read(layer) == Document(layer, "", {}, missing=True)
        assert fetch(layer) is None

    @posix
    @pytest.mark.parametrize("required", [True, False])
    def test_dangling_symlink(self, tmp_path: Path, required: bool) -> None:
        (tmp_path / "c").symlink_to("nowhere")
        layer = base(tmp_path / "c", required=required)
        if required:
            assert refusal(layer).message == "no such file"
        else:
            assert read(layer) == Document(layer, "", {}, missing=True)

    @posix
    @pytest.mark.parametrize("required", [True, False])
    def test_symlink_loop(self, tmp_path: Path, required: bool) -> None:
        (tmp_path / "one").symlink_to("two")
        (tmp_path / "two").symlink_to("one")
        assert "symbolic link" in refusal(base(tmp_path / "one", required=required)).message

    @pytest.mark.parametrize("required", [True, False])
    def test_directory(self, tmp_path: Path, required: bool) -> None:
        problem = refusal(base(tmp_path, required=required))
        assert problem == Problem(
            *(
                "",
                "not a regular file but a directory",
                Origin("base", str(tmp_path)),
                "name the file in it",
                "not-a-file",
            )
        )

    @posix
    def test_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert refusal(base(tmp_path / "file" / "c")).message == "cannot be read: not a directory"

    @posix
    @pytest.mark.parametrize("required", [True, False])
    def test_fifo(self, tmp_path: Path, required: bool) -> None:
        os.mkfifo(tmp_path / "c")
        assert refusal(base(tmp_path / "c", required=required)).message == "not a regular file but a FIFO"

    @posix
    def test_fifo_with_a_writer_behind_a_symlink(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "c").symlink_to("fifo")
        descriptor = os.open(tmp_path / "fifo", os.O_RDWR)
        try:
            os.write(descriptor, b"a = 1")
            assert refusal(base(tmp_path / "c")).message == "not a regular file but a FIFO"
            assert os.read(descriptor, 10) == b"a = 1"
        finally:
            os.close(descriptor)

    @posix
    def test_socket(self) -> None:
        # Not below tmp_path: the path of a socket may have about 100 characters.
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{folder}/c")
            assert refusal(base(f"{folder}/c")).message == "not a regular file but a socket"

    @posix
    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom", "/dev/ptmx", "/dev/full"])
    def test_device(self, device: str) -> None:
        if not os.path.exists(device):
            pytest.skip("there is no such device here")
        assert refusal(base(device)).message == "not a regular file but a device"

    @posix
    def test_unreadable(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "c")
            path.write_text("a = 1")
            path.chmod(0)
            os.chmod(folder, stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
            with unprivileged():
                for required in (True, False):
                    problem = refusal(base(path, required=required))
                    origin, way_out = Origin("base", str(path)), "let the user that this process runs as read it"
                    assert problem == Problem("", "cannot be read: permission denied", origin, way_out, "unreadable")
                path.parent.joinpath("d").mkdir(0)
                assert refusal(base(path.parent / "d")).message == "not a regular file but a directory"

    @pytest.mark.parametrize(("path", "reason"), [("a\0b", "null"), ("\ud800", "encode")])
    def test_what_is_no_path(self, path: str, reason: str) -> None:
        message = refusal(base(path)).message
        assert message.startswith("not a path: ")
        assert reason in message

    @posix
    def test_name_too_long(self, tmp_path: Path) -> None:
        assert refusal(base(tmp_path / ("x" * 300))).message == "cannot be read: file name too long"

    def test_error_without_words(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        def fail(*_: object) -> int:
            raise OSError

        (tmp_path / "c").touch()
        monkeypatch.setattr(os, "open", fail)
        assert refusal(base(tmp_path / "c")).message == "cannot be read: oserror"

    def test_descriptors_are_closed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        closed: list[int] = []
        opened: list[int] = []
        real_open, real_close = os.open, os.close

        def opening(*arguments: Any) -> int:
            opened.append(real_open(*arguments))
            return opened[-1]

        def closing(descriptor: int) -> None:
            closed.append(descriptor)
            real_close(descriptor)

        for size in (LARGEST + 1, 0):
            (tmp_path / "c").write_bytes(b"#" * size)
            with monkeypatch.context() as patch:
                patch.setattr(os, "open", opening)
                patch.setattr(os, "close", closing)
                if size:
                    refusal(base(tmp_path / "c"))
                else:
                    read(base(tmp_path / "c"))
        assert opened == closed
        assert len(opened) == 2


@pytest.fixture(autouse=True)
def same_rights() -> Iterator[None]:
    yield
    assert not hasattr(os, "geteuid") or os.geteuid() == os.getuid()


class unprivileged:
    """Act as nobody while entered, if this is root, to whom no permission applies."""

    def __enter__(self) -> None:
        if os.getuid() == 0:
            os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        if os.getuid() == 0:
            os.seteuid(0)


class TestSize:
    @pytest.mark.parametrize("size", [1, LARGEST - 1, LARGEST])
    def test_fits(self, tmp_path: Path, size: int) -> None:
        (tmp_path / "c").write_bytes(b"#" * size)
        assert len(text_of(tmp_path / "c")) == size

    @pytest.mark.parametrize("size", [LARGEST + 1, LARGEST + 2, 3 * LARGEST])
    def test_does_not_fit(self, tmp_path: Path, size: int) -> None:
        (tmp_path / "c").write_bytes(b"#" * size)
        assert refusal(base(tmp_path / "c")).message == "larger than 1048576 bytes (1 MiB)"

    @posix
    def test_a_huge_sparse_file_is_not_read_whole(self, tmp_path: Path) -> None:
        with (tmp_path / "c").open("wb") as file:
            file.truncate(1 << 40)
        assert refusal(base(tmp_path / "c")).message == "larger than 1048576 bytes (1 MiB)"

    def test_the_mark_counts(self, tmp_path: Path) -> None:
        (tmp_path / "c").write_bytes(b"\xef\xbb\xbf" + b"#" * (LARGEST - 3))
        assert len(text_of(tmp_path / "c")) == LARGEST - 3
        (tmp_path / "c").write_bytes(b"\xef\xbb\xbf" + b"#" * (LARGEST - 2))
        refusal(base(tmp_path / "c"))

    @pytest.mark.parametrize("start", [0, 1, 1000, LARGEST - 20])
    @pytest.mark.parametrize("growth", [b"x", b"#\n" * 9, b"#" * 70_000])
    def test_grows_while_it_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int, growth: bytes
    ) -> None:
        path = tmp_path / "c"
        path.write_bytes(b"#" * start)
        sizes: list[int] = []
        real = os.read

        def reading(descriptor: int, count: int) -> bytes:
            sizes.append(count)
            if len(sizes) == 1:
                with path.open("ab") as file:
                    file.write(growth)
            return real(descriptor, count)

        monkeypatch.setattr(os, "read", reading)
        if start + len(growth) <= LARGEST:
            assert fetch(base(path)) == b"#" * start + growth
        else:
            refusal(base(path))
        assert sum(sizes) <= 2 * (LARGEST + 1)

    def test_grows_for_ever(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "c").write_bytes(b"#")
        monkeypatch.setattr(os, "read", lambda _, count: b"#" * min(count, 4096))
        assert refusal(base(tmp_path / "c")).message == "larger than 1048576 bytes (1 MiB)"

    def test_is_cut_while_it_is_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "c"
        path.write_bytes(b"#" * 1000)
        real = os.read

        def reading(descriptor: int, count: int) -> bytes:
            os.truncate(path, 10)
            return real(descriptor, count)

        monkeypatch.setattr(os, "read", reading)
        assert fetch(base(path)) == b"#" * 10

    def test_comes_in_pieces(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "c").write_bytes(bytes(range(256)) * 40)
        real = os.read
        monkeypatch.setattr(os, "read", lambda descriptor, count: real(descriptor, min(count, 100)))
        assert fetch(base(tmp_path / "c")) == bytes(range(256)) * 40

    @linux
    @pytest.mark.parametrize("path", ["/proc/self/limits", "/proc/version", "/proc/cpuinfo"])
    def test_files_of_no_size_that_have_content(self, path: str) -> None:
        if not os.path.exists(path):
            pytest.skip("there is no such file here")
        assert os.stat(path).st_size == 0
        content = fetch(base(path))
        assert content
        assert content.splitlines()[0] == Path(path).read_bytes().splitlines()[0]

    @linux
    def test_a_file_that_cannot_be_read_though_opened(self) -> None:
        assert refusal(base("/proc/self/mem")).message.startswith("cannot be read: ")


class TestText:
    def test_mark(self) -> None:
        document = parsed(b"\xef\xbb\xbfa = 1")
        assert document.text == "a = 1"
        assert document.values == {"a": 1}
        assert document.origin(0) == Origin("base", "config.toml", 1, 1)

    def test_crlf(self) -> None:
        document = parsed(b"a = 1\r\n\r\nb = '''\r\nx'''\r\n")
        assert document.values == {"a": 1, "b": "x"}
        assert document.origin(document.text.index("b")) == Origin("base", "config.toml", 3, 1)

    @pytest.mark.parametrize(
        ("data", "line", "column"),
        [
            (b"\xff", 1, 1),
            (b"a = 1\n\n  \x80", 3, 3),
            (b"a = 1\r\nb = '\xe9'", 2, 6),
            ("é = 'ü😀".encode() + b"\xc3", 1, 8),
            (b"\xef\xbb\xbfa = '\xff'", 1, 6),
            (b"\xef\xbb\xbf\xef\xbb", 1, 1),
            (b"# \xc0\xaf overlong", 1, 3),
            (b"# \xed\xa0\x80 surrogate", 1, 3),
            (b"# \xf4\x90\x80\x80 beyond", 1, 3),
            ("a = 1".encode("utf-16"), 1, 1),
            ("a = 'é'".encode("latin-1"), 1, 6),
        ],
    )
    @pytest.mark.parametrize("secret", [True, False])
    def test_not_utf8(self, data: bytes, line: int, column: int, secret: bool) -> None:
        problem = refusal(base(secret=secret), data)
        origin = Origin("base", "config.toml", line, column)
        assert problem == Problem("", "not UTF-8", origin, "save it as UTF-8", "not-utf8")

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
    def test_wider_encodings_without_a_mark(self, encoding: str) -> None:
        assert refusal(base(), "a = 1".encode(encoding)).message.startswith("not valid TOML: ")

    @pytest.mark.parametrize(
        ("text", "line", "column", "excerpt"),
        [
            ("a =", 1, 4, ("     1 | a =", "       |    ^")),
            ("a = 1\n\nb = = 2\n", 3, 5, ("     3 | b = = 2", "       |     ^")),
            ("'é😀' = 'ü' x\n", 1, 12, ("     1 | 'é😀' = 'ü' x", "       |             ^")),
            ("# 日本\nk = '日本' !", 2, 10, ("     2 | k = '日本' !", "       |            ^")),
            ("é = 1", 1, 1, ("     1 | é = 1", "       | ^")),
            ("a = 1\r\nb = 'é\r\n", 2, 8, None),
            ("\ufeffa = !", 1, 5, ("     1 | a = !", "       |     ^")),
            ("a = 1\na = 2", 2, 1, ("     2 | a = 2", "       | ^")),
            ("[é]", 1, 2, ("     1 | [é]", "       |  ^")),
            ("a = '''\né", 2, 2, ("     2 | é", "       |  ^")),
            ("a\tb", 1, 3, ("     1 | a b", "       |   ^")),
        ],
    )
    def test_not_toml(
        self, text: str, line: int, column: int, excerpt: tuple[str, str] | None, pytestconfig: pytest.Config
    ) -> None:
        problem = refusal(base(), text.encode())
        assert problem.message.startswith("not valid TOML: ")
        assert "\n" not in problem.message
        assert (problem.origin.file, problem.origin.line) == ("config.toml", line)
        if pytestconfig.getoption("--toml-parser") != "toml_rs":
            assert excerpt is None or problem.excerpt[0] == excerpt[0]
            return
        assert problem.origin.column == column
        if excerpt is not None:
            assert problem.excerpt == excerpt

    @pytest.mark.toml_rs
    @having(documents(), st.sampled_from(["", "x", "é😀日本", "e\u0301"]))
    def test_not_toml_at_the_end_of_anything(self, before: str, word: str) -> None:
        text = f"{before}\n'{word}-key' = '{word}' !"
        problem = refusal(base(), text.encode())
        # Lines end with a line feed, as in every editor; where a carriage return stands before it, that ends nothing.
        assert problem.origin == Origin("base", "config.toml", text.count("\n") + 1, 2 * len(word) + 13)
        assert problem.excerpt[0].endswith(f"'{word}-key' = '{word}' !")

    @pytest.mark.parametrize(
        ("text", "line", "column", "message"),
        [
            ("a = 1\nb = 0000-01-01\n", 2, 5, NO_TIME),
            ("1979-13-45.c = 1\nb = 0000-01-01\n", 2, 5, NO_TIME),
            ("a = [23:59:59,\n  23:59:60]", 2, 3, NO_TIME),
            ("'é' = {b = 1979-05-27T07:32:60.5Z}", 1, 12, NO_TIME),
            ("a = 1979-05-27 07:32:60", 1, 5, NO_TIME),
            ("0000-01-01 = 1979-05-27\n5 = 1\na = -0000-01-01T00:00:00\n", 3, 5, None),
            (f"a = 0x{'f' * 5000}", 1, 5, TOO_LONG),
            (f"b = 1\na = [-{'1' * 4400}]\n", 2, 6, TOO_LONG),
            ("a = " + "[" * 50 + "00:00:60" + "]" * 50, 1, 55, NO_TIME),
            ("a = " + "[" * 100 + "[[00:00:60]]" + "]" * 100, 1, 107, NO_TIME),
        ],
    )
    def test_toml_that_python_cannot_hold(
        self, text: str, line: int, column: int, message: str | None, pytestconfig: pytest.Config
    ) -> None:
        problem = refusal(base(), text.encode())
        assert (problem.origin.file, problem.origin.line) == ("config.toml", line)
        if pytestconfig.getoption("--toml-parser") == "toml_rs":
            assert problem.origin.column == column
            assert message is None or problem.message == message

    @pytest.mark.parametrize(
        ("text", "column"),
        [
            ("a = " + "[" * 33 + "]" * 33, 37),
            ("a = " + "[" * 102 + "]" * 102, 37),
            ("a = " + "[" * 500_000, 37),
            ("a = " + "{b=" * 33 + "1" + "}" * 33, 101),
            ("a = " + "[{b=" * 16 + "[1]" + "}]" * 16, 69),
            ("a = " + "[{b=" * 17 + "1" + "}]" * 17, 69),
            (".".join("a" * 34) + " = 1", 65),
            (".".join("a" * 33) + " = []", 69),
            ("[" + ".".join("a" * 33) + "]\n", 66),
            ("[" + ".".join("a" * 20) + "]\n" + ".".join("b" * 14) + " = 1", None),
            ("[" + ".".join("a" * 30) + "]\nb = [[[1]]]", None),
            ("[[" + ".".join("a" * 32) + "]]", None),
            ("[[" + ".".join("a" * 31) + "]]\nb = [1]", None),
            ("a.b.c = " + "[{d.e = " * 11 + "1" + "}]" * 11, None),
            ("x.y = " + "{a.b = " * 17 + "1" + "}" * 17, None),
        ],
        ids=lambda value: value[:30] if isinstance(value, str) else None,
    )
    def test_too_deep(self, text: str, column: int | None) -> None:
        problem = refusal(base(), text.encode())
        assert problem.message == TOO_DEEP
        assert column is None or problem.origin.column == column

    @pytest.mark.parametrize(
        "text",
        [
            "a = " + "[" * 32 + "]" * 32,
            "a = " + "{b=" * 32 + "1" + "}" * 32,
            "a = " + "[{b=" * 16 + "1" + "}]" * 16,
            ".".join("a" * 33) + " = 1",
            ".".join("a" * 32) + " = []",
            "[" + ".".join("a" * 32) + "]\n",
            "[" + ".".join("a" * 20) + "]\n" + ".".join("b" * 13) + " = 1",
            "[[" + ".".join("a" * 31) + "]]\nb = 1",
        ],
        ids=lambda text: text[:30],
    )
    def test_deep(self, text: str) -> None:
        assert at_once(lambda: parsed(text.encode())).values == toml_rs.loads(text)

    @pytest.mark.parametrize(
        "text", ["a" + ".a" * 500_000 + " = 1", "[" + "a." * 500_000 + "a]", "a = {b" + ".b" * 500_000]
    )
    def test_too_many_parts(self, text: str) -> None:
        assert refusal(base(), text.encode()).message == TOO_MANY_PARTS

    @pytest.mark.parametrize(
        ("number", "fits"),
        [
            *((str(2**63 - 1), True), (str(-(2**63)), True), (str(2**63), False), (str(-(2**63) - 1), False)),
            *((str(2**65), False), ("0x7fff_ffff_ffff_ffff", True), ("0xffff_ffff_ffff_ffff", False)),
            *(
                ("0o1" + "0" * 21, False),
                ("0b1" + "0" * 63, False),
                ("1" * 900_000, False),
                ("-" + "9" * 900_000, False),
            ),
            *(("1_" * 450_000 + "1", False), ("0x" + "f" * 900_000, False), ("0b" + "1" * 900_000, False)),
        ],
        ids=lambda value: value[:24] if isinstance(value, str) else None,
    )
    @pytest.mark.parametrize("form", ["a = {}", "[t]\nb.c = [{{d = {}}}]"])
    def test_integers(self, number: str, fits: bool, form: str) -> None:
        text = form.format(number)
        if fits:
            parsed(text.encode())
        else:
            problem = refusal(base(), text.encode())
            assert problem.message == TOO_LONG
            line = text.count("\n") + 1
            assert problem.origin == Origin(
                "base", "config.toml", line, len(form.splitlines()[-1].split("{}")[0].replace("{{", "{")) + 1
            )
            assert all(len(shown) < 200 for shown in problem.excerpt)


WORD = "hunter2hunter2"


class TestSecrecy:
    @examples(300)
    @having(soups, st.integers(0, 60), st.booleans())
    def test_nothing_of_a_secret_layer_is_shown(self, text: str, at: int, secret: bool) -> None:
        """Nor anything of a layer that names a secret key and so could hold its value."""
        text = text[:at] + WORD + text[at:] + ("" if secret else "\nKEY=1")
        try:
            documents_or_error(schema_of(NoSecrets if secret else Named), [parse(base(secret=secret), text.encode())])
        except LayerError as error:
            shown = f"{error}{error!r}{error.problems!r}"
        else:
            return
        assert WORD not in shown

    @pytest.mark.parametrize(
        "text",
        [
            f"KEY = '{WORD}' !",
            f"KEY = {WORD}",
            f"KEY = '{WORD}",
            f"[KEY.{WORD} {WORD}]",
            f"KEY = 1\nKEY = '{WORD}'",
            f"KEY = [{'[' * 40}'{WORD}'",
            f"KEY = {{{WORD} = 0000-01-01}}",
            f"KEY = ['{WORD}', 18446744073709551616]",
            f'"K\\u0045Y" = "{WORD}" !',
            f"KEY.{'.'.join([WORD] * 50)} = 1",
        ],
    )
    @pytest.mark.parametrize("secret", [True, False], ids=["secret", "named"])
    def test_line_hidden(self, text: str, secret: bool) -> None:
        problem = refusal(base(secret=secret), text.encode(), NoSecrets if secret else Named)
        assert problem.message.endswith(" (line hidden)")
        assert problem.excerpt == ()
        assert problem.origin.line is not None
        assert WORD not in repr(problem)

    def test_what_could_not_be_read_does_not_show_its_text(self) -> None:
        unreadable = parse(base(secret=True), f"KEY = '{WORD}' !".encode())
        assert isinstance(unreadable, Unreadable)
        assert WORD in unreadable.text
        assert repr(unreadable) == "Unreadable('config.toml')"
        assert list(unreadable.__rich_repr__()) == ["config.toml"]

    def test_line_shown_where_no_secret_is_named(self) -> None:
        assert refusal(base(), b"LEVEL = DEBUG", Named).excerpt[0] == "     1 | LEVEL = DEBUG"


class TestDocument:
    @pytest.mark.toml_rs
    @having(documents(), st.randoms(use_true_random=False))
    def test_locates_what_is_there(self, text: str, rng: Any) -> None:
        document = parsed(text.encode())
        first = dict(reversed(list(places(text))))
        chosen = rng.sample(sorted(first, key=repr), rng.randint(0, len(first)))
        nowhere = [(*path, "nowhere") for path in chosen] + [(*path, 99) for path in chosen]
        assert document.locate(chosen + nowhere) == {path: first[path] for path in chosen}
        for path in chosen:
            assert document.locate([path]) == {path: first[path]}

    def test_locates_first(self) -> None:
        document = parsed(b"[a]\nb = 1\n[a.c]\n")
        assert document.locate(iter([("a",)]))["a",].key == (1, 2)
        assert document.locate([]) == {}
        assert document.locate([()]) == {}

    def test_does_not_walk_what_is_behind_or_beside(self) -> None:
        """Each statement costs little, and an array that nobody asks for is passed over in one leap."""
        text = "a = [" + '{b = [1, "]", []]}, # ]\n' * 20_000 + "]\nc = 1\n" + "d = [1]\n" * 10_000
        assert len(list(places(text, [("c",)]))) == 1
        assert len(list(places(text, [("a", 7, "b", 1)]))) == 4

    def test_origin(self) -> None:
        document = Document(FileLayer("/x/o.toml", name="override", label="o.toml"), "a = 1\nb = 2", {})
        assert document.origin(6) == Origin("override", "o.toml", 2, 1)
        assert origin_of(document.layer) == Origin("override", "o.toml")

    def test_values_in_code_have_no_place(self) -> None:
        document = in_memory({"a": 1})
        assert document.values == {"a": 1}
        assert document.origin(0) == PROGRAM
        assert document.locate([("a",)]) == {}
