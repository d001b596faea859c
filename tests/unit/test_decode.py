"""What is wrong with values is found whole, told in the terms of TOML, and quotes no value."""

import datetime
import enum
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from hotsettings import BaseSettings
from hotsettings._layers.layer import in_memory
from hotsettings._loading.decode import decode
from hotsettings._loading.diagnose import Finding, diagnose
from hotsettings._loading.msgspec_errors import translate
from hotsettings._loading.prepare import Prepared, prepare
from hotsettings._schema.schema import schema_of
from hotsettings._schema.stand_ins import NATIVE
from hotsettings.errors import Code


class Colour(enum.Enum):
    RED = "red"


class Pool(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    max_size: Annotated[int, Meta(ge=1)] = 10
    name: str = "p"


class Loose(Struct, frozen=True):
    port: int


class Db(Struct, frozen=True, forbid_unknown_fields=True):
    host: str
    pool: Pool = Pool()
    loose: Loose | None = None

    def __post_init__(self) -> None:
        if self.host == "bad":
            raise ValueError(f"host {self.host}")


class Cat(Struct, frozen=True, tag=True):
    lives: int


class Dog(Struct, frozen=True, tag=True):
    name: str


class Pair(Struct, frozen=True, array_like=True):
    one: int
    two: int


class Tagged(Struct, frozen=True, array_like=True, tag="t"):
    one: int


class Numbered(Struct, frozen=True, array_like=True, tag=1):
    one: int


class LetterA(Struct, frozen=True, array_like=True, tag="a"):
    one: int
    two: int


class LetterB(Struct, frozen=True, array_like=True, tag="b"):
    one: int


class Settings(BaseSettings):
    PORT: int = 1
    ONE: Literal["a", 2] | None = None
    MIXED: Literal[1, 2] | bool = 1
    WORDS: Literal["a"] | int = 1
    COLOUR: Colour = Colour.RED
    HOSTS: tuple[str, ...] = ()
    SET: frozenset[int] = frozenset()
    SETS: frozenset[Any] = frozenset()
    FIXED: tuple[int, tuple[str, ...]] | None = None
    BY_NAME: Mapping[str, Pool] = {}
    BY_NUMBER: Mapping[Annotated[int, Meta(le=9)], int] = {}
    BY_CHOICE: Mapping[Literal["a", "b"], int] = {}
    ANY: Any = None
    pet: Cat | Dog | str | None = None
    pets: tuple[Cat | Dog, ...] = ()
    pair: Pair | int = 1
    tagged: Tagged | int = 1
    numbered: Numbered | str = ""
    letters: LetterA | LetterB = LetterB(1)
    either: Pool | tuple[int, ...] | None = None
    db: Db | None = None


SCHEMA = schema_of(Settings)


def prepared(values: dict[str, Any]) -> Prepared:
    return prepare(SCHEMA, [in_memory(values)])


def found(values: dict[str, Any]) -> list[Finding]:
    return diagnose(SCHEMA, prepared(values), 10_000).first


def at(
    *path: str | int, message: str, code: Code, hint: str = "", at: Literal["key", "value", "missing"] = "value"
) -> Finding:
    return Finding(path, message, code, hint, at)


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ({"PORT": "5"}, at("PORT", message="expected int, got str", code="wrong-type", hint="write it without quotes")),
        (
            {"PORT": "+5"},
            at("PORT", message="expected int, got str", code="wrong-type", hint="write it without quotes"),
        ),
        ({"PORT": "5s"}, at("PORT", message="expected int, got str", code="wrong-type")),
        ({"PORT": [5]}, at("PORT", message="expected int, got array", code="wrong-type")),
        ({"PORT": {"a": 5}}, at("PORT", message="expected int, got table", code="wrong-type")),
        ({"PORT": datetime.date(2024, 1, 1)}, at("PORT", message="expected int, got date", code="wrong-type")),
        ({"ONE": "b"}, at("ONE", message="expected one of a, 2", code="not-an-option")),
        ({"ONE": "A"}, at("ONE", message="expected one of a, 2", code="not-an-option", hint="did you mean a?")),
        ({"ONE": 3}, at("ONE", message="expected one of a, 2", code="not-an-option")),
        ({"ONE": 1.5}, at("ONE", message="expected one of a, 2", code="wrong-type")),
        ({"MIXED": 31337}, at("MIXED", message="expected bool or one of 1, 2", code="not-an-option")),
        ({"WORDS": "hunter2"}, at("WORDS", message="expected int or one of a", code="not-an-option")),
        (
            {"COLOUR": "redd"},
            at("COLOUR", message="expected one of red", code="not-an-option", hint="did you mean red?"),
        ),
        (
            {"HOSTS": ["a", 5, "b"]},
            at("HOSTS", 1, message="expected str, got int", code="wrong-type", hint="put it in quotes"),
        ),
        (
            {"HOSTS": ["a", True]},
            at("HOSTS", 1, message="expected str, got bool", code="wrong-type", hint="put it in quotes"),
        ),
        ({"HOSTS": {"a": 1}}, at("HOSTS", message="expected array, got table", code="wrong-type")),
        ({"SET": ["a"]}, at("SET", 0, message="expected int, got str", code="wrong-type")),
        ({"SETS": [[1], {"a": 1}]}, Finding(("SETS",), "TypeError: unhashable type: 'list'", "rule")),
        (
            {"FIXED": ["5", ["a"]]},
            at("FIXED", 0, message="expected int, got str", code="wrong-type", hint="write it without quotes"),
        ),
        (
            {"FIXED": [5, ["a", 5]]},
            at("FIXED", 1, 1, message="expected str, got int", code="wrong-type", hint="put it in quotes"),
        ),
        ({"FIXED": [5]}, at("FIXED", message="expected array of length 2, got 1", code="wrong-length")),
        ({"FIXED": [5, [], 6]}, at("FIXED", message="expected array of length 2, got 3", code="wrong-length")),
        (
            {"BY_NAME": {"a b": {"max-size": 0}}},
            at("BY_NAME", "a b", "max-size", message="expected int >= 1", code="out-of-range"),
        ),
        (
            {"BY_NAME": 5},
            at(
                "BY_NAME",
                message="expected table, got int",
                code="wrong-type",
                hint="write { key = value }, or a [table]",
            ),
        ),
        (
            {"pets": {"type": "Dog"}},
            at(
                "pets",
                message="expected array, got table",
                code="wrong-type",
                hint="write [[table]] as its header, or put it in square brackets",
            ),
        ),
        (
            {"BY_NUMBER": {"x": 1}},
            at("BY_NUMBER", "x", message="wrong key: expected int, got str", code="wrong-key", at="key"),
        ),
        (
            {"BY_NUMBER": {"31337": 1}},
            at("BY_NUMBER", "31337", message="wrong key: expected int <= 9", code="wrong-key", at="key"),
        ),
        (
            {"BY_CHOICE": {"c": 1}},
            at("BY_CHOICE", "c", message="wrong key: expected one of a, b", code="wrong-key", at="key"),
        ),
        (
            {"BY_CHOICE": {"A": 1}},
            at(
                "BY_CHOICE",
                "A",
                message="wrong key: expected one of a, b",
                code="wrong-key",
                hint="did you mean a?",
                at="key",
            ),
        ),
        ({"BY_NUMBER": {"5": "x"}}, at("BY_NUMBER", "5", message="expected int, got str", code="wrong-type")),
        (
            {"pet": 5},
            at("pet", message="expected str | table, got int", code="wrong-type", hint="put it in quotes"),
        ),
        ({"pet": {"lives": 9}}, at("pet", "type", message="required", code="required", at="missing")),
        (
            {"pet": {"type": "Catt"}},
            at("pet", "type", message="expected one of Cat, Dog", code="not-an-option", hint="did you mean Cat?"),
        ),
        ({"pet": {"type": ["Cat"]}}, at("pet", "type", message="expected one of Cat, Dog", code="not-an-option")),
        ({"pet": {"type": "Cat"}}, at("pet", "lives", message="required", code="required", at="missing")),
        (
            {"pets": [{"type": "Dog", "name": 5}]},
            at("pets", 0, "name", message="expected str, got int", code="wrong-type", hint="put it in quotes"),
        ),
        ({"pair": {"one": 1}}, at("pair", message="expected int | array, got table", code="wrong-type")),
        ({"pair": ["x", 1]}, at("pair", 0, message="expected int, got str", code="wrong-type")),
        ({"pair": [1]}, at("pair", message="expected array of at least length 2, got 1", code="wrong-length")),
        (
            {"either": {"max_size": 1}},
            at(
                "either",
                "max_size",
                message="unknown key",
                code="unknown-key",
                hint="did you mean either.max-size?",
                at="key",
            ),
        ),
        ({"tagged": ["hunter2", 1]}, at("tagged", message="invalid value", code="invalid-value")),
        ({"tagged": ["t", "x"]}, at("tagged", 1, message="expected int, got str", code="wrong-type")),
        ({"numbered": [31337, 1]}, at("numbered", message="invalid value", code="invalid-value")),
        ({"letters": ["a", 1, "y"]}, at("letters", 2, message="expected int, got str", code="wrong-type")),
        ({"letters": ["b", "x"]}, at("letters", 1, message="expected int, got str", code="wrong-type")),
        ({"letters": ["c", "x"]}, at("letters", message="invalid value", code="invalid-value")),
        ({"either": [1, "x"]}, at("either", 1, message="expected int, got str", code="wrong-type")),
        ({"db": {}}, at("db", "host", message="required", code="required", at="missing")),
        (
            {"db": 5},
            at("db", message="expected table, got int", code="wrong-type", hint="write { key = value }, or a [table]"),
        ),
        ({"db": {"host": "bad"}}, Finding(("db",), "host bad", "rule")),
        (
            {"db": {"host": "h", "loose": {}}},
            at("db", "loose", "port", message="required", code="required", at="missing"),
        ),
    ],
)
def test_findings(values: dict[str, Any], finding: Finding) -> None:
    [only] = found(values)
    assert msgspec.structs.replace(only, brief="") == finding
    assert not only.brief or "one of" in only.message


@pytest.mark.parametrize(
    ("annotation", "value", "code", "message"),
    [
        (Annotated[int, msgspec.Meta(multiple_of=5)], 3, "out-of-range", "expected int that's a multiple of 5"),
        (Annotated[float, msgspec.Meta(lt=5)], 5.0, "out-of-range", "expected float < 5.0"),
        (
            Annotated[tuple[int, ...], msgspec.Meta(max_length=1)],
            [1, 2],
            "wrong-length",
            "expected array of length <= 1",
        ),
        (Annotated[str, msgspec.Meta(pattern=", got ")], "x", "no-match", "expected str matching regex ', got '"),
        (datetime.timedelta, "soon", "invalid-value", "invalid ISO8601 duration"),
        (uuid.UUID, "x", "invalid-value", "invalid UUID"),
        (
            Annotated[datetime.datetime, msgspec.Meta(tz=True)],
            datetime.datetime(2024, 1, 1),  # noqa: DTZ001 - what TOML calls a local one
            "invalid-value",
            "expected datetime with a timezone component",
        ),
    ],
)
def test_what_msgspec_says_has_a_code(annotation: Any, value: Any, code: Code, message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, annotation, builtin_types=NATIVE)
    assert translate(str(caught.value), value)[:2] == (message, code)


def unknown(*path: str, hint: str = "") -> Finding:
    return Finding(path, "unknown key", "unknown-key", hint, "key")


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ({"PROT": 5}, unknown("PROT", hint="did you mean PORT?")),
        ({"port": 5}, unknown("port", hint="did you mean PORT?")),
        ({"entirely": 5}, unknown("entirely")),
        ({"max-size": 5}, unknown("max-size", hint="did you mean db.pool.max-size?")),
        ({"db": {"host": "h", "hots": 1}}, unknown("db", "hots", hint="did you mean db.host?")),
        (
            {"db": {"host": "h", "pool": {"maxsize": 1}}},
            unknown("db", "pool", "maxsize", hint="did you mean db.pool.max-size?"),
        ),
        (
            {"db": {"host": "h", "HOSTS": []}},
            unknown("db", "HOSTS", hint="did you mean db.host?"),
        ),
        (
            {"db": {"host": "h", "COLOUR": "red"}},
            unknown(
                *("db", "COLOUR"),
                hint="did you mean COLOUR? Move it above the first [table]: keys below a header belong to that table",
            ),
        ),
        ({"db": {"host": "h", "loose": {"port": 1, "more": 1}}}, unknown("db", "loose", "more", hint="")),
    ],
)
def test_unknown_keys(values: dict[str, Any], finding: Finding) -> None:
    assert found(values) == [finding]


def test_everything_is_found_at_once_in_the_order_of_the_values() -> None:
    values = {
        "PORT": "x",
        "db": {"pool": {"max-size": "y", "nmae": 1}, "loose": {}},
        "HOSTS": [1, "a", 2],
        "new": 1,
    }
    assert [finding.path for finding in found(values)] == [
        *(("PORT",), ("db", "pool", "max-size"), ("db", "pool", "nmae"), ("db", "loose", "port"), ("db", "host")),
        *(("HOSTS", 0), ("HOSTS", 2), ("new",)),
    ]


def test_the_whole_is_blamed_only_where_each_part_is_good() -> None:
    assert [f.path for f in found({"db": {"host": "bad", "pool": {"max-size": 0}}})] == [("db", "pool", "max-size")]


def test_what_is_good_has_no_findings() -> None:
    assert found({"PORT": 5, "db": {"host": "h"}, "pet": {"type": "Cat", "lives": 9}, "pair": [1, 2]}) == []


def test_decode_freezes() -> None:
    settings: Any = decode(SCHEMA, {"ANY": {"a": [1]}})
    assert settings.ANY == {"a": (1,)}
    with pytest.raises(TypeError):
        settings.ANY["a"] = 2


def test_decode_raises_what_the_examination_explains() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(SCHEMA, {"PORT": "5"})


def test_the_first_findings_are_explained_and_all_are_counted() -> None:
    every = diagnose(SCHEMA, prepared({f"unknown_{number}": 1 for number in range(20_000)} | {"PROT": 1}), 1000)
    assert (len(every.first), every.total) == (1000, 20_001)
    every = diagnose(SCHEMA, prepared({"HOSTS": [1] * 500_000}), 1)
    assert ([finding.path for finding in every.first], every.total) == ([("HOSTS", 0)], 500_000)
    every = diagnose(SCHEMA, prepared({"pets": [{"type": "Catt"}, {}] * 500}), 1)
    assert ([finding.path for finding in every.first], every.total) == ([("pets", 0, "type")], 1000)


words = st.sampled_from(
    [
        *("PORT", "ONE", "HOSTS", "SET", "FIXED", "BY_NAME", "BY_NUMBER", "ANY", "pet", "pets", "pair", "either", "db"),
        *("host", "pool", "loose", "port", "max-size", "name", "type", "lives", "1", "x"),
    ]
)
scalars = st.sampled_from(
    [0, 1, -1, 1.5, True, "", "a", "1", "Cat", "Dog", "bad", "red", datetime.date(2024, 1, 1), 2**62]
)
tables = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4), max_leaves=15
)


@given(st.dictionaries(words, tables, max_size=5))
def test_there_are_findings_exactly_where_decoding_fails(values: dict[str, Any]) -> None:
    try:
        decode(SCHEMA, values)
    except Exception:
        fails = True
    else:
        fails = False
    each = found(values)
    assert bool(each) is fails
    for finding in each:
        assert finding.message
        if finding.code != "rule":
            assert "'" not in finding.message
            assert "`" not in finding.message
            assert str(2**62) not in finding.message
