"""Dotted keys are what TOML would write, and patterns cover what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotsettings.explain import parse_key
from hotsettings.keys import Effort, Misspelt, Names, closest, dotted, misspells, quoted, select, written

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


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("KAFKA_GRUOP_ID", "KAFKA_GROUP_ID"),
        ("kafka_group_id", "KAFKA_GROUP_ID"),
        ("KAFKA_GROUP_IDS", "KAFKA_GROUP_ID"),
        ("KAFKA_GROUP_ID" + "!" * 1000, None),
        ("PORT", None),
        ("", None),
    ],
)
def test_closest(key: str, near: str | None) -> None:
    assert closest(key, ["LOG_LEVEL", "KAFKA_GROUP_ID", "WEB_CONCURRENCY"]) == near


words = st.text("aAbBcß中", max_size=9)


def common(one: str, other: str) -> int:
    """The length of the longest common subsequence, as its definition says."""
    if not one or not other:
        return 0
    if one[-1] == other[-1]:
        return common(one[:-1], other[:-1]) + 1
    return max(common(one[:-1], other), common(one, other[:-1]))


@given(words, st.lists(words, max_size=6))
def test_the_closest_is_the_most_alike(key: str, names: list[str]) -> None:
    key, found = key.casefold(), Names(names).closest(key)
    alike = {name: 2 * common(key, name.casefold()) / (len(key + name.casefold()) or 1) for name in names if key}
    best = max(alike.values(), default=0)
    assert (best >= 0.7) is (found is not None)
    assert found is None or alike[found] == best


def test_names_of_very_many_characters() -> None:
    names = ["".join(chr(0x4E00 + number * 100 + at) for at in range(100)) for number in range(60)]
    assert [closest(name[:-1] + "!", names) for name in names] == names


def test_a_search_that_found_nothing_for_want_of_effort() -> None:
    names = Names(["PASSWORD"] * 3, Effort(1))
    assert names.closest("PASSWROD") is None
    assert names.exhausted
    misspelt = Misspelt([f"PASSWORD_{number}" * 10 for number in range(5000)])
    for number in range(40):
        misspelt.stands_in(f"{'PSASWORD_' * 10}{number}{number} = 1")
    assert misspelt.stands_in("PSASWORD_" * 10 + " = 1")  # it could be, so far as is known
    assert not Misspelt(()).stands_in("PSASWORD = 1")


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("passwrod = 'x'", True),
        ("a = { b = 1, PASSWORD='x' }", True),
        ('"pasword" = "x', True),
        ("'DB_PASSWORD'\t= 1", True),
        ("db.passwort=1", True),
        ("password: x", True),
        ("tokne", False),
        ("TOKEN_TTL = 5", False),
        ("tokens = 5", False),
        ("port = 'password' # passwrod", False),
        ("host = 1\nport = 2\n", False),
        ("".join(f"a{number} = 1\n" for number in range(501)), True),
    ],
)
def test_misspells(text: str, possible: bool) -> None:
    assert misspells(text, ["token", "password"], known=["Tokens", "port"]) is possible
    assert not misspells(text, [])


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
