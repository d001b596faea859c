"""A misspelt key is told what it probably means, and a text that could hold one is recognised."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.steps import steps

from hotsettings._layers.toml.spelling import Budget, MisspeltKeys, Vocabulary, closest, misspells
from integr8scode.settings import Settings as Keys


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


NAMES = ["ext", "port", "url", "db_host", "max", "x-y-z", "otp", "log_level"]


@pytest.mark.parametrize(
    ("key", "near"),
    [
        *(("exd", "ext"), ("etx", "ext"), ("EXR", "ext"), ("prot", "port"), ("uri", "url"), ("mx", "max")),
        *(("db-host", "db_host"), ("DB-HOST", "db_host"), ("dbHost", "db_host"), ("x_y_z", "x-y-z")),
        *(("top", "otp"), ("gpu", None), ("bxt", None), ("tex", None), ("mux", "max"), ("ttl", None)),
    ],
)
def test_a_slip_in_a_short_name(key: str, near: str | None) -> None:
    assert closest(key, NAMES) == near


def test_a_short_name_is_no_guess_if_two_or_very_many_are_as_similar() -> None:
    assert closest("mac", ["max", "url"]) == "max"
    assert closest("mac", ["max", "mad"]) is None
    assert closest("mac", ["max", *(f"{number:03}" for number in range(10))]) is None
    assert not misspells("mac = 1", ["max"])


KEYS = [name for name in Keys.__struct_fields__ if "_" in name]
FOREIGN = """
    timeout retries backoff endpoint region bucket zone color theme locale currency tax vat fee sum avg hot raw fan hub mac lan
    wan vpn nat arp tcp udp aes rsa sha crc xml csv pdf png svg gif zip tar bin hex oct hour day sku upc org com box row col tab
    bar map set get put add sub mul div pow cos tan abs str obj arr var ref ptr buf idx cnt debug verbose quiet strict force
""".split()  # noqa: SIM905 - a list of ninety lines says no more


def slips(name: str) -> Iterator[str]:
    """A letter left out, one too many, another one, and two that are swapped, at each place."""
    for at in range(len(name)):
        yield name[:at] + name[at + 1 :]
        yield name[:at] + "q" + name[at:]
        yield name[:at] + "q" + name[at + 1 :]
        yield name[:at] + name[at : at + 2][::-1] + name[at + 2 :]


def test_a_slip_in_a_long_key_is_always_understood_and_foreign_words_hardly_ever_are() -> None:
    names = Vocabulary(KEYS, Budget(10**9))
    assert [(slip, key) for key in KEYS for slip in slips(key) if names.closest(slip) != key] == []
    for vocabulary in (KEYS, NAMES, ["host", "port", "url", "user", "name", "size", "ttl", "db", "ssl", "key", "env"]):
        guessed = [word for word in FOREIGN if closest(word, vocabulary)]
        assert len(guessed) <= 2, guessed


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
    if best >= 0.7 or found is None:
        assert (best >= 0.7) is (found is not None)
        assert found is None or alike[found] == best
    else:  # of three letters one is another, or two are swapped
        assert len(key) == len(found) == 3
        assert sum(map(str.__ne__, key, found.casefold())) in (1, 2)


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
