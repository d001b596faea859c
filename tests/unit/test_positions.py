"""Where keys and values stand: compared with what the parser reads from the spans, and with where it says they are."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import toml_rs
from hypothesis import assume, given
from hypothesis import strategies as st
from support.examples import examples
from support.toml_texts import documents, soups

from hotsettings._layers.toml import positions as positions_module
from hotsettings._layers.toml.positions import Lines, Path, Place, covered, line_column, places


def paths(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key), inner
        yield from paths(inner, (*path, key))


def spans(text: str) -> list[tuple[Path, str, str]]:
    return [(path, text[slice(*place.key)], text[slice(*place.value)]) for path, place in places(text)]


def first(text: str, path: Path) -> Place:
    return next(place for found, place in places(text) if found == path)


@examples(300)
@given(documents())
def test_spans_hold_what_the_parser_reads(text: str) -> None:
    values = dict(paths(toml_rs.loads(text)))
    found = list(places(text))
    assert {path for path, _ in found} == set(values)
    for path, (key, value) in found:
        written_key, written = text[slice(*key)], text[slice(*value)]
        if key != value:
            assert toml_rs.loads(written_key + "=0") == {path[-1]: 0}
        elif isinstance(path[-1], str):
            assert toml_rs.loads(f"[{written_key}]") == {path[-1]: {}}
            assert isinstance(values[path], dict | list)
            continue
        elif isinstance(values[path], dict) and not written.startswith("{"):
            assert toml_rs.loads(f"[{written_key}]") == {path[-2]: {}}
            continue
        # repr, because NaN equals nothing and 1 == 1.0 == True
        assert repr(toml_rs.loads("x = " + written)["x"]) == repr(values[path])


@examples(200)
@given(documents())
def test_order_is_that_of_the_text(text: str) -> None:
    found = list(places(text))
    assert [place.key[0] for _, place in found] == sorted(place.key[0] for _, place in found)
    for (path, place), (inner_path, inner) in itertools.pairwise(found):
        if place.value[0] <= inner.key[0] < place.value[1] and place != inner:
            assert inner_path[: len(path)] == path
            assert inner.value[1] < place.value[1]


@examples(200)
@given(documents())
def test_agrees_with_the_metadata_of_the_parser(text: str) -> None:
    at: dict[Path, Place] = {}
    for path, place in places(text):
        at.setdefault(path, place)

    def check(node: dict[str, Any], path: Path) -> None:
        for name, entry in node.items():
            here = (*path, name)
            if "key_line" not in entry:  # made by headers or dotted keys, which have no place there
                check(entry, here)
                continue
            if not entry.get("value_raw", "[[").startswith("[["):  # not made by headers of arrays of tables
                place = at[here]
                assert begin(entry, "key") == byte_position(text, place.key[0])
                assert begin(entry, "value") == byte_position(text, place.value[0])
            below(entry.get("value"), here)

    def below(value: Any, path: Path) -> None:
        if isinstance(value, dict):
            check(value, path)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if not item.get("value_raw", "[[").startswith("[["):
                    assert begin(item, "value") == byte_position(text, at[*path, index].value[0])
                below(item.get("value"), (*path, index))

    check(toml_rs.load_with_metadata(text).meta["nodes"], ())


def begin(entry: dict[str, Any], what: str) -> tuple[int, int]:
    """The line and the column of its first byte, either of which may be a pair of first and last."""
    line, column = (entry[f"{what}_{of}"] for of in ("line", "col"))
    return line[0] if isinstance(line, tuple) else line, column[0] if isinstance(column, tuple) else column


def byte_position(text: str, offset: int) -> tuple[int, int]:
    """The parser counts columns in bytes."""
    line, column = line_column(text, offset)
    return line, len(text[offset - column + 1 : offset].encode()) + 1


def test_tables_of_all_kinds() -> None:
    text = "a.'b c'.d = 1\n[t]\n[t.\"u\\u0041\"]\nk = {x.y = [2, {z = 3}]}\n"
    assert spans(text) == [
        (("a",), "a", "a"),
        (("a", "b c"), "'b c'", "'b c'"),
        (("a", "b c", "d"), "d", "1"),
        (("t",), "t", "t"),
        (("t",), "t", "t"),
        (("t", "uA"), '"u\\u0041"', '"u\\u0041"'),
        (("t", "uA", "k"), "k", "{x.y = [2, {z = 3}]}"),
        (("t", "uA", "k", "x"), "x", "x"),
        (("t", "uA", "k", "x", "y"), "y", "[2, {z = 3}]"),
        (("t", "uA", "k", "x", "y", 0), "2", "2"),
        (("t", "uA", "k", "x", "y", 1), "{z = 3}", "{z = 3}"),
        (("t", "uA", "k", "x", "y", 1, "z"), "z", "3"),
    ]


def test_arrays_of_tables_go_to_their_last_element() -> None:
    text = "[[a]]\nk=1\n[[a.b]]\n[[a.b]]\n[a.b.c]\nk=2\n[[a]]\n[[ a . b ]]\nk=3\n"
    assert [path for path, _ in places(text)] == [
        *(("a",), ("a", 0), ("a", 0, "k")),
        *(("a",), ("a", 0, "b"), ("a", 0, "b", 0)),
        *(("a",), ("a", 0, "b"), ("a", 0, "b", 1)),
        *(("a",), ("a", 0, "b"), ("a", 0, "b", 1, "c"), ("a", 0, "b", 1, "c", "k")),
        *(("a",), ("a", 1)),
        *(("a",), ("a", 1, "b"), ("a", 1, "b", 0), ("a", 1, "b", 0, "k")),
    ]
    last = text.rindex("b"), text.rindex("b") + 1
    assert first(text, ("a", 1, "b", 0)) == Place(last, last)


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", " \t\r\n#", "\ufeff", "\ufeff# x"])
def test_nothing(text: str) -> None:
    assert list(places(text)) == []


def test_a_byte_order_mark_counts_as_a_character() -> None:
    assert list(places("\ufeffk = 1")) == [(("k",), Place((1, 2), (5, 6)))]


def test_is_lazy() -> None:
    assert next(places("k = 1\n???")) == (("k",), Place((0, 1), (4, 5)))


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (4, (2, 2)), (5, (3, 1)), (6, (3, 2))],
)
def test_line_column(offset: int, expected: tuple[int, int]) -> None:
    assert line_column("é😀\n\r\nx", offset) == expected


BROKEN = [
    *("a", "a=", "a=[", "a=[1", "a={", "a={b", "a={b=", "[a", "[", "a=]", "a." * 9, "a=" + "[" * 10_000),
    *("[a = 1]", "a = [[1], [", "a = {b = [", "a = ['x", "a = [ #]", "a. = 1", "a b = 1", "= 1", "?=1"),
    *(r'"\uzzzz" = 1', r'["\q"]', r'a = {"\ud800" = 1}', 'a = 1\n"', "\x00", "a = {23:59:60, ?=2}", "\ufeff\ufeff"),
]


@examples(300)
@given(soups | documents() | st.tuples(documents(), st.sampled_from(BROKEN)).map("\n".join) | st.text())
def test_a_walk_over_any_text_ends_quietly(text: str) -> None:
    whole = list(places(text))
    assert all(0 <= start <= end <= len(text) for _, place in whole for start, end in place)
    assert list(places(text, [("nowhere",)])) == []
    spans = list(covered(text, [("a",)], frozenset({"b"})))
    assert spans == sorted(spans, key=lambda span: span[0])


@examples(100)
@given(documents(), st.sampled_from(BROKEN))
def test_what_comes_before_the_mistake_is_found(text: str, broken: str) -> None:
    assume("\n" in text or not text)
    before = list(places(text))
    assert list(places(f"{text}\n{broken}"))[: len(before)] == before


def test_of_a_broken_statement_comes_what_was_understood() -> None:
    text = "T = {a = 23:59:60, b = [1], ?=2}\nc = 1"
    assert {path: text[slice(*place.value)] for path, place in places(text)} == {
        ("T",): "{",
        ("T", "a"): "23:59:60",
        ("T", "b"): "[1]",
        ("T", "b", 0): "1",
    }


def test_what_is_not_understood_is_covered() -> None:
    """A secret could stand in it."""
    assert list(covered("d = 1\na = [2, [3\nc = 4", [("a", 0), ("d",)], frozenset())) == [(4, 5), (5, 22)]
    assert list(covered("d = 1\n[e\nc = 4", [("d",)], frozenset())) == [(4, 5), (5, 14)]
    assert list(covered("d = 1\n # the end \n", [("d",)], frozenset())) == [(4, 5)]


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{n}=1\n" for n in range(40_000)),
        "a=[" + "1," * 60_000 + "]",
        "a=[" + "{b=1}," * 20_000 + "]",
        "[[a]]\n" * 30_000,
        "#\n" * 100_000,
        'a="' + "\\n" * 100_000 + '"',
        "a='''" + "'x" * 100_000,
        "a=[" + "1 " * 60_000,
    ],
    ids=lambda text: text[:8],
)
def test_time_grows_with_length_alone(text: str) -> None:
    # Anything quadratic would take minutes.
    for _ in places(text):
        pass


@given(st.text())
def test_line_column_of_any_text(text: str) -> None:
    for offset in range(len(text) + 1):
        line, column = line_column(text, offset)
        assert offset == sum(len(before) + 1 for before in text.split("\n")[: line - 1]) + column - 1


@examples(200)
@given(documents(), st.randoms(use_true_random=False))
def test_what_is_wanted_comes_and_nothing_is_made_up(text: str, rng: Any) -> None:
    full = list(places(text))
    known = sorted({path for path, _ in full}, key=repr)
    wanted = {*rng.sample(known, min(len(known), rng.randint(0, 3))), ("nowhere",), ()}
    told = list(places(text, wanted))
    assert [each for each in told if each[0] in wanted] == [each for each in full if each[0] in wanted]
    assert all(each in full for each in told)


@examples(300)
@given(documents(), st.randoms(use_true_random=False))
def test_covers_what_is_at_and_below(text: str, rng: Any) -> None:
    """Character by character: all of the values asked for, and nothing else."""
    full = list(places(text))
    known = sorted({path for path, _ in full}, key=repr)
    wanted = set(rng.sample(known, min(len(known), rng.randint(0, 2))))
    names = frozenset(rng.sample(["a", "b", "", "é", "\n", "key-1"], rng.randint(0, 2)))
    found = list(covered(text, wanted, names))
    assert found == sorted(found, key=lambda span: span[0])
    expected: set[int] = set()
    for path, place in full:
        if names & set(path) or any(path[:end] in wanted for end in range(1, len(path) + 1)):
            expected.update(range(*place.value))
    assert {offset for span in found for offset in range(*span)} == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a = [{b = 1, TOKEN = [2]}, {TOKEN.x = 3}]", ["[2]", "TOKEN", "3"]),
        ('a = [{"T\\u004fKEN" = 1}, [[{"TOKEN" = {}}]]]', ["1", "{}"]),
        ("[a.TOKEN]\nb = 1\n[[c]]\n[[c.TOKEN]]\nd = 2", ["TOKEN", "1", "TOKEN", "TOKEN", "2"]),
        ("a = 'TOKEN = 1'\nb = [1, 'TOKEN']\nTOKENS = 5", []),
        ("x.TOKEN.y = [1, [2]]\nx.y.z = 'TOKEN'", ["TOKEN", "[1, [2]]"]),
        ("secret = {a = [1]}\nsecrets = 1\n[t]\nsecret = 2", ["{a = [1]}"]),
        ("[secret.a]\nb = [1]\n[secret]\nc = 2", ["secret", "a", "[1]", "secret", "2"]),
    ],
)
def test_covers_names_anywhere(text: str, found: list[str]) -> None:
    assert [
        text[start:stop] for start, stop in covered(text, [("secret",), ("secret", "a")], frozenset({"TOKEN"}))
    ] == found
    assert [
        text[start:stop] for start, stop in covered(text, [("secret", "a"), ("secret",)], frozenset({"TOKEN"}))
    ] == found


def test_what_nobody_wants_costs_little() -> None:
    """In the number of places that are made, since a clock is no measure."""
    text = "a = [" + '{b = [1, "]", []]}, # ]\n' * 5_000 + "]\nc = 1\n" + "[d.e]\nf = 1\n[[g]]\n" + "d = [1]\n" * 1_000
    assert [path for path, _ in places(text, [("c",)])] == [("c",)]
    assert [path for path, _ in places(text, [("a", 7, "b", 1)])] == [("a",), ("a", 7), ("a", 7, "b"), ("a", 7, "b", 1)]


@given(st.text("ab\n中", max_size=50), st.integers(1, 7))
def test_lines_are_those_of_line_column(text: str, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(positions_module, "_BLOCK", block)
        lines = Lines(text)
        for offset in range(len(text) + 1):
            assert lines.place(offset) == line_column(text, offset)


@pytest.mark.parametrize("name", ["PASSWORD", "pass word", "!!", "é", "x-y", ". z"])
@pytest.mark.parametrize("text", ["a = [1, {{ {key} = 'x' }}]", "[t]\na = {{ b.{key} = {{ c = 1 }} }}", "{key} = 1"])
def test_values_under_a_name_are_covered_wherever_it_stands(name: str, text: str) -> None:
    for key in (f'"{name}"', f"'{name}'", '"' + "".join(f"\\u{ord(char):04X}" for char in name) + '"'):
        whole = text.format(key=key)
        assert list(covered(whole, [], frozenset({name})))
    assert not list(covered(text.format(key="other"), [], frozenset({name})))
