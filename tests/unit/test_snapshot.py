"""What counts as a change, and what a snapshot tells of itself."""

import datetime
import decimal
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from hotsettings import BaseSettings, Change, Secret, Snapshot
from hotsettings._layers.file import FileLayer
from hotsettings._layers.layer import Document, parse
from hotsettings._layers.layer import in_memory as given_values
from hotsettings._live.snapshot import changed_keys, same
from hotsettings._loading.load import Loaded
from hotsettings._schema.frozen import freeze
from hotsettings._schema.schema import schema_of

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.0, -0.0, 1.0, 2.0, math.nan, -math.inf])
    | st.sampled_from(["", "a"])
    | st.dates(datetime.date(2024, 1, 1), datetime.date(2024, 1, 2))
    | st.sampled_from(list(map(decimal.Decimal, ["1", "1.0", "NaN", "sNaN"])))
)
hashable = st.none() | st.integers(-1, 1) | st.sampled_from([1.0, math.nan, "a", True, (math.nan, 1), (1,), (True,)])
values = st.recursive(
    scalars | st.frozensets(hashable, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
).map(freeze)


def another(value: Any) -> Any:
    """The same value, nothing in it the same object: as if it were loaded again."""
    if isinstance(value, dict):
        return freeze({key: another(item) for key, item in value.items()})
    if isinstance(value, tuple | frozenset):
        return type(value)(map(another, value))
    return (
        float(repr(value))
        if isinstance(value, float)
        else decimal.Decimal(str(value))
        if isinstance(value, decimal.Decimal)
        else value
    )


def shape(value: Any) -> Any:
    """A value in a form that compares as `same` should: with types, NaN being NaN."""
    if isinstance(value, dict):
        return "dict", {key: shape(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return "tuple", tuple(map(shape, value))
    if isinstance(value, frozenset):
        return "frozenset", len(value), frozenset(map(shape, value))
    if isinstance(value, float | decimal.Decimal):
        return type(value), str(value) if value != value or str(value) == "sNaN" else value
    return type(value), value


def nan_safe_shape(value: Any) -> Any:
    with decimal.localcontext() as context:
        context.traps[decimal.InvalidOperation] = False
        return shape(value)


@given(values)
def test_same_is_reflexive(value: Any) -> None:
    assert same(value, value)
    assert same(value, another(value))


@given(values, values)
def test_same_is_symmetric_and_agrees_with_equality_but_for_types_and_nan(one: Any, other: Any) -> None:
    assert same(one, other) == same(other, one) == (nan_safe_shape(one) == nan_safe_shape(other))


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (1, True, False),
        (1, 1.0, False),
        (0.0, -0.0, True),
        (math.nan, -math.nan, True),
        ((1, math.nan), (1, float("nan")), True),
        ((1, 2), (1, 2, 3), False),
        (frozenset([math.nan, 1]), frozenset([float("nan"), 1]), True),
        (frozenset([math.nan, float("nan")]), frozenset([math.nan]), False),
        (frozenset([1]), frozenset([True]), False),
        (frozenset([(1,)]), frozenset([(True,)]), False),
        (decimal.Decimal("1.0"), decimal.Decimal(1), True),
        (decimal.Decimal("sNaN"), decimal.Decimal("sNaN"), True),
        (decimal.Decimal("sNaN"), decimal.Decimal(1), False),
        ("1", 1, False),
        (freeze({"a": 1}), freeze({"a": True}), False),
        (freeze({"a": 1}), freeze({"b": 1}), False),
    ],
)
def test_same(one: Any, other: Any, alike: bool) -> None:
    assert same(one, other) is alike
    assert same(other, one) is alike


class Pool(Struct, frozen=True):
    size: int = 1
    rate: float = math.nan


class Db(Struct, frozen=True, rename="camel"):
    pool_of: Pool | None = None
    host: str = "h"


class Proxy(Struct, frozen=True):
    host: str | None = None
    port: int | None = None


class Settings(BaseSettings):
    PORT: int = 1
    TOKEN: Secret[str] = "t"
    LIMITS: Mapping[str, Any] = {}
    db: Db = Db()
    proxy: Proxy | None = None
    pools: tuple[Pool, ...] = ()


def made(**values: Any) -> Settings:
    return Settings.from_values(**values)


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ({}, {}, set()),
        ({"PORT": 2}, {}, {"PORT"}),
        ({"LIMITS": {"a": {"b": 1}}}, {"LIMITS": {"a": {"b": True}}}, {"LIMITS"}),
        ({"LIMITS": {"a": math.nan}}, {"LIMITS": {"a": math.nan}}, set()),
        ({"db": {"host": "i"}}, {}, {"db.host"}),
        # An optional table that comes brings all its keys.
        ({"db": {"poolOf": {}}}, {}, {"db.poolOf.size", "db.poolOf.rate"}),
        ({"db": {"poolOf": {}}}, {"db": {"poolOf": {"size": 2}}}, {"db.poolOf.size"}),
        ({"proxy": {}}, {}, {"proxy.host", "proxy.port"}),
        ({"proxy": {"host": "h"}}, {"proxy": {}}, {"proxy.host"}),
        ({"pools": [{"size": 1}]}, {"pools": [{"size": 1}]}, set()),
        ({"pools": [{"size": 1}]}, {"pools": [{"size": 2}]}, {"pools"}),
        ({"TOKEN": "x", "PORT": 3}, {}, {"TOKEN", "PORT"}),
    ],
)
def test_changed_keys(old: dict[str, Any], new: dict[str, Any], keys: set[str]) -> None:
    schema = schema_of(Settings)
    assert changed_keys(schema, made(**old), made(**new)) == keys
    assert changed_keys(schema, made(**new), made(**old)) == keys


@given(st.lists(st.sampled_from(["PORT", "TOKEN", "LIMITS", "db", "pools"]), unique=True))
def test_changed_keys_are_those_that_were_changed(names: list[str]) -> None:
    other: dict[str, Any] = {
        "PORT": 2, "TOKEN": "u", "LIMITS": {"a": 1}, "db": {"host": "i"}, "pools": [{}],
    }  # fmt: skip
    changed = changed_keys(schema_of(Settings), made(), made(**{name: other[name] for name in names}))
    assert {key.partition(".")[0] for key in changed} == set(names)


def snapshot(**values: Any) -> Snapshot[Settings]:
    schema = schema_of(Settings)
    return Snapshot(Loaded(schema, (given_values(values),), made(**values)), 3)


def test_a_snapshot_tells_of_itself() -> None:
    taken = snapshot(PORT=5, TOKEN="hunter2-canary")
    assert taken.generation == 3
    assert taken.settings.PORT == 5
    assert (
        datetime.timedelta(0) <= datetime.datetime.now(datetime.UTC) - taken.loaded_at < datetime.timedelta(minutes=1)
    )
    assert repr(taken).startswith("Snapshot(generation=3, loaded_at=2")
    assert "PORT=5, TOKEN=********" in repr(taken)
    assert "canary" not in repr(taken)


def test_origins_are_read_only_and_found_once() -> None:
    schema = schema_of(Settings)
    document = parse(FileLayer("config.toml", name="base", label="config.toml"), b"\nPORT = 5")
    assert isinstance(document, Document)
    taken: Snapshot[Settings] = Snapshot(Loaded(schema, (document,), made(PORT=5)), 1)
    assert str(taken.origins["PORT"]) == "config.toml:2:8"
    assert taken.origins["TOKEN"].layer == "default"
    assert taken.origins is taken.origins
    with pytest.raises(TypeError):
        taken.origins["PORT"] = taken.origins["TOKEN"]  # type: ignore[index]  # pyright: ignore[reportIndexIssue]


def test_the_digest_is_that_of_what_may_be_known() -> None:
    taken = snapshot(PORT=5)
    assert len(taken.digest) == 64
    assert taken.digest == taken.digest == snapshot(PORT=5).digest
    assert taken.digest != snapshot(PORT=6).digest
    assert taken.digest == snapshot(PORT=5, TOKEN="another").digest
    assert snapshot(LIMITS={"a": 1, "b": 2}).digest == snapshot(LIMITS={"b": 2, "a": 1}).digest


def test_a_change_holds_both() -> None:
    old, new = made(), made(PORT=2)
    change = Change(old, new, frozenset({"PORT"}), 4)
    assert (change.old, change.new, change.keys, change.generation) == (old, new, frozenset({"PORT"}), 4)
    assert "TOKEN=********" in repr(change)
