"""A misspelt key is told what it probably means, and a text that could hold one is recognised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.steps import steps

from hotsettings._layers.toml.spelling import Budget, MisspeltKeys, Vocabulary, closest, misspells


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
    key, found = key.casefold(), Vocabulary(names).closest(key)
    alike = {name: 2 * common(key, name.casefold()) / (len(key + name.casefold()) or 1) for name in names if key}
    best = max(alike.values(), default=0)
    assert (best >= 0.7) is (found is not None)
    assert found is None or alike[found] == best


def test_names_of_very_many_characters() -> None:
    names = ["".join(chr(0x4E00 + number * 100 + at) for at in range(100)) for number in range(60)]
    assert [closest(name[:-1] + "!", names) for name in names] == names


def test_a_search_that_has_spent_its_budget_finds_nothing() -> None:
    names = Vocabulary(["PASSWORD"] * 3, Budget(1))
    assert names.closest("PASSWROD") is None
    assert names.exhausted
    misspelt = MisspeltKeys([f"PASSWORD_{number}" * 10 for number in range(5000)])
    for number in range(40):
        misspelt.found_in(f"{'PSASWORD_' * 10}{number}{number} = 1")
    assert misspelt.found_in("PSASWORD_" * 10 + " = 1")  # it could be, so far as is known
    assert not MisspeltKeys(()).found_in("PSASWORD = 1")


def test_a_key_that_many_texts_hold_is_looked_up_once() -> None:
    misspelt = MisspeltKeys(["PASSWORD", "TOKEN"])
    first = steps(lambda: misspelt.found_in("PSASWORD = 1"))
    again = steps(lambda: misspelt.found_in("[a]\nPSASWORD = 2"))
    assert again < first / 2
    assert misspelt.found_in("psasword = 3")


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
