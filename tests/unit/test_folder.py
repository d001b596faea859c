"""A folder with one file for each key is a layer: what its files mean, what is refused, and where values come from."""

from __future__ import annotations

import datetime
import logging
import os
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from hotsettings import BaseSettings, FileLayer, FolderLayer, InvalidSettings, LayerError, Secret, ValuesLayer
from hotsettings._layers import folder as folder_module
from hotsettings._layers.file import fetch
from hotsettings._layers.folder import MOST_NAMES
from hotsettings._layers.toml.keys import dotted
from hotsettings._layers.toml.values import toml
from hotsettings._loading import load as load_module
from hotsettings._loading.explain import explain, origins
from hotsettings._schema.schema import schema_of


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Number(Enum):
    ONE = 1


class Db(Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "localhost"
    port: int = 5432
    password: Secret[str] = ""
    pool: Mapping[str, int] = {}


class Disk(Struct, frozen=True, tag_field="kind", tag="disk"):
    path: str = "/"


class Bucket(Struct, frozen=True, tag_field="kind", tag="bucket"):
    name: str = ""


class Settings(BaseSettings):
    name: str = ""
    maybe: str | None = None
    level: Level = Level.LOW
    mode: Literal["on", "off"] = "on"
    key: bytes = b""
    price: Decimal = Decimal(0)
    every: datetime.timedelta = datetime.timedelta(0)
    count: int = 0
    ratio: float = 0.0
    debug: bool = False
    since: datetime.date | None = None
    number: Number = Number.ONE
    step: Literal[1, 2] = 1
    hosts: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    anything: Any = None
    text_or_number: str | int = ""
    workers: int | Literal["auto"] = 1
    pin: Secret[int] = 0
    db: Db = Db()
    store: Disk | Bucket = Disk()


def folder(path: Path, files: Mapping[str, str | bytes]) -> Path:
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def loaded(path: Path, files: Mapping[str, str | bytes], **options: Any) -> Settings:
    return Settings(layers=[FolderLayer(folder(path, files), **options)])


def problems(path: Path, files: Mapping[str, str | bytes], **options: Any) -> list[str]:
    with pytest.raises((LayerError, InvalidSettings)) as caught:
        loaded(path, files, label="conf", **options)
    return str(caught.value).split("\n")[1:]


@pytest.mark.parametrize(
    ("key", "content", "value"),
    [
        pytest.param("name", "hunter2", "hunter2", id="a string as it stands"),
        pytest.param("name", "hunter2\n", "hunter2", id="less one line end"),
        pytest.param("name", "hunter2\r\n", "hunter2", id="less one line end of Windows"),
        pytest.param("name", "a\nb\n\n", "a\nb\n", id="less one line end, not two"),
        pytest.param("name", "a\r", "a\r", id="less a whole line end"),
        pytest.param("name", ' "x" # y ', ' "x" # y ', id="nothing in a string is TOML"),
        pytest.param("name", "", "", id="an empty file is an empty string"),
        pytest.param("name", "\n", "", id="an empty line is an empty string"),
        pytest.param("name", b"\xef\xbb\xbfx", "x", id="a byte order mark"),
        pytest.param("name", "0123", "0123", id="digits"),
        pytest.param("maybe", "null", "null", id="str | None"),
        pytest.param("level", "high\n", Level.HIGH, id="an Enum of strings"),
        pytest.param("mode", "off\n", "off", id="a Literal of strings"),
        pytest.param("key", "aGk=\n", b"hi", id="bytes"),
        pytest.param("price", "1.50\n", Decimal("1.50"), id="a decimal"),
        pytest.param("every", "PT5S\n", datetime.timedelta(seconds=5), id="a duration"),
        pytest.param("count", "0x10\n", 16, id="an int"),
        pytest.param("count", "\n\n 5 # five\n", 5, id="as in TOML, with a comment"),
        pytest.param("ratio", "2", 2.0, id="a float"),
        pytest.param("debug", "true\n", True, id="a bool"),
        pytest.param("since", "2026-01-02", datetime.date(2026, 1, 2), id="a date"),
        pytest.param("number", "1", Number.ONE, id="an Enum of ints"),
        pytest.param("step", "2", 2, id="a Literal of ints"),
        pytest.param("hosts", '[\n  "a",\n  "b",\n]\n', ("a", "b"), id="an array"),
        pytest.param("labels", '{ a = "1" }', {"a": "1"}, id="a table"),
        pytest.param("anything", "5", "5", id="Any takes the string"),
        pytest.param("text_or_number", "5432", "5432", id="so does str | int"),
        pytest.param("workers", "auto\n", "auto", id="the string of int | Literal"),
        pytest.param("workers", "8\n", 8, id="the int of int | Literal"),
        pytest.param("db", '{ host = "h" }', Db(host="h"), id="a table of keys"),
        pytest.param("db.host", "h\n", Db(host="h"), id="a nested string"),
        pytest.param("db.port", "1\n", Db(port=1), id="a nested number"),
        pytest.param("db.pool.size", "9", Db(pool={"size": 9}), id="a key of a mapping"),
        pytest.param('db.pool."a.b"', "9", Db(pool={"a.b": 9}), id="a key in quotes"),
        pytest.param("labels.a", "true", {"a": "true"}, id="a string in a mapping"),
        pytest.param("anything.x", "1", {"x": "1"}, id="a key of anything"),
    ],
)
def test_the_content_is_the_value(tmp_path: Path, key: str, content: str | bytes, value: object) -> None:
    assert getattr(loaded(tmp_path, {key: content}), key.partition(".")[0]) == value


def test_the_keys_of_a_tagged_union(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"store.kind": "bucket\n", "store.name": "b"}).store == Bucket("b")


def test_a_folder_lies_over_the_layers_below_it(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("name = 'base'\n[db]\nhost = 'base'\nport = 1\n")
    layers = [
        FileLayer(tmp_path / "base.toml"),
        FolderLayer(folder(tmp_path / "secrets", {"db.password": "pw", "db.port": "2"}), secret=True),
        ValuesLayer({"name": "option"}, name="command line"),
    ]
    found = Settings(layers=layers)
    assert (found.name, found.db) == ("option", Db("base", 2, "pw"))


def test_hidden_names_are_skipped(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert loaded(tmp_path, {".name": "x", "name": "y"}).name == "y"


def test_names_that_are_no_keys_are_warnings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "lost+found").mkdir()
    os.mkfifo(tmp_path / "notify")  # what is no key is not even opened
    names: dict[str, str | bytes] = {
        "tls.crt": b"\xff",
        "db.pasword": "x",
        "db.pool": "{}",
        "labels": "{}",
        "name.x": "",
        "caf\xe9\n": "",
        "'": "",
    }
    loaded(tmp_path, names, label="conf", secret=True)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "conf/'  ': no key, ignored"),
        (logging.WARNING, "conf/café\N{REPLACEMENT CHARACTER}  café\N{REPLACEMENT CHARACTER}: no key, ignored"),
        (logging.WARNING, "conf/db.pasword  db.pasword: no key, ignored; did you mean db.password?"),
        (logging.WARNING, "conf/lost+found  lost+found: no key, ignored"),
        (logging.WARNING, "conf/name.x  name.x: no key, ignored; did you mean name?"),
        (logging.WARNING, "conf/notify  notify: no key, ignored"),
        (logging.WARNING, "conf/tls.crt  tls.crt: no key, ignored"),
    ]


def test_a_name_of_any_bytes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = os.path.join(os.fsencode(folder(tmp_path / "x", {})), b"\xff")
    with open(path, "wb"):
        pass
    loaded(tmp_path / "x", {}, label="conf")
    assert (
        caplog.records[0].getMessage().encode()
        == "conf/\N{REPLACEMENT CHARACTER}  \N{REPLACEMENT CHARACTER}: no key, ignored".encode()
    )


def test_many_names_that_are_no_keys_do_not_flood_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loaded(tmp_path, {f"other{number}": "" for number in range(150)})
    assert len(caplog.records) == 101


class TestProblems:
    def test_a_missing_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(LayerError, match=f"run/secrets  no such folder in {tmp_path}; create it"):
            Settings(layers=[FolderLayer("run/secrets")])
        assert Settings(layers=[FolderLayer("run/secrets", required=False)]) == Settings.from_values()

    def test_a_hint_that_quotes_the_content_is_shown_only_with_it(self, tmp_path: Path) -> None:
        class Numbers(BaseSettings):
            mode: int = 0
            pin: Secret[int] = 0

        for name, secret, hint in [
            ("mode", False, "write 644, or 0o644 if it is octal"),
            ("mode", True, "leave the 0 out, or write 0o if it is octal"),
            ("pin", False, "leave the 0 out, or write 0o if it is octal"),
        ]:
            folder = tmp_path / f"{name}-{secret}"
            folder.mkdir()
            (folder / name).write_text("0644\n")
            with pytest.raises(LayerError) as caught:
                Numbers(layers=[FolderLayer(folder, secret=secret)])
            [problem] = caught.value.problems
            assert (problem.key, problem.hint) == (name, hint)
            assert bool(problem.excerpt) is ("644" in hint)

    @pytest.mark.parametrize("required", [True, False])
    def test_an_empty_folder(self, tmp_path: Path, required: bool) -> None:
        hint = "write one file for each key into it; if it is a mount, check that it is there"
        assert problems(tmp_path, {".hidden": ""}, required=required) == [f"  conf  the folder is empty; {hint}"]

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda path: path.write_text(""), "not a folder but a file"),
            (os.mkfifo, "not a folder but a FIFO"),
            (lambda path: path.symlink_to(path), "not a folder but a loop of symbolic links"),
            (lambda path: path.symlink_to("/dev/null"), "not a folder but a device"),
        ],
    )
    def test_no_folder(self, tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
        make(tmp_path / "x")
        with pytest.raises(LayerError) as caught:
            Settings(layers=[FolderLayer(tmp_path / "x", required=False)])
        assert caught.value.problems[0].message == said

    @pytest.mark.parametrize("path", ["a\0b", "\ud800"])
    def test_no_path(self, path: str) -> None:
        with pytest.raises(LayerError, match="not a path of a folder"):
            Settings(layers=[FolderLayer(path)])

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_folder_that_we_may_not_read(self, tmp_path: Path) -> None:
        folder(tmp_path / "x", {"name": ""}).chmod(0)
        with pytest.raises(LayerError, match="cannot be read: permission denied; let the user"):
            Settings(layers=[FolderLayer(tmp_path / "x")])

    def test_a_folder_that_cannot_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(LayerError, match="cannot be read: permission denied; let the user"):
            Settings(layers=[FolderLayer(tmp_path)])

    def test_all_problems_are_reported_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "hosts").mkdir()
        (tmp_path / "mode").symlink_to("mode")
        (tmp_path / "maybe").symlink_to("nowhere")
        os.mkfifo(tmp_path / "level")
        started = time.monotonic()
        found = problems(
            tmp_path,
            {
                "count": "\n5s\n",
                "debug": "true\nfalse = 1",
                "labels": "{",
                "name": b"a\xff",
                "db": "{}",
                "db.port": "1",
            },
        )
        assert time.monotonic() - started < 1.0
        assert [line.partition(";")[0] for line in found] == [
            "  conf/count:2:1  count: not valid TOML: a number with a unit",
            "       2 | 5s",
            "         | ^",
            "  conf/db.port  db.port: db and db.port set the same key",
            "  conf/debug:1:1  debug: more than one value",
            "       1 | true",
            "         | ^",
            "  conf/hosts  hosts: not a regular file but a directory",
            "  conf/labels:1:2  labels: not valid TOML: the { on line 1 is not closed",
            "       1 | {",
            "         |  ^",
            "  conf/level  level: not a regular file but a FIFO",
            "  conf/maybe  maybe: no such file",
            "  conf/mode  mode: cannot be read: too many levels of symbolic links",
            "  conf/name  name: not UTF-8",
        ]

    def test_two_names_of_one_key(self, tmp_path: Path) -> None:
        assert problems(tmp_path, {"db.host": "a", '"db".host': "b"}) == [
            '  conf/db.host  db.host: "db".host and db.host set the same key; remove one of the two files'
        ]

    def test_values_that_do_not_fit(self, tmp_path: Path) -> None:
        found = problems(tmp_path, {"mode": "of\n", "count": '\n "5"', "workers": "Auto", "hosts": '["a",\n 5]'})
        assert [line.partition(": ")[0] for line in found] == [
            "  conf/count:2:2  count",
            '       2 |  "5"',
            "         |  ^^^",
            "  conf/hosts:2:2  hosts[1]",
            "       2 |  5]",
            "         |  ^",
            "  conf/mode:1:1  mode",
            "       1 | of",
            "         | ^^",
            "  conf/workers:1:1  workers",
            "       1 | Auto",
            "         | ^^^^",
        ]

    def test_nothing_of_a_secret_is_shown(self, tmp_path: Path) -> None:
        for files in ({"pin": "hunter2-4711"}, {"pin": "'hunter2-4711'"}, {"db": "{ password = 'hunter2-4711' x"}):
            assert "hunter2" not in "\n".join(problems(tmp_path, files))
            for name in files:
                (tmp_path / name).unlink()

    def test_nothing_of_a_secret_folder_is_shown(self, tmp_path: Path) -> None:
        for files in ({"count": "hunter2-4711"}, {"count": "'hunter2-4711'"}, {"mode": "hunter2-4711"}):
            assert "hunter2" not in "\n".join(problems(tmp_path, files, secret=True))
            for name in files:
                (tmp_path / name).unlink()

    def test_deep_values(self, tmp_path: Path) -> None:
        (tmp_path / ".".join(["anything"] + ["a"] * 40)).write_text("x")  # deeper than any key may be
        assert loaded(tmp_path, {"name": "x"}).anything is None
        deep = "[" * 40 + "]" * 40
        assert problems(tmp_path, {"hosts": deep})[0].startswith("  conf/hosts:1:33  hosts: nested more than 32 levels")

    def test_a_deep_value_in_a_deep_key(self, tmp_path: Path) -> None:
        class Deep(BaseSettings):
            m: Mapping[str, Mapping[str, Mapping[str, tuple[Any, ...]]]] = {}

        folder(tmp_path, {"m.a.b.c": "[" * 31 + "]" * 31})
        with pytest.raises(LayerError) as caught:
            Deep(layers=[FolderLayer(tmp_path, label="conf")])
        assert str(caught.value.problems[0]) == "conf/m.a.b.c:1:30  nested more than 32 levels deep"


class TestLimits:
    def test_a_thousand_files(self, tmp_path: Path) -> None:
        files = {f"labels.key{number}": f"value {number}\n" for number in range(1000)}
        folder(tmp_path, files)
        started = time.thread_time()
        found = loaded(tmp_path, {})
        assert time.thread_time() - started < 1.5
        assert found.labels == {f"key{number}": f"value {number}" for number in range(1000)}

    def test_the_files_are_limited_together(self, tmp_path: Path) -> None:
        files = {"name": "x" * 2**19, "maybe": "y" * 2**19}
        assert loaded(tmp_path, files).maybe == "y" * 2**19
        assert problems(tmp_path, {"mode": "z"}) == ["  conf  its files have more than 1048576 bytes (1 MiB) together"]

    def test_other_files_are_not_limited(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, {"name": "x", "keystore.jks": "y" * 2**21}).name == "x"

    @pytest.mark.thorough
    def test_names(self, tmp_path: Path) -> None:
        for number in range(MOST_NAMES):
            (tmp_path / f".{number}").touch()
        (tmp_path / "name").touch()
        hint = "name a folder that has only the files of keys"
        assert problems(tmp_path, {}) == [f"  conf  it has more than 5000 names; {hint}"]

    @pytest.mark.parametrize("content", ["\x01", '"', "[", "a.", "{x=", "0", "\n"])
    def test_any_bytes_in_bounded_work(self, tmp_path: Path, content: str) -> None:
        data = (content * 2**20)[: 2**20 - 10]
        for key in ("name", "count", "anything", "db"):
            folder(tmp_path, {key: data})
            started = time.thread_time()
            try:
                loaded(tmp_path, {})
            except (LayerError, InvalidSettings):
                pass
            assert time.thread_time() - started < 1.5
            (tmp_path / key).unlink()

    @pytest.mark.thorough
    def test_many_files_of_many_kinds_in_bounded_work(self, tmp_path: Path) -> None:
        for number in range(2400):
            (tmp_path / f"labels.k{number}").write_text("x" * 400)
            (tmp_path / f"lables.k{number}").write_text("x")
        (tmp_path / "count").write_text("x")
        started = time.thread_time()
        with pytest.raises(LayerError):
            loaded(tmp_path, {})
        assert time.thread_time() - started < 1.5


class TestPlaces:
    def test_origins(self, tmp_path: Path) -> None:
        files = {"db.password": "pw", "db.port": "\n 6\n", "hosts": "['a']", "labels.x": "1", "labels.y": "2"}
        layer = FolderLayer(folder(tmp_path, files), label="/run/secrets", name="secrets")
        result = load_module.load(schema_of(Settings), [layer])
        found = origins(result)
        assert {key: str(found[key]) for key in ("db.password", "db.port", "hosts", "labels", "name")} == {
            "db.password": "/run/secrets/db.password:1:1",
            "db.port": "/run/secrets/db.port:2:2",
            "hosts": "/run/secrets/hosts:1:1",
            "labels": "/run/secrets/labels.x:1:1",
            "name": "default",
        }
        assert found["db.port"].layer == "secrets"
        assert str(explain(result, "db.port")).splitlines()[1] == "  → 6     secrets  /run/secrets/db.port:2:2"
        assert str(explain(result, "db").entries[0].origin) == "/run/secrets/db.password:1:1"

    def test_an_excerpt_is_of_the_file(self, tmp_path: Path) -> None:
        first, *excerpt = problems(tmp_path, {"hosts": "[\n  'a',\n  5,\n]\n", "count": "7"})
        assert first.startswith("  conf/hosts:3:3  hosts[1]: expected str, got int")
        assert excerpt == ["       3 |   5,", "         |   ^"]


class TestVolumes:
    def volume(self, path: Path, number: int, files: Mapping[str, str]) -> None:
        folder(path, {})
        folder(path / f"..{number}", files)
        (path / "..data_tmp").symlink_to(f"..{number}")
        os.replace(path / "..data_tmp", path / "..data")

    def test_only_what_is_behind_the_link_counts(self, tmp_path: Path) -> None:
        self.volume(tmp_path, 1, {"name": "new", "count": "1"})
        (tmp_path / "name").symlink_to("..data/name")
        (tmp_path / "mode").symlink_to("..data/mode")  # a key that is gone; its link is removed a moment later
        found = loaded(tmp_path, {})
        assert (found.name, found.count, found.mode) == ("new", 1, "on")

    def test_two_volumes_are_never_mixed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.volume(tmp_path, 1, {"name": "old", "count": "1"})
        files: list[str] = []

        def swapped(layer: FileLayer) -> bytes | None:
            files.append(layer.label)
            if len(files) == 2:
                self.volume(tmp_path, 2, {"name": "new", "count": "2"})
                for name in ("name", "count"):
                    (tmp_path / "..1" / name).unlink()
            return fetch(layer)

        monkeypatch.setattr(folder_module, "fetch", swapped)
        found = loaded(tmp_path, {})
        assert (found.name, found.count, len(files)) == ("new", 2, 4)

    def test_a_folder_that_never_stands_still(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        files: list[str] = []

        def grown(layer: FileLayer) -> bytes | None:
            files.append(layer.label)
            (tmp_path / f"labels.{len(files)}").write_text("x")
            return fetch(layer)

        monkeypatch.setattr(folder_module, "fetch", grown)
        assert loaded(tmp_path, {"name": "x"}).name == "x"
        assert len(files) == 1 + 2 + 4 + 8 + 16


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(
    lambda text: not text.startswith("\ufeff") and not text.endswith("\r")  # a CR would belong to the line end
)
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=20)
VALUES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXTS,
        "maybe": TEXTS,
        "count": st.integers(-(2**63), 2**63 - 1),
        "ratio": st.floats(allow_nan=False),
        "debug": st.booleans(),
        "since": st.dates(),
        "hosts": st.lists(TEXTS, max_size=3),
        "labels": st.dictionaries(KEYS, TEXTS, min_size=1, max_size=3),
        "anything": TEXTS,
        "workers": st.sampled_from(["auto", 3]),
        "db": st.fixed_dictionaries(
            {"port": st.integers(0, 9)},
            optional={"host": TEXTS, "pool": st.dictionaries(KEYS, st.integers(0, 9), min_size=1, max_size=2)},
        ),
    },
)


def files_of(values: Mapping[str, Any], rng: Any, above: tuple[str, ...] = ()) -> dict[str, str]:
    files: dict[str, str] = {}
    for key, value in values.items():
        name = dotted((*above, key))
        if isinstance(value, dict) and len(name.encode()) < 100 and rng.random() < 0.8:
            files |= files_of(value, rng, (*above, key))
        elif isinstance(value, str):
            files[name] = f"{value}\n"
        else:
            files[name] = f"{toml(value)}\n"
    return files


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=VALUES, rng=st.randoms(use_true_random=False))
def test_a_folder_says_what_a_file_says(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any], rng: Any
) -> None:
    path = tmp_path_factory.mktemp("folder")
    files = files_of(values, rng)
    if any(len(name.encode()) > 250 for name in files):
        return
    (path / "config.toml").write_bytes("".join(f"{key} = {toml(value)}\n" for key, value in values.items()).encode())
    folder(path / "folder", {"mode": "on", **files})
    assert Settings(layers=[FolderLayer(path / "folder")]) == Settings(layers=[FileLayer(path / "config.toml")])


def test_what_a_layer_shows(tmp_path: Path) -> None:
    layer = FolderLayer(tmp_path / "secrets", secret=True)
    assert (layer.name, layer.path, layer.label) == ("secrets", str(tmp_path / "secrets"), str(tmp_path / "secrets"))
    assert FolderLayer(f"{tmp_path}/secrets/").name == "secrets"
    assert FolderLayer("/").name == "/"
    for each in (layer, FileLayer("x")):
        shown = [name for name in dir(each) if not name.startswith("_")]
        assert shown == ["label", "name", "path", "required", "secret"]
        assert type(each).__module__ == "hotsettings"


class Limited(BaseSettings):
    key: Annotated[str, Meta(min_length=8)] = "long enough"


def test_a_string_that_is_too_short_is_not_taken_for_toml(tmp_path: Path) -> None:
    folder(tmp_path, {"key": "12\n"})
    with pytest.raises(InvalidSettings, match=r"key: expected str of length >= 8"):
        Limited(layers=[FolderLayer(tmp_path)])


def test_a_key_above_another_one_by_an_escaped_name(tmp_path: Path) -> None:
    files = {'labels."a.b.c"': "x", '"labels"."a\\u002eb\\u002ec"': "y"}
    with pytest.raises(LayerError, match="set the same key"):
        loaded(tmp_path, files)
    files = {'anything."a.b.c"': "x", 'anything."a\\u002eb\\u002ec".d': "y"}
    with pytest.raises(LayerError, match="set the same key"):
        loaded(tmp_path / "other", files)
