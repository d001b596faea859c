"""What is written as TOML is read back as it was."""

import datetime
import math
from typing import Any

import pytest
import toml_rs
from hypothesis import given
from hypothesis import strategies as st

from hotsettings._layers.toml.values import toml
from hotsettings._live.snapshot import same
from hotsettings._schema.masking import HIDDEN

texts = st.text(st.characters(exclude_categories=["Cs"]))
# TOML has offsets of whole minutes.
zones = st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    texts,
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=zones),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


def frozen(value: Any) -> Any:
    """Lists as tuples: how `same` knows them."""
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, list) else value


@given(values)
def test_round_trip(value: Any) -> None:
    text = toml(value)
    assert text.isprintable()
    assert same(frozen(toml_rs.loads(f"value = {text}")["value"]), frozen(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (-3, "-3"),
        (1.5, "1.5"),
        (1e22, "1e+22"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        ('say "hi"\n\\', r'"say \"hi\"\n\\"'),
        ("\x1b[31m\x7f\u2028", r'"\u001B[31m\u007F\u2028"'),
        (datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.UTC), "2024-02-29T12:30:00+00:00"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.time(12, 30), "12:30:00"),
        ([1, (2, "a")], '[1, [2, "a"]]'),
        ({}, "{}"),
        ({"a": 1, "b c": {"d": []}}, '{ a = 1, "b c" = { d = [] } }'),
        ({"k" * 300: 1}, f"{{ {'k' * 300} = 1 }}"),
        (None, "not set"),
        (HIDDEN, "********"),
        ([HIDDEN], "[********]"),
    ],
)
def test_written(value: Any, text: str) -> None:
    assert toml(value) == text
