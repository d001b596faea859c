"""Explanations are true: what is said to win is live, and it stands where it is said to stand."""

import math
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

import msgspec
import pytest
import toml_rs
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, defstruct
from support.examples import examples
from support.toml_texts import documents

from hotsettings import BaseSettings, Origin, RestartRequired, Secret
from hotsettings._layers import layer as layers
from hotsettings._layers.file import FileLayer
from hotsettings._layers.layer import Document, parse
from hotsettings._layers.toml.keys import ABSENT, Path, Values, dotted, follow
from hotsettings._live.reload.restart import keep_first
from hotsettings._live.statistics import describe
from hotsettings._loading.explain import (
    Entry,
    Explanation,
    UnknownKey,
    effective,
    explain,
    known_path,
    origins,
    parse_key,
    set_by_secrets,
)
from hotsettings._loading.load import Loaded, assemble, documents_or_error
from hotsettings._loading.merge import merge
from hotsettings._schema.masking import HIDDEN
from hotsettings._schema.schema import as_values, schema_of
from hotsettings._schema.shape import Shape, masked
from hotsettings.errors import DEFAULT, KEPT, PROGRAM, SettingsError

LAYERS = (
    FileLayer("c", name="base", label="config.toml"),
    FileLayer("s", name="secrets", label="secrets.toml", required=False, secret=True),
    FileLayer("o", name="override", label="override.toml"),
)


def loaded(cls: type[Any], config: str = "", secrets: str | None = None, override: str | None = None) -> Loaded:
    """As if from files."""
    stack = documents_or_error(
        schema_of(cls),
        [
            Document(layer, "", {}, missing=True) if text is None else parse(layer, text.encode())
            for layer, text in zip(LAYERS, (config, secrets, override), strict=True)
        ],
    )
    return assemble(schema_of(cls), stack)


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # NaN is NaN, and 1 is not True


# --- Random stacks, and a class for each


def struct_for(values: Values, rng: Any, settings: bool) -> Any:
    """A class that takes these values: each table becomes a Struct or a Mapping, anything else is Any."""
    fields: list[tuple[str, Any]] = []
    renamed: dict[str, str] = {}
    for number, (key, value) in enumerate(values.items()):
        kind: Any = Any
        if isinstance(value, dict):
            kind = Mapping[str, Any]
            if value and can_be_fields(value) and rng.random() < 0.6:
                kind = struct_for(value, rng, settings=False)
        name = f"field_{number}"
        renamed[name] = key
        fields.append((name, kind))
    if settings:
        namespace = {"__annotations__": dict(fields), "__module__": __name__}
        metaclass: Any = type(BaseSettings)
        return metaclass("Made", (BaseSettings,), namespace, rename=renamed)
    return defstruct("Nested", fields, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=renamed)


def can_be_fields(values: Values) -> bool:
    """Whether msgspec takes these keys as names of fields."""
    return all(key.isprintable() and not set(key) & set('"\\') for key in values)


def everything(values: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All values that a dotted key can name: those in tables."""
    for key, value in values.items():
        yield (*path, key), value
        if isinstance(value, dict):
            yield from everything(value, (*path, key))


def at(text: str, origin: Origin) -> int:
    """The offset of a place, found in a way of its own."""
    assert origin.line is not None
    assert origin.column is not None
    lines = text.split("\n")
    assert origin.line <= len(lines)
    assert origin.column <= len(lines[origin.line - 1]) + 1
    return sum(len(line) + 1 for line in lines[: origin.line - 1]) + origin.column - 1


def value_at(text: str, offset: int) -> Any:
    """The value whose text begins here: the longest that can be read."""
    found = ABSENT
    for end in range(offset + 1, len(text) + 1):
        try:
            elements = toml_rs.loads(f"x = [{text[offset:end]}\n]")["x"]
        except toml_rs.TOMLDecodeError:
            continue
        if len(elements) == 1:
            found = elements[0]
    return found


def stands_there(text: str, origin: Origin, key: str | int, value: Any) -> None:
    """Reading the text at the origin gives the value; for a table or array under a header, it gives the key."""
    text = text.removeprefix("\ufeff")
    offset = at(text, origin)
    if isinstance(value, dict | list) and text[offset] not in "[{":
        part = next(
            name
            for end in range(offset + 1, len(text) + 1)
            if (name := key_at(text[offset:end])) is not None and (end == len(text) or text[end] in " \t.]=")
        )
        assert part == key
    else:
        assert same(value_at(text, offset), value)


def key_at(written: str) -> str | None:
    try:
        values = toml_rs.loads(f"{written} = 0")
    except toml_rs.TOMLDecodeError:
        return None
    (name,) = values
    return None if values[name] != 0 else str(name)


@pytest.mark.toml_rs
@examples(150)
@given(st.lists(documents(), min_size=1, max_size=3), st.permutations(LAYERS), st.randoms(use_true_random=False))
def test_the_winner_is_live_and_stands_where_it_is_said_to_stand(
    texts: list[str], order: list[FileLayer], rng: Any
) -> None:
    stack = []
    for layer, text in zip(order, texts, strict=False):
        document = parse(layer, text.encode())
        assert isinstance(document, Document)
        kept = {key: value for key, value in document.values.items() if can_be_fields({key: value})}
        stack.append(Document(layer, document.text, kept))
    merged = merge(document.values for document in stack)
    cls = struct_for(merged, rng, settings=True)
    it = assemble(schema_of(cls), stack)
    found = origins(it)
    shown = {setting.key: setting for setting in effective(it)}
    assert found.keys() == {leaf.key for leaf in it.schema.leaves} | {setting.key for setting in shown.values()}

    for path, value in everything(merged):
        explanation = explain(it, dotted(path)) if len(dotted(path)) < 200 else None
        if explanation is None:
            continue
        assert explanation.key == dotted(path)
        assert explanation.kept is None
        winner = explanation.winner
        assert winner.live
        document = next(document for document in stack if document.layer.name == winner.origin.layer)
        assert winner.origin.file == document.layer.label
        written = follow(document.values, path)
        assert same(winner.value, masked(Shape(Any), written, document.layer.secret))
        if not isinstance(value, dict):
            assert same(written, value)
            assert [entry.live for entry in explanation.entries] == [True] + [False] * (len(explanation.entries) - 1)
        stands_there(document.text, winner.origin, path[-1], written)
        for entry in explanation.entries:
            said = next(document for document in stack if document.layer.name == entry.origin.layer)
            stands_there(said.text, entry.origin, path[-1], follow(said.values, path))

        leaf = it.schema.leaf_of(path)
        if leaf is not None:
            live = follow(as_values(leaf.value_in(it.settings)), path[len(leaf.path) :])
            assert same_values(live, value)
            if leaf.path == path:
                assert found[leaf.key] == winner.origin
            if (setting := shown.get(dotted(path))) is not None:
                hidden = set_by_secrets(it, path)
                assert setting.value is HIDDEN if hidden else same_values(setting.value, value)
                if not any(isinstance(part, int) for part in path):
                    assert setting.origin == winner.origin


def same_values(one: Any, other: Any) -> bool:
    """Alike but for the order of keys, which merging and the class may change."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_values(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same_values, one, other))
    return same(one, other)


# --- One class, by hand


class Pool(Struct, frozen=True, forbid_unknown_fields=True):
    size: int = 5
    wait: float = 1.0


class Database(Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "localhost"
    password: Secret[str] = "unsafe"
    pool: Pool = Pool(size=7)


class Settings(BaseSettings):
    level: str = "INFO"
    port: RestartRequired[int] = 80
    tags: tuple[str, ...] = ("a",)
    db: Database = Database(host="default", pool=Pool(size=9))
    replica: Database | None = None
    limits: RestartRequired[Mapping[str, int]] = {"cpu": 1, "memory": 2}  # noqa: RUF012
    pools: Mapping[str, Pool] = {}
    anything: Mapping[str, Any] = {}
    token: Secret[str | None] = None
    keys: Secret[Mapping[str, str]] = {}  # noqa: RUF012


class Nameless(Struct, frozen=True):
    host: str
    port: int = 1
    user: str | None = None


class Bare(Struct, frozen=True):
    a: int


UNDER_DB = {"host": "default", "password": HIDDEN, "pool": {"size": 9, "wait": 1.0}}


def entries(it: Loaded, key: str) -> list[tuple[Any, str, bool]]:
    return [(entry.value, str(entry.origin), entry.live) for entry in explain(it, key).entries]


class TestExplain:
    def test_every_layer_and_the_default(self) -> None:
        it = loaded(Settings, "level = 'DEBUG'", "\nlevel = 'x'", "level = 'ERROR'")
        assert entries(it, "level") == [
            ("ERROR", "override.toml:1:9", True),
            (HIDDEN, "secrets.toml:2:9", False),
            ("DEBUG", "config.toml:1:9", False),
            ("INFO", "default", False),
        ]

    def test_default_alone(self) -> None:
        assert entries(loaded(Settings), "level") == [("INFO", "default", True)]
        assert entries(loaded(Settings), "token") == [(None, "default", True)]
        assert entries(loaded(Settings), "tags") == [(["a"], "default", True)]

    def test_required(self) -> None:
        class Strict(BaseSettings):
            level: str

        assert entries(loaded(Strict, "level = ''"), "level") == [("", "config.toml:1:9", True)]

    def test_values_in_code(self) -> None:
        document = layers.in_memory({"level": "DEBUG"})
        it = assemble(schema_of(Settings), [document])
        assert explain(it, "level").winner == Entry("DEBUG", PROGRAM, True)
        assert origins(it)["level"] == PROGRAM

    @pytest.mark.parametrize(
        ("config", "override", "key", "expected"),
        [
            # The default of a table lies under what layers write. A table without one has the defaults of its fields.
            ("", None, "db.host", ("default", "default", True)),
            ("", None, "db.pool.size", (9, "default", True)),
            ("db.password = 'x'", None, "db.host", ("default", "default", True)),
            ("db.password = 'x'", None, "db.pool.size", (9, "default", True)),
            ("db.pool.wait = 2", None, "db.pool.size", (9, "default", True)),
            ("[db.pool]", None, "db.pool.size", (9, "default", True)),
            ("db = {}", None, "db.pool.size", (9, "default", True)),
            ("", "[db.pool]", "db.pool.size", (9, "default", True)),
            ("", None, "replica.host", (None, "default", True)),
            ("[replica]", None, "replica.host", ("localhost", "default", True)),
            ("[replica]", None, "replica.pool.size", (7, "default", True)),
            ("replica.pool.wait = 3", None, "replica.pool.size", (7, "default", True)),
            ("", None, "limits.cpu", (1, "default", True)),
        ],
    )
    def test_which_default_is_live(
        self, config: str, override: str | None, key: str, expected: tuple[Any, ...]
    ) -> None:
        it = loaded(Settings, config, None, override)
        assert entries(it, key)[0] == expected
        value: Any = as_values(it.settings)
        for part in key.split("."):
            value = None if value is None else value[part]
        assert value == expected[0]

    def test_a_default_that_is_not_live(self) -> None:
        it = loaded(Settings, "db.host = 'h'\nlimits.disk = 3")
        assert entries(it, "db.host") == [("h", "config.toml:1:11", True), ("default", "default", False)]
        assert entries(it, "limits") == [
            ({"disk": 3}, "config.toml:2:1", True),
            ({"cpu": 1, "memory": 2}, "default", False),
        ]
        assert entries(it, "limits.cpu") == [(1, "default", False)]

    def test_tables_are_merged_so_several_are_live(self) -> None:
        it = loaded(Settings, "[limits]\ncpu = 1\nmemory = 2", None, "limits.cpu = 4")
        assert entries(it, "limits")[:2] == [
            ({"cpu": 4}, "override.toml:1:1", True),
            ({"cpu": 1, "memory": 2}, "config.toml:1:2", True),
        ]
        assert entries(it, "limits.memory")[0] == (2, "config.toml:3:10", True)

    def test_a_table_of_leaves(self) -> None:
        it = loaded(Settings, "[db]\nhost = 'h'\npassword = 'p'\n[db.pool]\nsize = 1")
        assert entries(it, "db") == [
            ({"host": "h", "password": HIDDEN, "pool": {"size": 1}}, "config.toml:1:2", True),
            (UNDER_DB, "default", True),
        ]
        assert entries(it, "db.pool") == [({"size": 1}, "config.toml:4:5", True), (UNDER_DB["pool"], "default", True)]

    def test_a_table_of_leaves_without_a_default(self) -> None:
        class NoDefault(BaseSettings):
            db: Nameless
            other: Nameless | None = None
            bare: Bare | None = None

        it = loaded(NoDefault, "[db]\nhost = 'h'\n[other]\nhost = 'o'\n[bare]\na = 1")
        assert entries(it, "db") == [({"host": "h"}, "config.toml:1:2", True), ({"port": 1}, "default", True)]
        assert entries(it, "other") == [({"host": "o"}, "config.toml:3:2", True), ({"port": 1}, "default", True)]
        assert entries(it, "bare") == [({"a": 1}, "config.toml:5:2", True)]

    def test_something_else_in_the_place_of_a_table(self) -> None:
        """It would not fit, but a layer above has replaced it. It could hold a secret all the same."""
        it = loaded(Settings, "db = [{password = 'p'}]\nreplica = 5\n", None, "db = {}\nreplica = {}")
        assert entries(it, "db")[:-1] == [({}, "override.toml:1:6", True), (HIDDEN, "config.toml:1:6", False)]
        assert entries(it, "replica")[:-1] == [({}, "override.toml:2:11", True), (HIDDEN, "config.toml:2:11", False)]
        assert entries(it, "db.host") == [("default", "default", True)]

    def test_inside_a_mapping(self) -> None:
        it = loaded(Settings, "[pools.'a.b']\nsize = 3\n[anything]\nx.y = [{z = 1}]")
        assert entries(it, 'pools."a.b".size') == [(3, "config.toml:2:8", True)]
        assert entries(it, " pools . 'a.b'.size ") == [(3, "config.toml:2:8", True)]
        assert entries(it, "pools.'a.b'") == [({"size": 3}, "config.toml:1:8", True)]
        assert entries(it, "anything.x.y") == [([{"z": 1}], "config.toml:4:7", True)]

    @pytest.mark.parametrize("key", ["pools.x", "pools.x.size", "anything.x.y", "limits.disk"])
    def test_inside_a_mapping_but_not_set(self, key: str) -> None:
        with pytest.raises(KeyError, match="no layer sets it"):
            explain(loaded(Settings, "anything.x = 1"), key)

    def test_a_table_that_nobody_writes(self) -> None:
        it = loaded(Settings, "db.host = 'h'")
        assert entries(it, "db") == [({"host": "h"}, "config.toml:1:1", True), (UNDER_DB, "default", True)]
        assert entries(it, "db.pool") == [({"size": 9, "wait": 1.0}, "default", True)]
        assert entries(loaded(Settings), "db") == [(UNDER_DB, "default", True)]
        assert entries(it, "replica") == [(None, "default", True)]
        assert entries(it, "replica.pool") == [(None, "default", True)]

    @pytest.mark.parametrize(
        ("key", "near"),
        [
            ("levle", "level"),
            ("LEVEL", "level"),
            ("db.hots", "db.host"),
            ("level.x", "level"),
            ("db.host.x", "db.host"),
            ("limits.cpu.x", None),
            ("pools.x.sice", None),
            ("pools.x.size.y", None),
            ("nothing-like-it", None),
            *(
                (key, None)
                for key in ("", ".", "db.", ".db", "a b", "[db]", "db = 1", "port = 7013951 #", "'", "x" * 2000)
            ),
            *(
                (key, None)
                for key in ("a\nb", "a = [[", "\ud800", "{", "a = {b = 7013951, c", "#", "level #", "level\n")
            ),
        ],
    )
    def test_unknown_keys(self, key: str, near: str | None) -> None:
        with pytest.raises(UnknownKey, match=r"^Settings has no key ") as caught:
            explain(loaded(Settings), key)
        assert str(caught.value).startswith(f"Settings has no key {key}")
        if near is not None:
            assert caught.value.near == near
            assert str(caught.value).endswith(f"; did you mean {near}?")

    @pytest.mark.parametrize("key", ["=", "a=b", "#", ' "\\', "é", "", "x\ty", "7013951"])
    def test_quoted_keys(self, key: str) -> None:
        quoted = dotted(("anything", key))
        assert parse_key(quoted) == ("anything", key)
        it = loaded(Settings, f"{quoted} = 1")
        assert [entry.value for entry in explain(it, quoted).entries] == [1]

    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), min_size=1, max_size=4))
    def test_reads_what_is_written(self, parts: list[str]) -> None:
        assert parse_key(dotted(tuple(parts))) == tuple(parts)

    @pytest.mark.parametrize(
        "key", ["a." * 499, "a = " + "[" * 900, "a = " + "{a = " * 150, ".".join("a" * 400), "a = " + "1" * 990]
    )
    def test_a_hostile_key_is_refused(self, key: str) -> None:
        """On a stack as small as that of any thread."""
        refused: list[bool] = []

        def refusing() -> None:
            with pytest.raises(ValueError, match="has no key"):
                known_path(schema_of(Settings), key)
            refused.append(True)

        before = threading.stack_size(512 * 1024)
        try:
            thread = threading.Thread(target=refusing)
            thread.start()
        finally:
            threading.stack_size(before)
        thread.join()
        assert refused == [True]

    def test_where_a_layer_of_no_text_says_something(self) -> None:
        """Such as one whose text cannot be walked: then the file is named, if not the place."""
        it = loaded(Settings, "port = 1")
        [base, *others] = it.documents
        blind = Document(base.layer, "", base.values)
        it = Loaded(it.schema, (blind, *others), it.settings)
        assert explain(it, "port").winner.origin == Origin("base", "config.toml")


class TestTagged:
    def test_the_tag_is_a_key_too(self) -> None:
        class Shape(Struct, frozen=True, tag="round", tag_field="kind"):
            radius: int

        class Shapes(BaseSettings):
            shapes: Mapping[str, Shape]

        it = loaded(Shapes, "[shapes.a]\nkind = 'round'\nradius = 1")
        assert entries(it, "shapes.a.kind") == [("round", "config.toml:2:8", True)]
        for key in ("shapes.a.kind.x", "shapes.a.other"):
            with pytest.raises(ValueError, match="has no key"):
                explain(it, key)

    def test_alternatives(self) -> None:
        class Either(BaseSettings):
            this: Mapping[str, int] | str | None = None
            bare: Mapping = {}  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument]

        it = loaded(Either, "this.a = 1\nbare.b.c = 2")
        assert entries(it, "this.a") == [(1, "config.toml:1:10", True)]
        assert entries(it, "bare.b.c") == [(2, "config.toml:2:12", True)]
        with pytest.raises(ValueError, match="has no key"):
            explain(it, "this.a.b")


SECRETS = """
token = "t0ken-value"
keys.a = "k3y-value"
db.password = "pa55word"
level = "l3vel-value"
limits.cpu = 31337
"""


class TestSecrecy:
    def test_explanations(self) -> None:
        it = loaded(Settings, "keys.b = 'k3y-two'\ndb.host = 'h'", SECRETS, "token = 't0ken-two'")
        for key in ("token", "keys", "keys.a", "keys.b", "db", "db.password", "level", "limits", "limits.cpu"):
            shown = f"{explain(it, key)}\n{explain(it, key)!r}"
            assert all(word not in shown for word in ("-value", "two", "55", "31337"))
            assert "********" in shown

    def test_defaults(self) -> None:
        it = loaded(Settings)
        assert entries(it, "db.password") == [(HIDDEN, "default", True)]
        assert "unsafe" not in repr([*effective(it), explain(it, "db.password")])

    def test_effective(self) -> None:
        it = loaded(Settings, "level = 'DEBUG'\nport = 1", SECRETS, "level = 'ERROR'")
        shown = {setting.leaf.key: setting.value for setting in effective(it)}
        hidden = {"token", "keys", "db.password", "level", "limits"}
        assert {key for key, value in shown.items() if value is HIDDEN} == hidden
        assert shown["port"] == 1

    def test_an_absent_secret_is_shown_as_absent(self) -> None:
        it = loaded(Settings)
        assert {s.leaf.key: s.value for s in effective(it)}["token"] is None


class TestOrigins:
    def test_in_the_order_of_the_class(self) -> None:
        it = loaded(Settings, "port = 1\n[limits]\ncpu = 1", None, "[limits]\nmemory = 1\n[db]\npool.size = 1")
        found = origins(it)
        assert {key: str(origin) for key, origin in found.items() if origin != DEFAULT} == {
            "port": "config.toml:1:8",
            "limits": "override.toml:1:2",
            "limits.cpu": "config.toml:3:7",
            "limits.memory": "override.toml:2:10",
            "db.pool.size": "override.toml:4:13",
        }
        shown = [(s.key, s.origin) for s in effective(it)]
        assert set(shown) == {(key, origin) for key, origin in found.items() if key != "limits"}


class TestPending:
    def test_what_is_kept_is_live(self) -> None:
        first = loaded(Settings, "port = 1\nlevel = 'a'")
        it = keep_first(first, loaded(Settings, "port = 2\nlevel = 'b'"))
        explanation = explain(it, "port")
        assert [(entry.value, entry.live) for entry in explanation.entries] == [(2, False), (80, False)]
        assert explanation.winner.origin == Origin("base", "config.toml", 1, 8)
        assert explanation.kept == Entry(1, KEPT, live=True)
        assert str(explanation) == (
            "port\n    2   base                    config.toml:1:8\n    80  default\n  → 1   live until the restart"
        )
        assert explain(it, "level").kept is None
        assert origins(it)["port"] == KEPT
        assert origins(it)["level"] == Origin("base", "config.toml", 2, 9)
        assert {s.leaf.key: s.value for s in effective(it)}["port"] == 1

    def test_a_default_is_kept(self) -> None:
        it = keep_first(loaded(Settings), loaded(Settings, "port = 2"))
        assert explain(it, "port").kept == Entry(80, KEPT, live=True)

    def test_inside_a_mapping(self) -> None:
        first = loaded(Settings, "limits = {cpu = 1, disk = 5}")
        it = keep_first(first, loaded(Settings, "limits = {cpu = 2, memory = 3}"))
        assert explain(it, "limits").kept == Entry({"cpu": 1, "disk": 5}, KEPT, live=True)
        assert explain(it, "limits.cpu").kept == Entry(1, KEPT, live=True)
        explanation = explain(it, "limits.memory")
        assert explanation.kept is None
        assert not any(entry.live for entry in explanation.entries)
        assert explain(it, "limits.memory").winner.value == 3

    def test_what_the_secrets_file_says_is_hidden(self) -> None:
        it = keep_first(loaded(Settings, "", "port = 4711"), loaded(Settings, "", "port = 4712"))
        assert explain(it, "port").kept == Entry(HIDDEN, KEPT, live=True)
        assert "471" not in str(explain(it, "port"))
        assert "471" not in repr(effective(it))


class TestPrinting:
    def test_a_table(self) -> None:
        it = loaded(Settings, "tags = ['x']", None, "tags = ['yy', \"z'\"]")
        assert str(explain(it, "tags")) == (
            "tags\n"
            """  → ["yy", "z'"]  override  override.toml:1:8\n"""
            """    ["x"]         base      config.toml:1:8\n"""
            """    ["a"]         default"""
        )

    def test_one_line_for_each_entry(self) -> None:
        it = loaded(Settings, "anything = {a = '''x\ny''', b = nan, c = 1979-05-27}")
        lines = str(explain(it, "anything")).splitlines()
        assert lines[1] == '  → { a = "x\\ny", b = nan, c = 1979-05-27 }  base     config.toml:1:12'
        assert lines[2:] == ["    {}                                       default"]

    def test_winner(self) -> None:
        entry = Entry(1, DEFAULT, True)
        assert Explanation("x", (entry,)).winner is entry


def test_errors_of_loading_are_not_explained_away() -> None:
    with pytest.raises(SettingsError):
        loaded(Settings, "port = 'x'")


def test_values_of_all_kinds() -> None:
    it = loaded(Settings, "anything = {a = inf, b = 07:32:00, c = [[], {}], d = 1e3}")
    assert explain(it, "anything.a").winner.value == math.inf
    assert msgspec.json.encode(explain(it, "anything.b").winner.value) == b'"07:32:00"'
    assert explain(it, "anything.c").winner.value == [[], {}]


def test_integers_keep_their_base() -> None:
    it = loaded(Settings, "port = 0x1F_90\nanything = {a = [0o17, 15, 'x'], b = true}", override="anything.c = 0b1")
    assert "→ 0x1F_90  base" in str(explain(it, "port"))
    assert explain(it, "port").winner.value == 8080
    assert "→ { c = 0b1 }" in str(explain(it, "anything"))
    described = {each.key: each.value for each in describe(it)}
    assert described["port"] == "0x1F_90"
    assert described["anything.b"] == "true"
    assert described["anything.a"] == '[0o17, 0o17, "x"]', "of equal elements of an array, one notation counts"


@pytest.mark.parametrize("name", ["config.toml", "a folder/config.toml"])
def test_from_files(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Origins name the path as the caller wrote it."""
    from hotsettings._layers.default_layers import file_layers
    from hotsettings._loading.load import load

    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"\xef\xbb\xbflevel = '\xc3\xa9'\r\nport = 1\r\n")
    it = load(schema_of(Settings), file_layers(name, None, None))
    assert str(explain(it, "port").winner.origin) == f"{name}:2:8"
    assert str(explain(it, "level").winner.origin) == f"{name}:1:9"
