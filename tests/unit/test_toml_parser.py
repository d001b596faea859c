"""Both parsers: the same values, the same lines, the same errors from outside; and what only one of them can do."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import TESTS
from support.examples import examples
from support.toml_texts import documents, soups

from hotsettings import BaseSettings, LayerError, use_parser
from hotsettings._layers.file import FileLayer
from hotsettings._layers.layer import Document, parse
from hotsettings._layers.toml.limits import hazard
from hotsettings._layers.toml.parser import Parser, ParserError, loads
from hotsettings._loading.load import documents_or_error
from hotsettings._schema.schema import schema_of

LAYER: Final = FileLayer("config.toml", name="base")
ELSEWHERE: Final = {
    # A line break where none may be: for toml_rs the fault begins behind it, for tomllib with it.
    *(
        "invalid/array/text-after-array-entries.toml",
        "invalid/inline-table/empty-03.toml",
        "invalid/key/newline-06.toml",
    ),
    *("invalid/string/bad-multiline.toml", "invalid/string/no-close-09.toml", "invalid/string/no-close-10.toml"),
    *("invalid/table/newline-04.toml", "invalid/table/no-close-08.toml"),
}


@pytest.fixture(autouse=True)
def as_before(pytestconfig: pytest.Config) -> Iterator[None]:
    yield
    use_parser(pytestconfig.getoption("--toml-parser"))


class Nothing(BaseSettings):
    pass


def read_as(data: bytes) -> Document:
    [document] = documents_or_error(schema_of(Nothing), [parse(LAYER, data)])
    return document


def outcome(parser: Parser, text: str) -> tuple[str, Any]:
    """The values, or the line of the fault."""
    use_parser(parser)
    try:
        return "values", repr(loads(text))
    except ParserError as error:
        return "line", None if error.offset is None else text.count("\n", 0, error.offset) + 1


def toml_test() -> dict[str, str]:
    path = TESTS / "support/fuzz/toml-test.json"
    texts = {}
    for name, data in json.loads(path.read_text())["documents"].items():
        try:
            texts[name] = data.encode("latin-1").decode()
        except UnicodeDecodeError:
            continue
    return texts


def is_toml_1_1(text: str) -> bool:
    """Whether only toml_rs reads it."""
    return outcome("toml_rs", text)[0] == "values" and outcome("tomllib", text)[0] != "values"


def test_they_agree_on_toml_test() -> None:
    differing = set()
    for name, text in toml_test().items():
        if not is_toml_1_1(text) and outcome("toml_rs", text) != outcome("tomllib", text):
            differing.add(name)
    assert differing <= ELSEWHERE


def test_all_of_toml_test_is_read_as_it_should_be() -> None:
    for name, text in toml_test().items():
        if "spec-1.1" not in name:
            valid = outcome("toml_rs", text)[0] == "values"
            assert valid or name.startswith("invalid/"), name


@examples(300)
@given(documents() | soups)
def test_they_agree_on_any_text(text: str) -> None:
    """On values; what is not TOML is so for both. Where the second begins, is a matter of taste in soup."""
    if hazard(text) is None and not is_toml_1_1(text):
        one, other = outcome("toml_rs", text), outcome("tomllib", text)
        assert one[0] == other[0]
        if one[0] == "values":
            assert one == other


MISTAKES: Final = [
    *(
        "a = 1\n",
        "a = = 1\n",
        "b = [1, 2\n",
        "b = {c = 1\n",
        "[t\n",
        "[t]]\n",
        "x\n",
        "b = tru\n",
        'b = "x\n',
        "b = 'x\n",
    ),
    *(
        "b = 1 2\n",
        "b = 1979-13-01\n",
        "b = 01\n",
        'b = "\\q"\n',
        "b = \n",
        "b = #\n",
        "[]\n",
        "[t]\n[t]\n",
        "b = [\n1,\n!]\n",
    ),
]


@given(
    st.lists(
        st.sampled_from(["c{n} = 1\n", "# '\n", "\n", "d{n} = '''\n\n'''\n", "[e{n}]\n", "f{n} = [\n1,\n]\n"]),
        max_size=4,
    ),
    st.sampled_from(MISTAKES),
    st.booleans(),
)
def test_they_agree_on_the_lines_of_mistakes(before: list[str], mistake: str, crlf: bool) -> None:
    text = "a = 1\n" + "".join(line.replace("{n}", str(n)) for n, line in enumerate(before)) + mistake
    if "[e" in text and mistake == "a = 1\n":
        return  # another table
    text = text.replace("\n", "\r\n") if crlf else text
    one = outcome("toml_rs", text)
    assert one[0] == "line"
    assert outcome("tomllib", text) == one


@pytest.mark.parametrize(
    "text", ["a = {b = 1,\n}", 'a = "\\e"', 'a = "\\x41"', "a = 07:32", "a = 1979-05-27 07:32", "a = {\nb = 1}"]
)
@pytest.mark.skipif(sys.version_info >= (3, 15), reason="tomllib reads TOML 1.1 from then on")
def test_toml_1_1_is_a_clear_error_of_tomllib(text: str) -> None:
    use_parser("toml_rs")
    read_as(text.encode())
    use_parser("tomllib")
    with pytest.raises(LayerError, match=r"config.toml:\d:\d+  not valid TOML: .* \(tomllib reads TOML 1.0 only\)"):
        read_as(text.encode())


QUOTING: Final = [
    *('SECRET = 1\n"SECRET" = 2', "[SECRET]\n[SECRET]", "a = {SECRET = 1, SECRET = 2}", "a = {}\n[a.SECRET]\nb = 1"),
    *(
        "[[SECRET]]\n[SECRET]\nb = 1",
        "a = [1]\n[[a]]",
        "SECRET = 1\n[SECRET.b]",
        'a = "SECRET\x00"',
        "a = 'SECRET\x00'",
        "\x00",
    ),
    *(
        "[SECRET.a]\nb = 1\n[SECRET]\na.c = 1\n",
        "a = SECRET",
        "é = 1",
        'a = "SECRET',
        "a = 'SECRET",
        "a = 'x\x01SECRET'",
    ),
]


@pytest.mark.parametrize("parser", ["toml_rs", "tomllib"])
@pytest.mark.parametrize("text", QUOTING)
def test_messages_quote_nothing(parser: Parser, text: str) -> None:
    use_parser(parser)
    with pytest.raises(ParserError) as caught:
        loads(text)
    assert caught.value.message.startswith("not valid TOML: ")
    assert "SECRET" not in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("parser", ["toml_rs", "tomllib"])
@given(soups)
def test_messages_are_the_same_for_every_text(parser: Parser, text: str) -> None:
    use_parser(parser)
    if hazard(text) is None and outcome(parser, text)[0] == "line":
        with pytest.raises(ParserError) as caught:
            loads(text)
        message, offset = caught.value.message, caught.value.offset
        assert message.isascii()
        assert len(message) < 200
        assert offset is None or 0 <= offset <= len(text)


@pytest.mark.parametrize(("parser", "value"), [("toml_rs", "0000-01-01"), ("tomllib", "1" * 5000)])
def test_what_python_does_not_have(parser: Parser, value: str) -> None:
    use_parser(parser)
    with pytest.raises(ParserError) as caught:
        loads(f"a = {value}")
    assert caught.value.offset is None
    with pytest.raises(LayerError, match=r"config.toml:2:5  an integer outside 64 bits"):
        read_as(b"b = 1\na = " + b"1" * 5000)


@pytest.mark.parametrize("parser", ["toml_rs", "tomllib"])
def test_nesting_and_integers_are_guarded(parser: Parser) -> None:
    use_parser(parser)
    for text in ("a = " + "[" * 33 + "]" * 33, "a = " + "{b = " * 33 + "1" + "}" * 33, ".".join("a" * 34) + " = 1"):
        with pytest.raises(LayerError, match="more than 3"):
            read_as(text.encode())
    with pytest.raises(LayerError, match="an integer outside 64 bits"):
        read_as(b"a = 9223372036854775808")
    assert read_as(("a = " + "[" * 32 + "]" * 32).encode()).values


def test_an_unknown_parser() -> None:
    with pytest.raises(ValueError, match="'toml_rs' or 'tomllib', not 'toml'"):
        use_parser("toml")  # type: ignore[arg-type]


def test_the_error_holds_text_alone() -> None:
    error = pickle.loads(pickle.dumps(ParserError("words", 3)))
    assert (error.message, error.offset) == ("words", 3)


def test_too_many_dotted_keys_for_tomllib_are_refused_at_their_line() -> None:
    few, line = "[above]\n'a.b' = 1\n", "x%d" + ".a" * 31 + " = 1\n"
    text = few + "".join(line % number for number in range(5_000))
    use_parser("tomllib")
    with pytest.raises(ParserError, match="more dotted keys than tomllib can read in time") as caught:
        loads(text)
    assert caught.value.offset is not None
    assert text.startswith("x", caught.value.offset)
    assert loads(text[: text.index("x300.")])["above"]["a.b"] == 1
