"""What a settings class says of itself."""

import datetime
import decimal
import enum
import re
import types
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar

import msgspec
import pytest
from msgspec import Meta, Struct, field

from hotsettings import BaseSettings, RestartRequired, Secret, Section
from hotsettings._schema.frozen import FrozenDict
from hotsettings._schema.schema import Leaf, Schema, as_values, plain, schema_of

T = TypeVar("T")


class Pool(Struct, frozen=True):
    size: Annotated[int, Meta(description="connections")] = 10
    limits: Mapping[str, int] = {}


class Db(Struct, frozen=True, rename={"user": "user name"}):
    host: str
    password: Secret[str] = "p"
    user: Annotated[str, Section("Access")] = "u"
    pool: Pool = Pool(size=20)
    spare: Pool | None = None


class Tree(Struct, frozen=True):
    label: str = ""
    twin: Optional["Tree"] = None


class Pair(Struct, frozen=True, array_like=True):
    one: int = 1
    two: int = 2


class Box(Struct, Generic[T], frozen=True):
    content: T
    token: Secret[str] = ""


class Cat(Struct, frozen=True, tag=True):
    token: Secret[str]


class Dog(Struct, frozen=True, tag=True):
    name: str


class Settings(BaseSettings, rename={"plain": "plain-key"}):
    plain: int
    TEXT: Annotated[Annotated[str, Meta(description="inner")] | None, Meta(description="outer"), Section("Texts")] = (
        None
    )
    TOKEN: Secret[RestartRequired[str]] = "t"
    LIMITS: RestartRequired[Mapping[str, Secret[int]]] = {"a": 1}  # noqa: RUF012
    db: Annotated[Db, Section("Database")]
    vault: Secret[Pool] = Pool()
    fixed: RestartRequired[Pool] = field(default_factory=lambda: Pool(size=3))
    tree: Tree = Tree()
    pair: Pair = Pair()
    box: Box[int] = Box(content=1)
    pets: tuple[Cat | Dog, ...] = ()
    pet: Cat | Dog | None = None


SCHEMA = schema_of(Settings)
LEAVES = {leaf.key: leaf for leaf in SCHEMA.leaves}


def test_leaves_are_in_the_order_of_the_class() -> None:
    assert [leaf.key for leaf in SCHEMA.leaves] == [
        *("plain-key", "TEXT", "TOKEN", "LIMITS", "db.host", "db.password", 'db."user name"', "db.pool.size"),
        *("db.pool.limits", "db.spare.size", "db.spare.limits", "vault.size", "vault.limits", "fixed.size"),
        *("fixed.limits", "tree.label", "tree.twin", "pair", "box.content", "box.token", "pets", "pet"),
    ]


def test_paths_and_attributes() -> None:
    assert LEAVES["plain-key"].path == ("plain-key",)
    assert LEAVES["plain-key"].attributes == ("plain",)
    assert LEAVES['db."user name"'].path == ("db", "user name")
    assert LEAVES['db."user name"'].attributes == ("db", "user")


def test_secrets() -> None:
    assert {key for key, leaf in LEAVES.items() if leaf.secret} == {
        *("TOKEN", "LIMITS", "db.password", "vault.size", "vault.limits", "box.token", "pets", "pet"),
    }
    assert set(SCHEMA.secret_names) == {"TOKEN", "LIMITS", "password", "size", "limits", "token"}


def test_restarts() -> None:
    assert {key for key, leaf in LEAVES.items() if leaf.restart} == {"TOKEN", "LIMITS", "fixed.size", "fixed.limits"}


def test_sections() -> None:
    sections = {key: leaf.section for key, leaf in LEAVES.items()}
    assert sections["plain-key"] == ""
    assert sections["TEXT"] == sections["TOKEN"] == sections["LIMITS"] == "Texts"
    assert sections["db.host"] == sections["db.password"] == sections["vault.size"] == sections["pet"] == "Database"
    assert sections['db."user name"'] == sections["db.pool.size"] == sections["db.spare.size"] == "Access"


def test_descriptions() -> None:
    assert LEAVES["TEXT"].description == "outer"
    assert LEAVES["db.pool.size"].description == "connections"
    assert LEAVES["plain-key"].description == ""


def test_defaults() -> None:
    assert LEAVES["plain-key"].required
    assert LEAVES["db.host"].required
    assert LEAVES["box.content"].default == 1
    assert LEAVES["db.pool.size"].default == 20
    assert LEAVES["db.spare.size"].default is None
    assert LEAVES["fixed.size"].default == 3
    assert not LEAVES["TEXT"].required
    assert type(LEAVES["LIMITS"].default) is FrozenDict
    assert type(LEAVES["vault.limits"].default) is FrozenDict


def test_values_in_settings() -> None:
    settings: Any = Settings.from_values(plain=5, db={"host": "h", "user name": "me"})
    assert LEAVES["plain-key"].value_in(settings) == 5
    assert LEAVES['db."user name"'].value_in(settings) == "me"
    assert LEAVES["db.spare.size"].value_in(settings) is None
    assert LEAVES["TEXT"].value_in(settings) is None


def test_leaf_of() -> None:
    assert SCHEMA.leaf_of(("LIMITS",)) is LEAVES["LIMITS"]
    assert SCHEMA.leaf_of(("LIMITS", "a", "b")) is LEAVES["LIMITS"]
    assert SCHEMA.leaf_of(("pets", 1, "token")) is LEAVES["pets"]
    assert SCHEMA.leaf_of(("db", "host")) is LEAVES["db.host"]
    assert SCHEMA.leaf_of(("db",)) is SCHEMA.leaf_of(("other",)) is SCHEMA.leaf_of(()) is None


def test_leaves_below() -> None:
    assert [leaf.key for leaf in SCHEMA.leaves_below(("db", "pool"))] == ["db.pool.size", "db.pool.limits"]
    assert [leaf.key for leaf in SCHEMA.leaves_below(("TEXT",))] == ["TEXT"]
    assert SCHEMA.leaves_below(("LIMITS", "a")) == SCHEMA.leaves_below(("other",)) == ()
    assert SCHEMA.leaves_below(()) == SCHEMA.leaves


def test_what_is_frozen_and_known() -> None:
    assert set(SCHEMA.freezing) == {"LIMITS", "db", "vault", "fixed"}
    assert SCHEMA.keys == {*Settings.__struct_fields__} - {"plain"} | {"plain-key"}
    assert not SCHEMA.tolerant


def test_leaves_do_not_show_defaults() -> None:
    class Hiding(BaseSettings):
        TOKEN: Secret[str] = "hunter2-canary"

    assert repr(schema_of(Hiding).leaves) == "(Leaf(TOKEN),)"


def define(annotation: Any, *default: Any) -> Any:
    """A settings class S with one field x."""
    namespace = {"__annotations__": {"x": annotation}, "__module__": __name__, **({"x": default[0]} if default else {})}
    return types.new_class("S", (BaseSettings,), exec_body=lambda body: body.update(namespace))


class Colour(enum.Enum):
    RED = "red"


class Nested(Struct, frozen=True):
    port: int = "x"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


class Rule(Struct, frozen=True):
    port: int = 1

    def __post_init__(self) -> None:
        if self.port > 5:
            raise ValueError("port is above five")


@pytest.mark.parametrize(
    ("annotation", "default", "reason"),
    [
        (int, "1", "expected `int`, got `str`"),
        (int, None, "expected `int`, got `null`"),
        (bool, 1, "expected `bool`, got `int`"),
        (Annotated[int, Meta(ge=5)], 1, "expected `int` >= 5"),
        (Literal["a"], "b", "invalid enum value 'b'"),
        (int, field(default_factory=lambda: "1"), "expected `int`, got `str`"),
        (datetime.date, "2024-02-29", "expected `date`, got `str`"),
        (decimal.Decimal, "1.5", "expected `Decimal`, got `str`"),
        (Colour, "red", "expected `Colour`, got `str`"),
        (tuple[int, ...], [], "expected `tuple`, got `list`"),
        (frozenset[int], set(), "expected `frozenset`, got `set`"),
        (frozenset[int], field(default_factory=set), "expected `frozenset`, got `set`"),
        (bytes, field(default_factory=lambda: bytearray(b"x")), "expected `bytes`, got `bytearray`"),
        (tuple[tuple[int, ...], ...], ([1],), "unhashable type: 'list'"),
        (Any, object(), "no settings class has a decoder for object"),
        (Secret[int], "hunter2-canary", None),
        (tuple[Secret[int], ...], ("hunter2-canary",), None),
    ],
)
def test_a_default_that_does_not_fit_is_refused(annotation: Any, default: Any, reason: str | None) -> None:
    words = "S.x: its default does not fit its type" + (f": {reason}" if reason else "")
    with pytest.raises(TypeError, match=f"^{re.escape(words)}$") as caught:
        define(annotation, default)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (float | None, None),
        (Any, []),
        (Any, decimal.Decimal("1.5")),
        (Mapping[str, Any], {"a": [1]}),
        (Mapping[str, int], field(default_factory=dict)),
        (tuple[Pool, ...], (Pool(),)),
        (Pool, Pool(limits={"a": 1})),
        (Colour, Colour.RED),
        (decimal.Decimal, decimal.Decimal("1.5")),
        (datetime.timedelta, datetime.timedelta(seconds=1)),
        (bytes, b"x"),
        (uuid.UUID, uuid.UUID(int=1)),
        (frozenset[str], frozenset("ab")),
        (datetime.datetime, datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)),
        (Cat | Dog, Dog("rex")),
        (Box[int], Box(1)),
        (Pair, Pair()),
    ],
)
def test_a_default_that_fits_is_delivered_frozen(annotation: Any, default: Any) -> None:
    cls = define(annotation, default)
    settings = cls.from_values()
    assert hash(settings) == hash(cls.from_values())
    assert settings == cls.from_values()
    # Sorted: equal sets can be iterated in different orders, and their copies are.
    encode = msgspec.json.Encoder(order="deterministic").encode
    assert encode(settings) == encode(settings.replace())


def test_a_whole_number_is_a_fine_default_for_a_float() -> None:
    settings = define(float, 5).from_values()
    assert settings == settings.replace(x=5.0)


def test_defaults_inside_of_nested_structs_are_looked_at_too() -> None:
    with pytest.raises(TypeError, match=r"^Nested.port: its default does not fit its type: expected `int`, got `str`$"):
        define(tuple[Nested, ...], ())


def test_defaults_must_obey_the_rules_of_their_structs() -> None:
    rule = Rule()
    msgspec.structs.force_setattr(rule, "port", 6)
    with pytest.raises(TypeError, match=r"^S.x: its default does not fit its type: port is above five$"):
        define(Rule, rule)


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (Mixed, "enums must contain either all str or all int values"),
        (str | datetime.date, "type unions may not contain more than one str-like type"),
        (Pool | Db, "if a type union contains multiple Struct types, all Struct types must be tagged"),
        (Pool | Mapping[str, int], "type unions may not contain more than one dict-like type"),
        (Annotated[str, Meta(ge=1)], "can only set `ge` on a numeric type"),
    ],
)
def test_a_type_that_cannot_be_decoded_is_refused_with_the_field(annotation: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=f"^S.x: {re.escape(reason)}") as caught:
        define(annotation)
    assert caught.value.__context__ is None


def test_as_values_gives_what_a_layer_would_hold() -> None:
    now = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    value = {"a": (now, now.date(), now.time()), "b": decimal.Decimal("1.5"), 3: Pair(), "c": {Colour.RED: b"x"}}
    assert as_values(value) == {
        "a": [now, now.date(), now.time()], "b": "1.5", "3": [1, 2], "c": {"red": "eA=="},
    }  # fmt: skip
    assert as_values(Db("h")) == {
        "host": "h", "password": "p", "user name": "u", "pool": {"size": 20, "limits": {}}, "spare": None,
    }  # fmt: skip


def test_plain_keeps_the_types_that_toml_has_not() -> None:
    values = {
        "a": decimal.Decimal("1.5"),
        "b": b"x",
        "c": uuid.UUID(int=1),
        "d": datetime.timedelta(1),
        "e": Colour.RED,
    }
    assert plain(values) == {**values, "e": "red"}


def test_a_schema_can_be_made_of_any_struct() -> None:
    schema = Schema(Pool)
    assert schema.tolerant
    assert all(isinstance(leaf, Leaf) for leaf in schema.leaves)


def test_leaves_are_found_by_path_and_by_name() -> None:
    class Inner(Struct, frozen=True):
        a: int = 1
        b: int = 2

    class S(BaseSettings):
        a: int = 0
        one: Inner = Inner()
        b: int = 0
        two: Inner = Inner()

    schema = schema_of(S)
    paths = {leaf.path[:end] for leaf in schema.leaves for end in range(4)} | {("x",), ("one", "x"), ("one", 1)}
    for path in paths:
        assert schema.leaves_below(path) == tuple(leaf for leaf in schema.leaves if leaf.path[: len(path)] == path)
    assert [leaf and leaf.key for leaf in map(schema.leaf_named, ("a", "b", "one"))] == ["a", "one.b", None]
    assert schema.names == {"a", "b", "one", "two"}
