"""Dotted keys are what TOML would write, and patterns cover what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotsettings._layers.toml.keys import dotted, quoted, written
from hotsettings._loading.explain import parse_key
from hotsettings._schema.key_patterns import select

# What TOML can hold: no surrogates. And short enough not to be cut. With an equals sign in it a key is not parsed.
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="="), max_size=30)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ((), ""),
        (("db", "port"), "db.port"),
        (("hosts", 2), "hosts[2]"),
        (("hosts", 2, "port"), "hosts[2].port"),
        (("a.b", "c"), '"a.b".c'),
        (("", "c"), '"".c'),
        (('say "hi"', "back\\slash"), r'"say \"hi\""."back\\slash"'),
        (("tab\t", "bell\a", "del\x7f", "tag\U000e0001"), r'"tab\t"."bell\u0007"."del\u007F"."tag\U000E0001"'),
        (("clé",), '"clé"'),
        (("a" * 200,), "a" * 200),
        (("a" * 201,), f'"{"a" * 200}…"'),
        (("é" * 300, "b"), f'"{"é" * 200}…".b'),
    ],
)
def test_dotted(path: tuple[str | int, ...], key: str) -> None:
    assert dotted(path) == key


@given(st.lists(names, min_size=1, max_size=5).map(tuple))
def test_dotted_keys_are_read_back(path: tuple[str, ...]) -> None:
    assert parse_key(dotted(path)) == path


@given(st.text())
def test_quoted_is_one_line_that_no_terminal_obeys(text: str) -> None:
    assert quoted(text).isprintable()
    assert quoted(text)[0] == quoted(text)[-1] == '"'


def test_written_is_never_cut() -> None:
    assert written("a" * 1000) == "a" * 1000
    assert written("é" * 1000) == f'"{"é" * 1000}"'


KEYS = ["LOG_LEVEL", "KAFKA_ID", "KAFKA_URL", "db.host", "db.pool.size", "db.pool.wait", '"a[b]"', '"x.y".z']


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ([], []),
        (["LOG_LEVEL"], ["LOG_LEVEL"]),
        (["KAFKA_*"], ["KAFKA_ID", "KAFKA_URL"]),
        (["db"], ["db.host", "db.pool.size", "db.pool.wait"]),
        (["db.pool"], ["db.pool.size", "db.pool.wait"]),
        (["db.*"], ["db.host", "db.pool.size", "db.pool.wait"]),
        (["*.size", "db.host"], ["db.host", "db.pool.size"]),
        (["db.pool.[sw]*"], ["db.pool.size", "db.pool.wait"]),
        (['"a[b]"'], ['"a[b]"']),
        (['"x.y"'], ['"x.y".z']),
        (["*"], KEYS),
    ],
)
def test_select(patterns: list[str], chosen: list[str]) -> None:
    assert select(KEYS, patterns) == frozenset(chosen)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("LOG_LEVLE", "no key matches 'LOG_LEVLE'; did you mean 'LOG_LEVEL'?"),
        ("kafka_*", "no key matches 'kafka_*'; did you mean 'KAFKA_ID'?"),
        ("", "no key matches ''"),
        ("db.pool.size.more", "no key matches 'db.pool.size.more'; did you mean 'db.pool.size'?"),
        ("d", "no key matches 'd'"),
        ("db.pol", "no key matches 'db.pol'; did you mean 'db.pool'?"),
    ],
)
def test_a_pattern_that_covers_nothing(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match="no key matches") as caught:
        select(iter(KEYS), ["LOG_LEVEL", pattern])
    assert str(caught.value) == message
