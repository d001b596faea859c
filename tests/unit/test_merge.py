"""Merging: the table of its docstring row by row, its laws, and tracing held against an obviously right model."""

import copy
import datetime
from functools import reduce
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from hotsettings._layers.toml.keys import ABSENT, Path, Values, follow
from hotsettings._loading.merge import merge, overlay, trace

scalars = st.one_of(
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=False),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from([datetime.date(1979, 5, 27), datetime.time(7, 32)]),
)
# Few keys, so that layers meet, in tables and in the tables of arrays alike.
keys = st.sampled_from("abc")
nodes: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)
layers = st.dictionaries(keys, nodes, max_size=3)
stacks = st.lists(layers, min_size=1, max_size=4)
shaped: st.SearchStrategy[Any] = st.recursive(
    st.just({}),
    lambda inner: st.fixed_dictionaries(
        {}, optional={"t": inner, "u": inner, "a": scalars, "b": scalars | st.lists(scalars, max_size=2)}
    ),
    max_leaves=8,
)
paths = st.lists(keys | st.integers(0, 3), max_size=5).map(tuple)


def model(stack: list[Any]) -> Any:
    """What values of rising precedence, all at one path, become: the highest, or the union of the tables that end the stack."""
    if stack and not isinstance(stack[-1], dict):
        return stack[-1]
    tables = list(takewhile(lambda value: isinstance(value, dict), reversed(stack)))
    keys = {key for table in tables for key in table}
    return {key: model([table[key] for table in reversed(tables) if key in table]) for key in keys}


def flattened(values: Values, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in values.items():
        inside = flattened(value, (*path, key)) if isinstance(value, dict) else []
        found += inside or [((*path, key), value)]
    return found


def paths_in(value: Any, path: Path = ()) -> list[Path]:
    """Every path that leads somewhere, through tables and arrays."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, item in items for deeper in paths_in(item, (*path, key)))]


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # in order too, and True is not 1


def alike(one: Any, other: Any) -> bool:
    """The same but for the order of keys."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return same(one, other)


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        pytest.param(
            {"t": {"a": 1, "b": 2}}, {"t": {"b": 3, "c": 4}}, {"t": {"a": 1, "b": 3, "c": 4}}, id="table, table"
        ),
        pytest.param(
            {"t": {"u": {"a": 1}}}, {"t": {"u": {"b": 2}}}, {"t": {"u": {"a": 1, "b": 2}}}, id="table, table, deeper"
        ),
        pytest.param({"t": {"a": 1}}, {"t": {}}, {"t": {"a": 1}}, id="table, empty table"),
        pytest.param({"k": 1}, {"k": 2}, {"k": 2}, id="scalar, scalar"),
        pytest.param({"k": "x"}, {"k": False}, {"k": False}, id="scalar, falsy scalar"),
        pytest.param({"k": [1, 2]}, {"k": 3}, {"k": 3}, id="array, scalar"),
        pytest.param({"k": {"a": 1}}, {"k": 3}, {"k": 3}, id="table, scalar"),
        pytest.param({"k": [1, 2, 3]}, {"k": [4]}, {"k": [4]}, id="array, array"),
        pytest.param({"k": [{"a": 1}]}, {"k": [{"b": 2}]}, {"k": [{"b": 2}]}, id="array of tables, array of tables"),
        pytest.param({"k": {"a": 1}}, {"k": []}, {"k": []}, id="table, empty array"),
        pytest.param({"k": 1}, {"k": [4]}, {"k": [4]}, id="scalar, array"),
        pytest.param({"k": 1}, {"k": {"a": 2}}, {"k": {"a": 2}}, id="scalar, table"),
        pytest.param({"k": [{"a": 1}]}, {"k": {"b": 2}}, {"k": {"b": 2}}, id="array, table"),
        pytest.param({}, {"k": {"a": 1}}, {"k": {"a": 1}}, id="absent, anything"),
        pytest.param({"k": {"a": 1}}, {}, {"k": {"a": 1}}, id="anything, absent"),
    ],
)
def test_the_table(below: Values, above: Values, merged: Values) -> None:
    assert overlay(below, above) == merged
    assert merge([below, above]) == merged
    assert merge([{"n": {"m": below}}, {"n": {"m": above}}]) == {"n": {"m": merged}}


def test_nothing() -> None:
    assert merge([]) == {}


@given(stacks)
def test_is_what_the_model_says(stack: list[Values]) -> None:
    assert alike(merge(stack), model(stack))


@given(shaped, shaped, shaped)
def test_is_associative_where_tables_stay_tables(a: Values, b: Values, c: Values) -> None:
    left = overlay(overlay(a, b), c)
    assert same(left, overlay(a, overlay(b, c)))
    assert same(left, merge([a, b, c]))
    assert same(left, merge(iter([a, b, c])))


def test_merges_from_the_lowest_up() -> None:
    """What pushed a table out does not bring it back when it is pushed out itself."""
    assert merge([{"t": {"a": 1}}, {"t": 5}, {"t": {"b": 2}}]) == {"t": {"b": 2}}


@given(layers)
def test_nothing_is_neutral(layer: Values) -> None:
    assert same(overlay({}, layer), layer)
    assert same(overlay(layer, {}), layer)
    assert same(overlay(layer, layer), layer)


@given(stacks)
def test_changes_no_input(stack: list[Values]) -> None:
    before = copy.deepcopy(stack)
    merged = merge(stack)
    assert same(stack, before)
    assert all(merged is not layer for layer in stack)


@given(layers, layers)
def test_the_later_wins(below: Values, above: Values) -> None:
    merged = overlay(below, above)
    for path, value in flattened(above, ()):
        if value != {}:
            assert same(follow(merged, path), value)
    assert merged.keys() == below.keys() | above.keys()


@examples(300)
@given(stacks, paths)
def test_trace_agrees_with_merge(stack: list[Values], path: Path) -> None:
    merged = merge(stack)
    known = {deeper for layer in stack for deeper in paths_in(layer)}
    for each in {path, *known}:
        traced = list(trace(stack, each))
        value = follow(merged, each)
        counting = [(index, said) for index, said, counts in traced if counts]
        assert (value is ABSENT) == (not counting)
        assert [index for index, _, _ in traced] == sorted({index for index, _, _ in traced}, reverse=True)
        if counting and isinstance(value, dict):
            assert alike(value, model([said for _, said in reversed(counting)]))
        elif counting:
            assert same(counting[0][1], value)
            assert traced[0] == (*counting[0], True)
            assert len(counting) == 1
        # Whoever says something is told, whether it counts or not.
        assert {index for index, _, _ in traced} == {n for n, layer in enumerate(stack) if each in paths_in(layer)}


@pytest.mark.parametrize(
    ("stack", "path", "expected"),
    [
        ([{"a": 1}, {"a": 2}, {"a": 3}], ("a",), [(2, 3, True), (1, 2, False), (0, 1, False)]),
        ([{"t": {"a": 1}}, {}, {"t": {"b": 2}}], ("t",), [(2, {"b": 2}, True), (0, {"a": 1}, True)]),
        (
            [{"t": {"a": 1}}, {"t": 5}, {"t": {"b": 2}}],
            ("t",),
            [(2, {"b": 2}, True), (1, 5, False), (0, {"a": 1}, False)],
        ),
        ([{"t": {"a": 1}}, {"t": 5}], ("t", "a"), [(0, 1, False)]),
        ([{"t": {"a": 1}}, {"t": [{"a": 2}]}], ("t", "a"), [(0, 1, False)]),
        ([{"t": {"a": 1}}, {"t": {"b": 2}}], ("t", "a"), [(0, 1, True)]),
        ([{"l": [{"a": 1}]}, {"l": [{"b": 2}]}], ("l", 0), [(1, {"b": 2}, True), (0, {"a": 1}, False)]),
        ([{"l": [{"a": 1}]}, {"l": [{"b": 2}]}], ("l", 0, "a"), [(0, 1, False)]),
        ([{"l": [1, 2]}, {"l": [3]}], ("l", 1), [(0, 2, False)]),
        ([{"l": [1, 2]}], ("l", "1"), []),
        ([{"s": "text"}], ("s", 0), []),
        ([{"t": {"a": 1}}], ("t", 0), []),
        ([{"a": 1}], (), [(0, {"a": 1}, True)]),
        ([], ("a",), []),
    ],
)
def test_trace(stack: list[Values], path: Path, expected: list[tuple[int, Any, bool]]) -> None:
    assert list(trace(stack, path)) == expected


@given(nodes, paths)
def test_follow(value: Any, path: Path) -> None:
    assert follow(value, path) is reduce(step, path, value)


def step(value: Any, part: Any) -> Any:
    known = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
    return value[part] if part in known else ABSENT
