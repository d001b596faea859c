"""Carets stand below what they point at, whatever the line holds."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotsettings._layers.toml.excerpts import excerpt, line_around


def pointed(text: str, what: str) -> tuple[str, str]:
    """The excerpt that points at ``what``."""
    start = text.index(what)
    return excerpt(text, start, start + len(what))


@pytest.mark.parametrize(
    ("text", "what", "lines"),
    [
        ('PORT = "5s"', '"5s"', ('     1 | PORT = "5s"', "       |        ^^^^")),
        ("a = 1\nb = 22\nc = 3\n", "22", ("     2 | b = 22", "       |     ^^")),
        ("a = 1\r\nb = 22\r\nc = 3\r\n", "22", ("     2 | b = 22", "       |     ^^")),
        ("\ta\t=\t22", "22", ("     1 |  a = 22", "       |      ^^")),
        ('"ключ" = 22', "22", ('     1 | "ключ" = 22', "       |          ^^")),
        # A wide character takes two columns, one that combines with another none.
        ('"日本" = 22', "22", ('     1 | "日本" = 22', "       |          ^^")),
        ('"e\u0301" = 22', "22", ('     1 | "e\u0301" = 22', "       |       ^^")),
        ('"ก\u0e31" = 22', "22", ('     1 | "ก\u0e31" = 22', "       |       ^^")),
        ('a = "日本"', '"日本"', ('     1 | a = "日本"', "       |     ^^^^^^")),
        # What a terminal would obey.
        ('a = "\x1b[2J\x07\u202e"', '"\x1b[2J\x07\u202e"', ('     1 | a = "�[2J��"', "       |     ^^^^^^^^")),
        # Of a value on several lines the first is shown.
        ('a = """one\ntwo"""', '"""one\ntwo"""', ('     1 | a = """one', "       |     ^^^^^^")),
        ('a = """one\r\ntwo"""', '"""one\r\ntwo"""', ('     1 | a = """one', "       |     ^^^^^^")),
        ("a = [\n  1,\n]", "[\n  1,\n]", ("     1 | a = [", "       |     ^")),
        # Something is pointed at even where nothing is left.
        ("a =", "", ("     1 | a =", "       | ^")),
    ],
)
def test_excerpt(text: str, what: str, lines: tuple[str, str]) -> None:
    assert pointed(text, what) == lines


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_at_the_end_of_a_line(end: str) -> None:
    assert excerpt(f"a ={end}", 3, 4) == ("     1 | a =", "       |    ^")


def test_at_the_line_break_itself() -> None:
    assert excerpt("a =\r\nb", 4, 5) == ("     1 | a =", "       |    ^")


def test_a_number_of_more_than_six_digits_keeps_the_bars_close() -> None:
    line, carets = excerpt("\n" * 1_000_000 + "x", 1_000_000, 1_000_001)
    assert (line, carets) == ("1000001 | x", "       | ^")


@pytest.mark.parametrize("before", [0, 1, 30, 79, 80, 81, 119, 120, 200, 5000])
@pytest.mark.parametrize("after", [0, 1, 39, 41, 80, 5000])
def test_of_a_long_line_the_part_around_the_carets_is_shown(before: int, after: int) -> None:
    text = "x" * before + "HERE" + "y" * after
    line, carets = pointed(text, "HERE")
    assert "HERE" in line
    assert len(line) <= 9 + 1 + 120
    assert carets.index("^") == line.index("HERE")
    assert carets.count("^") == 4
    cut = line[9:].startswith("…")
    assert cut == (before + after + 4 > 120 and before > 40)


def test_a_value_that_is_too_long_is_cut_with_its_carets() -> None:
    line, carets = pointed("key = " + "v" * 500, "v" * 500)
    assert len(line) == len(carets) == 9 + 120


texts = st.text(st.sampled_from("ab =\"'\t\n\r\x00\x1b日e\u0301\u0e31\u202e\x85") | st.characters(), max_size=300)


@given(texts, st.data())
def test_any_excerpt_is_two_lines_that_no_terminal_obeys(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    line, carets = excerpt(text, start, end)
    assert line.isprintable()
    assert carets.replace("^", " ").strip() == "|"
    assert "^" in carets
    columns = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line[9:])
    assert len(carets) - 9 <= columns + 1


@given(texts, st.data())
def test_line_around(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    first, last = line_around(text, offset)
    assert first <= offset <= last
    assert "\n" not in text[first:last]
    assert first == 0 or text[first - 1] == "\n"
    assert last == len(text) or text[last] == "\n"
