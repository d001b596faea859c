"""The guard is never under the parser: compared with a lexer written out, and with the parser itself on a small stack."""

import time
from typing import Any

import pytest
import toml_rs
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.toml_texts import documents, soups

from hotsettings._layers.toml.limits import MAX_DEPTH, Hazard, hazard, unfit

TOO_DEEP = "nested more than 32 levels deep"
TOO_MANY_PARTS = "a key of more than 33 dotted parts"
TOO_LONG = "an integer outside 64 bits"
# What the guard may let through beyond the limits it names, since only more than this is dangerous.
DEPTH, PARTS, DIGITS = 105, 510, 4000

# Makes a text long and bracketed enough for every stage of the guard to be passed through, and changes nothing else.
BALLAST = "".join(f'\nballast{n} = [#"\n]' for n in range(120)) + "\n" + "#" * 5000 + "\n"


def tokens(text: str) -> list[tuple[str, str]]:
    """What the parser's lexer makes of a text, character by character: (kind, token)."""
    found = []
    at = 1 if text[:1] == "\ufeff" else 0
    while at < len(text):
        start, char = at, text[at]
        kind = char
        if char in ".=,[]{}":
            at += 1
        elif char in " \t":
            while text[at : at + 1] in {" ", "\t"}:
                at += 1
            kind = " "
        elif char in "\r\n":
            at += 2 if text[at : at + 2] == "\r\n" else 1
            kind = "\n"
        elif char == "#":
            while at < len(text) and text[at] not in "\r\n":
                at += 1
        elif char in "\"'":
            at = end_of_string(text, at)
            kind = "part"
        else:
            while at < len(text) and text[at] not in ".=,[]{} \t#\r\n":
                at += 1
            kind = "part"
        found.append((kind, text[start:at]))
    return found


def end_of_string(text: str, at: int) -> int:
    quote = text[at]
    many = text.startswith(quote * 3, at)
    at += 3 if many else 1
    while at < len(text):
        if quote == '"' and text[at] == "\\":
            at += 2 if text[at + 1 : at + 2] in {"\\", '"'} else 1
        elif many and text.startswith(quote * 3, at):
            at += 3
            for _ in range(2):
                at += text[at : at + 1] == quote
            return at
        elif not many and text[at] == quote:
            return at + 1
        elif not many and text[at] == "\n":
            return at
        else:
            at += 1
    return at


def measures(text: str) -> tuple[int, int]:
    """The deepest nesting the parser could reach, and the most dotted parts of anything."""
    opened: list[str] = []
    depth = parts = dots = 0
    before = ""
    for kind, _ in tokens(text):
        if kind == ".":
            dots += 1
            parts = max(parts, dots + 1)
        elif kind not in {" ", "part"} or kind == before == "part":  # two parts in a row belong to no key
            dots = 0
        before = before if kind == " " else kind
        if kind in {"[", "{"}:
            opened.append(kind)
            depth = max(depth, len(opened))
        elif kind in {"]", "}"} and opened and opened[-1] == {"]": "[", "}": "{"}[kind]:
            opened.pop()
    return depth, parts


def is_never_under(text: str) -> None:
    depth, parts = measures(text)
    found = hazard(text)
    if found is None:
        assert depth <= DEPTH
        assert parts <= PARTS or len(text) <= 4000
    else:
        assert 0 <= found.offset < len(text)
    # With ballast in front nothing is let through on account of its counts. It closes everything it opens.
    mark = "\ufeff" * text.startswith("\ufeff")
    text = mark + BALLAST + text.removeprefix(mark)
    found = hazard(text)
    reasons = {TOO_DEEP} if depth > MAX_DEPTH else set()
    reasons |= {TOO_MANY_PARTS} if parts > MAX_DEPTH + 1 else set()
    assert ({found.reason} if found else set()) <= reasons
    if reasons:
        assert found is not None
    if found is not None and found.reason == TOO_DEEP:
        assert measures(text[: found.offset])[0] == MAX_DEPTH
        assert text[found.offset] in "[{"


# Soup in which brackets pile up: no closers, and every piece many times.
piles = st.lists(st.tuples(soups, st.integers(1, 200)), max_size=4).map(lambda piles: "".join(s * n for s, n in piles))


@examples(500)
@given(soups | st.builds("{}{}".format, st.just("\ufeff"), soups))
def test_reads_as_the_lexer_does(text: str) -> None:
    is_never_under(text.replace("[", "[" * 9).replace("{", "{" * 9))


@examples(200)
@given(piles)
def test_is_never_under_a_pile(text: str) -> None:
    is_never_under(text)


@examples(200)
@given(st.lists(soups, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_quick_bound_is_never_under(soup: list[str], rng: Any) -> None:
    # Many lines with brackets that close, so that only the bound by whole pairs stands before the answer.
    pairs = [
        "[a]",
        "[[a]]",
        '["a", "b"]',
        "['a]', 1]",
        "{a = 1}",
        '{a = "}"}',
        "[[a]",
        "[#]",
        '["]',
        "['",
        '[a"b "]',
        '["""]"""]',
    ]
    lines = [rng.choice([*pairs, *soup]) for _ in range(400)]
    is_never_under("\n".join(lines))


@examples(200)
@given(documents())
def test_valid_documents_pass(text: str) -> None:
    assert hazard(text) is None
    assert hazard("\ufeff" + text) is None
    assert hazard(BALLAST + text) is None
    many = BALLAST + "".join(f"[[a{n}]]\nb = [\n1, {{c = [1]}}]\n" for n in range(60))
    assert hazard(many + text) is None
    assert unfit(toml_rs.loads(text)) is None


@pytest.mark.parametrize("front", ["", BALLAST, "\ufeff" + BALLAST], ids=["alone", "ballast", "mark"])
@pytest.mark.parametrize(
    ("opener", "closer"), [("[", "]"), ("{a=", "}"), ("[ #]\n", "]"), ("['a]', ", "]"), ('{ a"={a=', "}}")]
)
def test_depth_limit(front: str, opener: str, closer: str) -> None:
    each = opener.count("[") + opener.count("{")
    fine = front + "a=" + opener * (32 // each) + "1" + closer * (32 // each)
    assert hazard(fine) is None
    assert hazard(fine + "\nb=" + opener * (32 // each)) is None
    if each == 1:
        values = {"a": toml_rs.loads(fine)["a"]}
        assert unfit(values) is None
        assert unfit({"a": [values["a"]]}) == (path_of_33({"a": [values["a"]]}), TOO_DEEP)
    many = front + "a=" + opener * 400
    found = hazard(many)
    assert found is not None
    assert found.reason == TOO_DEEP
    assert measures(many[: found.offset + 1]) == (33, 0)


def path_of_33(values: dict[str, Any]) -> tuple[str | int, ...]:
    path: list[str | int] = []
    node: Any = values
    while len(path) < 33:
        key, node = list(node.items() if isinstance(node, dict) else enumerate(node))[-1]
        path.append(key)
    return tuple(path)


def test_where_it_nests_too_deep() -> None:
    text = BALLAST + "a=" + "[" * 33
    assert hazard(text) == Hazard(len(text) - 1, TOO_DEEP)


@pytest.mark.parametrize("dot", [".", " . ", "\t."])
@pytest.mark.parametrize("part", ["a", '"a.b"', "'a'", '""', "1"])
@pytest.mark.parametrize(
    ("left", "right"), [("", "=1"), ("[", "]"), ("[[", "]]"), ("x={", "=1}"), ("x=[{y=1,", "=1}]")]
)
def test_dotted_parts(dot: str, part: str, left: str, right: str) -> None:
    comment = "#" * 1000 + "." * 400 + "\n"
    assert hazard(comment + left + dot.join([part] * 33) + right) is None
    line = left + dot.join([part] * 400) + right
    found = hazard(BALLAST + line + "#" * 1000)
    assert found == Hazard(len(BALLAST) + line.index(dot.strip(), len(left + part)), TOO_MANY_PARTS)


def test_dotted_parts_are_held_exactly_by_unfit() -> None:
    assert unfit(toml_rs.loads(".".join("a" * 33) + "=1")) is None
    assert unfit(toml_rs.loads(".".join("a" * 34) + "=1")) == (("a",) * 33, TOO_DEEP)
    assert unfit(toml_rs.loads(".".join("a" * 33) + "=[]")) == (("a",) * 33, TOO_DEEP)
    assert unfit(toml_rs.loads("[" + ".".join("a" * 32) + "]")) is None
    assert unfit(toml_rs.loads("[" + ".".join("a" * 33) + "]")) == (("a",) * 33, TOO_DEEP)
    assert unfit(toml_rs.loads(".".join("a" * 10_000) + "=1")) == (("a",) * 33, TOO_DEEP)


NUMBER = "1" * 5000


@pytest.mark.parametrize(
    ("before", "after"),
    [
        *(
            ("a=", ""),
            ("a = +", "\n"),
            ("a=-", "#"),
            ("a=[", "]"),
            ("a=[1,\n\t", ",]"),
            ("a={b=[[1,2],", "]}"),
            ("a={b=", "}"),
        ),
        *(
            ("[1]\na=", ""),
            ("a=1_", "_1"),
            ("a=", " .5"),
            ("a=", "=1"),
            ("x=[[1],\n", "]"),
            ("x=[[],[", "]]"),
            ("x=[{}, ", "]"),
        ),
    ],
)
@pytest.mark.parametrize("front", ["", BALLAST], ids=["alone", "ballast"])
def test_long_integers(front: str, before: str, after: str) -> None:
    found = hazard(front + before + NUMBER + after)
    assert found is not None
    assert found.reason == TOO_LONG
    assert (front + before + NUMBER + after)[found.offset :].lstrip("+-1_")[:1] in {"", *after}


@pytest.mark.parametrize(
    "text",
    [
        *(
            NUMBER + "=1",
            f"a.{NUMBER}=1",
            f"{NUMBER}.a=1",
            f"[{NUMBER}]",
            f"[[{NUMBER}]]",
            f"[a.{NUMBER}]",
            f"a={{{NUMBER}=1}}",
        ),
        *(f"a={{b=1, {NUMBER} = 1}}", f"a=[{{{NUMBER}=1}}]", f'a="{NUMBER}"', f"a='''\n{NUMBER}'''", f"a=1 # {NUMBER}"),
        *(
            f"a={NUMBER}.5",
            f"a=1.{NUMBER}",
            f"a=[1.{NUMBER}]",
            f"a={NUMBER}e5",
            f"a=1e{NUMBER}",
            f"a=[0.5, {NUMBER}.0]",
        ),
        *(f"a=0x{NUMBER}", f"a=[1]\n{NUMBER}=1", f"a=[1]\n[{NUMBER}]\n"),
    ],
)
def test_long_digits_that_are_no_integers(text: str) -> None:
    assert hazard(text) is None
    assert hazard(BALLAST + text) is None
    toml_rs.loads(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a = 9223372036854775808", ("a",)),
        ("a = -9223372036854775809", ("a",)),
        ("a = 0x8000000000000000", ("a",)),
        ("a = [1, {b.c = [2, 10000000000000000000]}]", ("a", 1, "b", "c", 1)),
        ("[[t]]\n[[t]]\nk = 99999999999999999999", ("t", 1, "k")),
    ],
)
def test_unfit_integers(text: str, path: tuple[str | int, ...]) -> None:
    assert unfit(toml_rs.loads(text)) == (path, TOO_LONG)


@pytest.mark.parametrize("size", [1, 39, 40, 500])
@pytest.mark.parametrize("filling", [7, "text", 1.5, True, [2], {"k": 2}], ids=str)
def test_unfit_among_many(filling: Any, size: int) -> None:
    """Many are looked at all at once."""
    for place in {0, size // 2, size - 1}:
        for wrong in 2**63, -(2**63) - 1, [2**63], {"k": [-(2**63) - 1]}:
            items: list[Any] = [filling] * size
            assert unfit({"a": items}) is None
            items[place] = wrong
            found = unfit({"a": items})
            assert found is not None
            assert (found[0][:2], found[1]) == (("a", place), TOO_LONG)
            table = {f"k{index}": item for index, item in enumerate(items)}
            assert unfit(table) == ((f"k{place}", *found[0][2:]), TOO_LONG)
    assert unfit({"a": [2**63 - 1, -(2**63)] * size}) is None


def test_fit() -> None:
    assert (
        unfit(toml_rs.loads("a = [9223372036854775807, -9223372036854775808]\nb = 1e300\nc = true\nd = {}\ne = []"))
        is None
    )
    assert unfit({}) is None


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "[]",
            "[#\n]",
            "[1]1",
            "[}",
            "]",
            "[{]",
            "={}",
            "a=[\n",
            "=1",
            "a=1\n",
            '"',
            "'",
            "\\",
            '\\"',
            "'''",
            '"""',
            '""."".',
            "#\n",
        ),
        *(
            "[ ",
            "[a",
            "[[a]",
            '["a", ',
            "['a'",
            '["[", ',
            "[a.b]\n",
            "{a=1}",
            "a." * 32 + "\n",
            "'" + "x" * 30_000 + "'.",
            " ",
        ),
        *(
            "1" * 999 + ".",
            "=" + "1" * 999 + ",",
            ".\n" * 20 + "." * 31,
            "=" + " " * 999,
            "1" * 999 + "\n",
            "\r",
            "\ufeff",
            "0_",
        ),
    ],
    ids=lambda unit: unit[:8],
)
@pytest.mark.parametrize(
    "start", ["", 'a="', 'a="""', "a='''", "a=["], ids=["", "basic", "ml-basic", "ml-literal", "array"]
)
def test_hostile_texts_are_quickly_seen_through(start: str, unit: str) -> None:
    text = start + unit * (100_000 // len(unit))
    begin = time.process_time()
    hazard(text)
    # A tenth of the largest text; anything quadratic would take minutes.
    assert time.process_time() - begin < 0.3


def test_ordinary_big_files_pass() -> None:
    text = "".join(f'[a.b{n}]\nk = "{n}.{n}"\nl = [1, "["]\nm = {{x.y = 1}}\n' for n in range(2000))
    assert hazard(text) is None
    assert hazard("a = [" + '{n = "x", v = [1.5, 2]},\n' * 5000 + "]") is None
    assert hazard('a = "' + "0.Ab[{" * 50_000 + '"') is None
