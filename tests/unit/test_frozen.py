"""Nothing in settings changes, and yet they can be copied, pickled and encoded."""

import copy
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from hotsettings import BaseSettings
from hotsettings._schema.frozen import FrozenDict, freeze

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.sets(scalars, max_size=4)
    ),
)


def is_frozen(value: Any) -> bool:
    if isinstance(value, FrozenDict):
        return all(map(is_frozen, value.values()))
    if isinstance(value, tuple):
        return all(map(is_frozen, value))
    return not isinstance(value, dict | list | set | bytearray)


@given(values)
def test_freezing(value: Any) -> None:
    once = freeze(value)
    assert is_frozen(once)
    assert hash(once) == hash(freeze(value))
    assert freeze(once) == once
    assert msgspec.json.encode(once) == msgspec.json.encode(value)


@pytest.mark.parametrize(
    ("value", "frozen"),
    [
        ([1, [2]], (1, (2,))),
        (([1],), ((1,),)),
        ({1, 2}, frozenset({1, 2})),
        (bytearray(b"x"), b"x"),
        (OrderedDict(a=[1]), FrozenDict(a=(1,))),
        (defaultdict(list, a=[1]), FrozenDict(a=(1,))),
        ([1] * 20, (1,) * 20),
        ([1] * 20 + [[2]], (1,) * 20 + ((2,),)),
        ({str(n): n for n in range(20)}, FrozenDict({str(n): n for n in range(20)})),
        ({str(n): n for n in range(20)} | {"a": [1]}, FrozenDict({str(n): n for n in range(20)} | {"a": (1,)})),
        ("text", "text"),
    ],
)
def test_kinds(value: Any, frozen: Any) -> None:
    assert freeze(value) == frozen
    assert type(freeze(value)) is type(frozen)


def test_what_is_frozen_stays_the_same_object() -> None:
    mapping = freeze({"a": {"b": [1]}})
    assert freeze(mapping) is mapping
    assert type(mapping["a"]) is FrozenDict


def test_structs_are_frozen_where_they_stand() -> None:
    class Inner(Struct, frozen=True):
        limits: Mapping[str, int]

    class Outer(Struct, frozen=True):
        inner: Inner
        items: tuple[Inner, ...]

    outer = Outer(Inner({"a": 1}), (Inner({"b": 2}),))
    assert freeze(outer) is outer
    assert type(outer.inner.limits) is FrozenDict
    assert type(outer.items[0].limits) is FrozenDict


def _set(mapping: Any) -> None:
    mapping["a"] = 2


def _delete(mapping: Any) -> None:
    del mapping["a"]


def _or(mapping: Any) -> None:
    mapping |= {"a": 2}


@pytest.mark.parametrize(
    "change",
    [
        _set,
        _delete,
        _or,
        lambda mapping: mapping.clear(),
        lambda mapping: mapping.pop("a"),
        lambda mapping: mapping.pop("b", None),
        lambda mapping: mapping.popitem(),
        lambda mapping: mapping.setdefault("a", 1),
        lambda mapping: mapping.setdefault("b", 1),
        lambda mapping: mapping.update(b=1),
        lambda mapping: mapping.update({}),
    ],
)
def test_every_mutator_is_refused(change: Callable[[Any], None]) -> None:
    mapping = freeze({"a": 1})
    with pytest.raises(TypeError, match="settings are immutable; copy the mapping with dict"):
        change(mapping)
    assert mapping == {"a": 1}


def test_there_is_no_mutator_that_nobody_thought_of() -> None:
    mutators = {name for name in vars(dict) if vars(FrozenDict).get(name, vars(dict)[name]) is vars(dict)[name]}
    harmless = {
        *(
            "__class_getitem__",
            "__contains__",
            "__doc__",
            "__eq__",
            "__ge__",
            "__getattribute__",
            "__getitem__",
            "__gt__",
        ),
        *(
            "__init__",
            "__iter__",
            "__le__",
            "__len__",
            "__lt__",
            "__ne__",
            "__new__",
            "__or__",
            "__repr__",
            "__reversed__",
        ),
        *("__ror__", "__sizeof__", "copy", "fromkeys", "get", "items", "keys", "values"),
    }
    assert mutators <= harmless


def test_a_refusal_tells_no_values() -> None:
    mapping = freeze({"token": "hunter2-canary"})
    with pytest.raises(TypeError) as caught:
        mapping["other"] = "hunter2-canary"
    assert caught.traceback[-1].frame.f_locals == {}


def test_copies_are_the_mapping_itself() -> None:
    mapping = freeze({"a": [1, {"b": 2}]})
    assert copy.copy(mapping) is mapping
    assert copy.deepcopy(mapping) is mapping


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol: int) -> None:
    mapping = freeze({"a": [1, {"b": 2}], "c": {}})
    again = pickle.loads(pickle.dumps(mapping, protocol))
    assert again == mapping
    assert is_frozen(again)


def test_it_is_a_dict_to_all_who_read() -> None:
    mapping = freeze({"a": 1})
    assert mapping == {"a": 1}
    assert mapping == {"a": 1}
    assert repr(mapping) == "{'a': 1}"
    assert {**mapping, "b": 2} == mapping | {"b": 2} == {"a": 1, "b": 2}
    assert type(mapping.copy()) is dict
    assert msgspec.to_builtins(mapping) == {"a": 1}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(mapping)) == {"a": 1}


def test_equal_mappings_hash_alike_in_any_order() -> None:
    assert hash(FrozenDict(a=1, b=2)) == hash(FrozenDict(b=2, a=1))
    assert {FrozenDict(a=1), FrozenDict(a=1)} == {FrozenDict(a=1)}


T = TypeVar("T")


class Plain(Struct, frozen=True):
    a: int = 0


class Holder(Struct, frozen=True):
    plain: Plain
    table: Mapping[str, int]


class Box(Struct, Generic[T], frozen=True):
    content: T


class Boxes(BaseSettings):
    plain: Mapping[str, Plain]
    holders: Mapping[str, Holder]
    boxes: Mapping[str, Box[Any]]
    lists: tuple[Box[Mapping[str, int]], ...] = ()


def test_structs_in_containers_are_frozen_as_far_as_they_can_change() -> None:
    made = Boxes.from_values(
        plain={"x": {"a": 1}},
        holders={"x": {"plain": {"a": 1}, "table": {"k": 1}}},
        boxes={"x": {"content": {"k": [1]}}},
        lists=[{"content": {"k": 1}}],
    )
    assert made.plain == {"x": Plain(1)}
    assert made.holders["x"].table == {"k": 1}
    for mapping in (made.plain, made.holders, made.holders["x"].table, made.boxes["x"].content, made.lists[0].content):
        assert isinstance(mapping, FrozenDict)
    assert made.boxes["x"].content["k"] == (1,)
    hash(made)
