"""Loading: held against a plain implementation on tomllib, with no more work than needed, and all errors at once."""

import datetime
import json
import logging
import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from support.examples import examples
from support.three_files import Files

from hotsettings import BaseSettings, InvalidSettings, LayerError, Secret
from hotsettings._layers import layer as layers_module
from hotsettings._layers.toml import positions as positions_module
from hotsettings._loading import problems as problems_module
from hotsettings._loading.load import load, read_all, validated
from hotsettings._loading.prepare import Prepared
from hotsettings._schema.schema import schema_of
from hotsettings.errors import SHOWN_PROBLEMS


class Pool(Struct, frozen=True, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=0)] = 5
    timeout: float = 1.5
    tags: frozenset[str] = frozenset()


class Database(Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "localhost"
    pool: Pool = Pool(size=7)
    replica: Pool | None = None


class Sample(BaseSettings):
    name: str = "unnamed"
    port: int = 80
    ratio: float = 0.5
    debug: bool = False
    since: datetime.date = datetime.date(2000, 1, 1)
    at: datetime.datetime | None = None
    hosts: tuple[str, ...] = ("a", "b")
    matrix: tuple[tuple[int, ...], ...] = ()
    labels: Mapping[str, str] = {"x": "y"}
    pools: Mapping[str, Pool] = {}
    anything: Mapping[str, Any] = {}
    database: Database = Database(host="default")
    token: Secret[str | None] = None
    renamed: int = msgspec.field(name="re-named key", default=3)


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6)
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, width=64)
zones: st.SearchStrategy[datetime.tzinfo | None] = st.sampled_from([None, datetime.UTC])
moments = st.datetimes(timezones=zones)
plain = st.recursive(
    st.booleans() | integers | floats | words | st.dates() | moments,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
pool = st.fixed_dictionaries(
    {}, optional={"size": st.integers(0, 9), "timeout": floats | st.integers(0, 9), "tags": st.lists(words, max_size=3)}
)
database = st.fixed_dictionaries({}, optional={"host": words, "pool": pool, "replica": pool})
layer = st.fixed_dictionaries(
    {},
    optional={
        "name": words,
        "port": integers,
        "ratio": floats | st.integers(-9, 9),
        "debug": st.booleans(),
        "since": st.dates(),
        "at": moments,
        "hosts": st.lists(words, max_size=3),
        "matrix": st.lists(st.lists(integers, max_size=3), max_size=3),
        "labels": st.dictionaries(words, words, max_size=3),
        "pools": st.dictionaries(words, pool, max_size=3),
        "anything": st.dictionaries(words, plain, max_size=3),
        "database": database,
        "token": words,
        "re-named key": integers,
    },
)


def written(values: dict[str, Any], rng: Any, path: tuple[str, ...] = ()) -> str:
    """TOML 1.0, each table as a header, inline or by dotted keys."""
    lines, below = [], []
    for key, value in values.items():
        if isinstance(value, dict) and rng.random() < 0.5:
            below.append(f"[{'.'.join(map(json_string, (*path, key)))}]\n{written(value, rng, (*path, key))}")
        elif isinstance(value, dict) and value and rng.random() < 0.5:
            lines += [f"{json_string(key)}.{json_string(inner)} = {inline(item)}" for inner, item in value.items()]
        else:
            lines.append(f"{json_string(key)} = {inline(value)}")
    return "\n".join([*lines, *below])


def json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def inline(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json_string(value)
        case datetime.date():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(inline, value))}]"
        case dict():
            return f"{{{', '.join(f'{json_string(key)} = {inline(item)}' for key, item in value.items())}}}"
        case float():
            return "inf" if value == math.inf else "-inf" if value == -math.inf else repr(value)
        case _:
            return str(value)


def combined(*layers: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for values in layers:
        for key, value in values.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = combined(result[key], value) if both else value
    return result


def expected(values: dict[str, Any]) -> dict[str, Any]:
    """What the fields of Sample must be, worked out by hand."""

    def a_pool(given: dict[str, Any]) -> Pool:
        about: dict[str, Any] = {"size": 5, "timeout": 1.5, "tags": []} | given
        return Pool(size=about["size"], timeout=float(about["timeout"]), tags=frozenset(about["tags"]))

    def a_database(given: dict[str, Any]) -> Database:
        return Database(  # over the default of the field
            host=given.get("host", "default"),
            pool=a_pool({"size": 7, **given.get("pool", {})}),
            replica=a_pool(given["replica"]) if "replica" in given else None,
        )

    def still(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: still(item) for key, item in value.items()}
        return tuple(map(still, value)) if isinstance(value, list) else value

    return {
        "name": values.get("name", "unnamed"),
        "port": values.get("port", 80),
        "ratio": float(values.get("ratio", 0.5)),
        "debug": values.get("debug", False),
        "since": values.get("since", datetime.date(2000, 1, 1)),
        "at": values.get("at"),
        "hosts": tuple(values.get("hosts", ["a", "b"])),
        "matrix": tuple(map(tuple, values.get("matrix", []))),
        "labels": values.get("labels", {"x": "y"}),
        "pools": {key: a_pool(value) for key, value in values.get("pools", {}).items()},
        "anything": still(values.get("anything", {})),
        "database": a_database(values["database"]) if "database" in values else Database(host="default"),
        "token": values.get("token"),
        "renamed": values.get("re-named key", 3),
    }


def exactly(value: Any) -> Any:
    """With types, since 1 == 1.0 == True, and without the order of keys."""
    if isinstance(value, Mapping):
        return {key: exactly(item) for key, item in value.items()}
    return tuple(map(exactly, value)) if isinstance(value, tuple) else (type(value), repr(value))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture(scope="module")
def module_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("layers"))


@examples(300)
@given(stack=st.tuples(layer, layer, layer), rng=st.randoms(use_true_random=False), without_secrets=st.booleans())
def test_every_field_is_what_a_plain_implementation_says(
    module_files: Files, stack: tuple[dict[str, Any], ...], rng: Any, without_secrets: bool
) -> None:
    texts = [written(values, rng) for values in stack]
    module_files.write(texts[0], None if without_secrets else texts[1], texts[2])
    read = [tomllib.loads(text) for text in texts]
    if without_secrets:
        read[1] = {}
    config, secrets, override = module_files.paths
    loaded = Sample(config, secrets_path=None if without_secrets else secrets, override_path=override)
    assert {name: exactly(getattr(loaded, name)) for name in loaded.__struct_fields__} == {
        name: exactly(value) for name, value in expected(combined(*read)).items()
    }


def test_precedence(files: Files) -> None:
    files.write("port = 1\nname = 'base'\nratio = 1", "port = 2\nname = 'secrets'", "port = 3")
    loaded = load(schema_of(Sample), files.layers)
    assert (loaded.settings.port, loaded.settings.name, loaded.settings.ratio) == (3, "secrets", 1.0)
    assert [document.values["port"] for document in loaded.documents] == [1, 2, 3]
    assert loaded.schema is schema_of(Sample)
    assert loaded.pending == frozenset()


def test_nothing_from_the_environment(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("")
    for name in Sample.__struct_fields__:
        for variable in (name, name.upper(), f"SAMPLE_{name.upper()}"):
            monkeypatch.setenv(variable, "7")
    (files.paths[0].parent / ".env").write_text("PORT=7\nport=7\n")
    monkeypatch.chdir(files.paths[0].parent)
    assert Sample() == Sample.from_values()


class TestNoMoreWorkThanNeeded:
    def test_happy_path_works_out_no_positions(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        def never(*_: object) -> Any:
            raise AssertionError("not needed")

        files.write("port = 1\n[pools.a]\nsize = 1", "token = 'x'", "[database]\nhost = 'h'")
        for module in (layers_module, positions_module, problems_module):
            for name in ("places", "line_column", "problems_in", "excerpt"):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, never)
        assert load(schema_of(Sample), files.layers).settings.port == 1

    def test_a_missing_secrets_file_is_looked_for_once(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        files.write("port = 1", None, "")
        opened: list[str] = []
        real = os.open

        def opening(path: str, *rest: Any) -> int:
            opened.append(path)
            return real(path, *rest)

        monkeypatch.setattr(os, "open", opening)
        load(schema_of(Sample), files.layers)
        assert opened == list(map(str, files.paths))


class TestErrors:
    def test_all_bad_layers_are_reported_at_once(self, files: Files) -> None:
        files.write("port = \n", "\xff".encode("latin-1"), None)
        with pytest.raises(LayerError) as caught:
            load(schema_of(Sample), files.layers)
        assert [(problem.origin.layer, problem.message.partition(":")[0]) for problem in caught.value.problems] == [
            ("base", "not valid TOML"),
            ("override", "no such file"),
            ("secrets", "not UTF-8"),
        ]
        assert caught.value.__context__ is None
        assert str(caught.value).startswith("Unreadable settings: 3 problems\n  ")
        assert caught.value.origin.layer == "base"

    def test_good_layers_do_not_hide_a_bad_one(self, files: Files) -> None:
        files.write("port = 1", "token = 1 2", "name = 1")
        with pytest.raises(LayerError) as caught:
            read_all(schema_of(Sample), files.layers)
        assert [problem.origin.layer for problem in caught.value.problems] == ["secrets"]

    def test_what_does_not_fit(self, files: Files) -> None:
        files.write("port = 'x'\n", "debug = 1", "prot = 1\n")
        with pytest.raises(InvalidSettings) as caught:
            load(schema_of(Sample), files.layers)
        assert [(problem.origin.layer, problem.key) for problem in caught.value.problems] == [
            ("base", "port"),
            ("override", "prot"),
            ("secrets", "debug"),
        ]
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize("wrong", [[0], [7], [499, 500], [999], [1499], [0, 700, 1499]])
    def test_what_is_wrong_among_very_many(self, files: Files, wrong: list[int]) -> None:
        """A long array or mapping is looked at by slices."""
        numbers = ["true" if number in wrong else "1" for number in range(1500)]
        files.write(
            f"matrix = [[{', '.join(numbers)}]]\n"
            f"hosts = [{', '.join('1' if number in wrong else chr(34) * 2 for number in range(1500))}]\n[labels]\n"
            + "\n".join(f"k{number} = {number if number in wrong else chr(34) * 2}" for number in range(1500))
        )
        with pytest.raises(InvalidSettings) as caught:
            load(schema_of(Sample), files.layers[:1])
        assert [problem.key for problem in caught.value.problems] == [
            *(f"matrix[0][{number}]" for number in wrong),
            *(f"hosts[{number}]" for number in wrong),
            *(f"labels.k{number}" for number in wrong),
        ]

    @pytest.mark.parametrize("error", [ValueError, TypeError, RecursionError, MemoryError, ZeroDivisionError])
    def test_rules_of_the_user(self, files: Files, error: type[Exception]) -> None:
        class Ruled(BaseSettings):
            token: Secret[str]

            def __post_init__(self) -> None:
                raise error(f"what a {self.token}")

        files.write("", "token = 'correct horse'")
        with pytest.raises(InvalidSettings) as caught:
            load(schema_of(Ruled), files.layers[:2])
        (problem,) = caught.value.problems
        assert "what a ****" in problem.message
        assert "horse" not in repr(caught.value)
        assert caught.value.__context__ is None

    def test_what_ends_the_process_is_let_through(self, files: Files) -> None:
        class Ruled(BaseSettings):
            def __post_init__(self) -> None:
                raise KeyboardInterrupt

        files.write("")
        with pytest.raises(KeyboardInterrupt):
            load(schema_of(Ruled), files.layers[:1])

    def test_something_is_reported_even_where_the_examination_finds_nothing(self, files: Files) -> None:
        """A rule that changes its mind: it refuses the values, and takes them when they are looked at again."""
        calls = []

        class Fickle(BaseSettings):
            def __post_init__(self) -> None:
                calls.append(1)
                if len(calls) == 1:
                    raise ValueError("no")

        with pytest.raises(InvalidSettings) as caught:
            validated(schema_of(Fickle), [], Prepared({}))
        assert [problem.message for problem in caught.value.problems] == [
            "a rule of the class rejected these values, but accepted them when they were checked again"
        ]


class Tolerant(BaseSettings, forbid_unknown_fields=False):
    port: int = 80


class TestTolerance:
    def test_unknown_keys_are_warned_of_where_they_stand(self, files: Files, caplog: pytest.LogCaptureFixture) -> None:
        files.write("port = 1\nnew = 'value'\n", "\nfresh = 'hidden'", "[novel]\nx = 1\n")
        assert load(schema_of(Tolerant), files.layers).settings.port == 1
        config, secrets, override = files.paths
        assert [(record.levelno, record.name, record.getMessage()) for record in caplog.records] == [
            (logging.WARNING, "hotsettings", f"{config}:2:1  new: unknown key, ignored"),
            (logging.WARNING, "hotsettings", f"{override}:1:2  novel: unknown key, ignored"),
            (logging.WARNING, "hotsettings", f"{secrets}:2:1  fresh: unknown key, ignored"),
        ]

    def test_nothing_to_warn_of(self, files: Files, caplog: pytest.LogCaptureFixture) -> None:
        files.write("port = 1", None, "port = 2")
        load(schema_of(Tolerant), files.layers)
        assert caplog.records == []

    def test_the_log_is_not_flooded(self, files: Files, caplog: pytest.LogCaptureFixture) -> None:
        files.write("".join(f"k{number} = 1\n" for number in range(5000)))
        load(schema_of(Tolerant), files.layers[:1])
        assert len(caplog.records) == SHOWN_PROBLEMS + 1
        assert caplog.records[-1].getMessage() == "4900 more warnings"

    def test_a_strict_class_does_not_get_that_far(self, files: Files, caplog: pytest.LogCaptureFixture) -> None:
        files.write("new = 1")
        with pytest.raises(InvalidSettings):
            load(schema_of(Sample), files.layers[:1])
        assert caplog.records == []
